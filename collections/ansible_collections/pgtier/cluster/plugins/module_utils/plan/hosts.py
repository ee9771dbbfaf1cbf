"""What each host has by being in its groups: listening ports, packages, kernel settings."""

from __future__ import annotations

from .endpoints import wanted_direct, wanted_pools
from .postgresql import Facts, effective_kb
from .schema.hosts import Host, Port
from .settings import Settings
from .system import sysctl
from .topology import Topology

# Extensions whose packages are known; those that come with PostgreSQL itself need none.
EXTENSION_PACKAGES = {
    "age": "age",
    "hll": "hll",
    "hypopg": "hypopg",
    "ip4r": "ip4r",
    "orafce": "orafce",
    "pg_cron": "cron",
    "pg_partman": "partman",
    "pg_repack": "repack",
    "pgaudit": "pgaudit",
    "postgis": "postgis-3",
    "vector": "pgvector",
}


def hosts(settings: Settings, topology: Topology, facts: Facts) -> dict[str, Host]:
    return {
        host: Host(
            name=host,
            address=topology.addresses[host],
            groups=list(topology.groups[host]),
            ports=ports(settings, topology, host),
            packages=_packages(settings, topology, host),
            sysctl=_sysctl(settings, topology, facts, host),
        )
        for host in topology.hosts
    }


def ports(settings: Settings, topology: Topology, host: str) -> list[Port]:
    found: list[Port] = []
    if host in topology.etcd:
        found += [
            _port(settings, "etcd_client_port", "etcd", "Patroni and etcdctl"),
            _port(settings, "etcd_peer_port", "etcd", "etcd's members"),
        ]
    if host in topology.members:
        found += [
            _port(settings, "postgresql_port", "postgres", "PostgreSQL"),
            _port(settings, "patroni_restapi_port", "patroni", "Patroni's REST API"),
        ]
    if host in topology.proxies:
        found += [_port(settings, row.port_option, "haproxy", row.name) for row in wanted_direct(topology)]
        found.append(_port(settings, "haproxy_stats_port", "haproxy", "page and metrics, on loopback"))
        found += [
            Port(port=pool.port, process="pgbouncer", variable=pool.port_variable, purpose=pool.name)
            for pool in wanted_pools(settings, topology)
        ]
    return found


def _port(settings: Settings, variable: str, process: str, purpose: str) -> Port:
    return Port(port=settings[variable], process=process, variable=variable, purpose=purpose)


def _packages(settings: Settings, topology: Topology, host: str) -> list[str]:
    version = settings["postgresql_version"]
    found: list[str] = []
    if host in topology.etcd:
        found += ["etcd-server", "etcd-client"]
    if host in topology.members:
        extensions = {name for database in settings["databases"] for name in database["extensions"]}
        # Patroni's package speaks to etcd only with python3-etcd beside it.
        found += [f"postgresql-{version}", "patroni", "python3-etcd", "python3-psycopg2"]
        found += [
            f"postgresql-{version}-{EXTENSION_PACKAGES[name]}" for name in sorted(extensions & {*EXTENSION_PACKAGES})
        ]
    if host in topology.proxies:
        found += ["haproxy", "pgbouncer", f"postgresql-client-{version}", "python3-psycopg2"]
    if host in topology.proxies and settings["keepalived_address"]:
        found.append("keepalived")
    if settings["firewall_enabled"]:
        found.append("nftables")
    return list(dict.fromkeys((*found, *settings["system_packages"])))


def _sysctl(settings: Settings, topology: Topology, facts: Facts, host: str) -> dict[str, str | int]:
    member = host in topology.members
    shared_kb = effective_kb(settings, topology, facts, host, "shared_buffers") if member else None
    computed = sysctl(
        member=member,
        proxy=host in topology.proxies,
        shared_buffers_mb=shared_kb // 1024 if shared_kb is not None else None,
    )
    return {**computed, **settings["system_sysctl"]}
