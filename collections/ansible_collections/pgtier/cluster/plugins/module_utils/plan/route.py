"""Pools go straight to PostgreSQL and find it by a name. docs/benchmarks.md says what that brings.

roles/pgbouncer/files/route answers the names, from what the local HAProxy's checks say.
"""

from __future__ import annotations

from collections.abc import Sequence

from .endpoints import Pool, wanted_pools
from .logins import POOLER_LOOKUP
from .schema.pgbouncer import PgbouncerInstance, Route, RouteEndpoint, RouteMember, RoutePrimary, RouteReads
from .settings import Settings
from .tls import directory, server_name, session_name
from .topology import Topology

# PostgreSQL itself listens on 127.0.0.1 at most.
RELAY = "127.0.0.2"
RESOLV_CONF = "/etc/pgbouncer/route.resolv.conf"
# Whatever the name led to: a session on a standby ends itself before a client gets it.
CONNECT_QUERY = "select pg_terminate_backend(pg_backend_pid()) where pg_is_in_recovery()"


def routed(pool: Pool) -> bool:
    """Whether the pool finds its servers by the route. Reports have one server: they go by HAProxy."""
    return pool.target != "analytics"


def name(pool: Pool) -> str:
    """The name that a pool knows its servers by. Each endpoint of reads has its own: connections are counted by it."""
    own = (pool.target, pool.pool_mode) == ("replica", "session")
    return session_name(pool.target) if own else server_name(pool.target)


def route(settings: Settings, topology: Topology, instances: Sequence[PgbouncerInstance]) -> Route:
    def consoles(endpoint: str) -> list[str]:
        return [
            f"/run/pgbouncer/{instance['name']}/.s.PGSQL.{instance['port']}"
            for instance in instances
            if instance["endpoint"] == endpoint
        ]

    pools = wanted_pools(settings, topology)
    files = directory(settings, "pgbouncer")
    return Route(
        port=settings["pgbouncer_route_port"],
        relay=RELAY,
        haproxy="/run/haproxy/state.sock",
        ca_file=f"{files}/ca.crt" if files else "",
        user=POOLER_LOOKUP,
        primary=RoutePrimary(
            name=server_name("primary"),
            backend="primary",
            consoles=[console for pool in pools if pool.target == "primary" for console in consoles(pool.name)],
        ),
        reads=RouteReads(
            backend="replica",
            fallback=settings["haproxy_read_fallback"],
            max_lag_seconds=settings["pgbouncer_replica_max_lag_seconds"],
            endpoints=[
                RouteEndpoint(name=name(pool), pool_mode=pool.pool_mode, consoles=consoles(pool.name))
                for pool in pools
                if pool.target == "replica"
            ],
        ),
        members=[
            RouteMember(
                address=topology.addresses[host],
                port=settings["postgresql_port"],
                restapi_port=settings["patroni_restapi_port"],
            )
            for host in topology.candidates
        ],
    )
