"""Endpoints: what an application connects to. A new endpoint is a new row here."""

from __future__ import annotations

from dataclasses import dataclass

from .schema.endpoints import Endpoint, PoolMode, Target
from .settings import Settings
from .tls import server_name
from .topology import Topology, virtual_address


@dataclass(frozen=True)
class Pooled:
    name: str
    port: int
    target: Target
    pool_mode: PoolMode
    purpose: str


@dataclass(frozen=True)
class Direct:
    name: str
    port_option: str
    target: Target
    purpose: str


POOLED = (
    Pooled("primary", 6432, "primary", "transaction", "the application"),
    Pooled(
        "primary_session",
        6433,
        "primary",
        "session",
        "LISTEN/NOTIFY, session SET, advisory locks and migrations",
    ),
    Pooled("replica", 6442, "replica", "transaction", "reads, spread over the replicas"),
    Pooled("replica_session", 6443, "replica", "session", "reads that need a session"),
    Pooled("analytics", 6452, "analytics", "session", "reports, on a replica that nothing else reads from"),
)
DIRECT = (
    Direct("primary_direct", "haproxy_primary_port", "primary", "dumps and administration, not pooled"),
    Direct("replica_direct", "haproxy_replica_port", "replica", "dumps from a replica, not pooled"),
    Direct("analytics_direct", "haproxy_analytics_port", "analytics", "long exports, not pooled"),
)


@dataclass(frozen=True)
class Pool:
    """A pooled endpoint with the inventory's changes put in."""

    name: str
    port: int
    port_variable: str
    target: Target
    pool_mode: PoolMode
    purpose: str
    pool_size: int
    pool_size_variable: str
    min_pool_size: int
    max_client_connections: int
    reset: bool
    processes: int

    def share(self, number: int) -> int:
        """What one process has of a number that all of the endpoint's on a host have together."""
        return -(-number // self.processes)


def wanted_pools(settings: Settings, topology: Topology) -> list[Pool]:
    return [
        _pool(row, settings, topology)
        for row in POOLED
        if (row.target != "analytics" or topology.analytics) and _changes(row.name, settings).get("enabled", True)
    ]


def _changes(name: str, settings: Settings) -> dict[str, int | bool | None]:
    changes = settings["pgbouncer_endpoints"].get(name)
    return changes or {}


def _pool(row: Pooled, settings: Settings, topology: Topology) -> Pool:
    changes = _changes(row.name, settings)
    reset = changes.get("reset")
    common = "pgbouncer_pool_size" if row.pool_mode == "transaction" else "pgbouncer_session_pool_size"
    own = f"pgbouncer_endpoints.{row.name}"
    pool_size = changes.get("pool_size") or settings[common]
    minimum = changes.get("min_pool_size")
    return Pool(
        name=row.name,
        port=changes.get("port") or row.port,
        port_variable=f"{own}.port",
        target=row.target,
        pool_mode=row.pool_mode,
        purpose=row.purpose,
        pool_size=pool_size,
        pool_size_variable=f"{own}.pool_size" if changes.get("pool_size") else common,
        min_pool_size=_spread(row, pool_size, topology) if minimum is None else minimum,
        max_client_connections=changes.get("max_client_connections") or settings["pgbouncer_max_client_connections"],
        reset=reset is not False,
        processes=changes.get("processes") or settings["pgbouncer_processes"],
    )


def _spread(row: Pooled, pool_size: int, topology: Topology) -> int:
    """Reads are spread evenly when a pool has the same number of connections to each replica, and more of them than are
    busy: then each takes its turn. So all of its size is kept open, as far as the replicas divide it. Other pools grow
    when they are asked to."""
    replicas = len(topology.candidates) - 1
    if row.target != "replica" or row.pool_mode != "transaction" or replicas < 2:
        return 0
    return pool_size - pool_size % replicas


def wanted_direct(topology: Topology) -> list[Direct]:
    return [row for row in DIRECT if row.target != "analytics" or topology.analytics]


def endpoints(settings: Settings, topology: Topology) -> dict[str, Endpoint]:
    # The proxies after the address that moves between them: while it moves, or if it is lost, clients go on to those.
    hosts = [*filter(None, [virtual_address(settings)]), *topology.address_of(topology.proxies)]
    pooled = [
        Endpoint(
            name=pool.name,
            port=pool.port,
            target=pool.target,
            pool_mode=pool.pool_mode,
            hosts=hosts,
            server_name="",
            purpose=pool.purpose,
        )
        for pool in wanted_pools(settings, topology)
    ]
    direct = [
        Endpoint(
            name=row.name,
            port=settings[row.port_option],
            target=row.target,
            pool_mode=None,
            hosts=hosts,
            server_name=server_name(row.target) if settings["tls_enabled"] else "",
            purpose=row.purpose,
        )
        for row in wanted_direct(topology)
    ]
    return {endpoint["name"]: endpoint for endpoint in (*pooled, *direct)}
