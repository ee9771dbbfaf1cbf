"""PgBouncer's instances, one an endpoint."""

from __future__ import annotations

from . import pooler_databases
from .budget import budget
from .endpoints import Pool, wanted_direct, wanted_pools
from .hba import connection
from .logins import MONITOR, POOLER_ADMIN, pools, read_databases, read_users
from .openings import client_networks, own_networks
from .route import CONNECT_QUERY, RESOLV_CONF, name, route, routed
from .schema.pgbouncer import Pgbouncer, PgbouncerConsole, PgbouncerInstance
from .settings import Settings
from .tls import CIPHERS, LOOPBACK, directory
from .topology import Topology

STANDIN = ".standin"


def pgbouncer(settings: Settings, topology: Topology) -> Pgbouncer:
    instances = [
        _instance(pool, process, settings, topology)
        for pool in wanted_pools(settings, topology)
        for process in range(1, pool.processes + 1)
    ]
    standins = [_standin(one) for one in instances if _directory(f"{one['name']}{STANDIN}") in one["peers"].values()]
    return Pgbouncer(
        instances=instances,
        consoles=_consoles(instances, topology),
        admin=POOLER_ADMIN,
        own_networks=own_networks(topology),
        standins=standins,
        route=route(settings, topology, [*instances, *standins]),
        budget=budget(settings, topology, "primary"),
        connection=connection(settings),
        tls_directory=directory(settings, "pgbouncer"),
        client_networks=client_networks(settings, topology),
    )


def _consoles(instances: list[PgbouncerInstance], topology: Topology) -> list[PgbouncerConsole]:
    """Pools in session mode are not held back: a pause there waits until the clients leave."""
    held = [one for one in instances if (one["target"], one["pool_mode"]) == ("primary", "transaction")]
    return [
        PgbouncerConsole(
            proxy=proxy,
            address=topology.addresses[proxy],
            port=port,
            instances=[one["name"] for one in held if one["port"] == port],
        )
        for proxy in topology.proxies
        for port in dict.fromkeys(one["port"] for one in held)
    ]


def instance_name(pool: Pool, process: int) -> str:
    """The first process is called as the endpoint."""
    return pool.name if process == 1 else f"{pool.name}.{process}"


def _peers(pool: Pool) -> dict[str, str]:
    """All that can share the endpoint's port, by their number."""
    names = [instance_name(pool, process) for process in range(1, pool.processes + 1)]
    if pool.processes == 1:
        names.append(f"{pool.name}{STANDIN}")
    return {str(number): _directory(name) for number, name in enumerate(names, 1)}


def _directory(name: str) -> str:
    return f"/run/pgbouncer/{name}"


def _standin(instance: PgbouncerInstance) -> PgbouncerInstance:
    """Who takes new clients while an endpoint's only process is replaced. It has half of its connections, so that both
    together are not more than what is left free elsewhere."""

    def half(number: int) -> int:
        return -(-number // 2)

    size = int(instance["settings"]["default_pool_size"])
    return PgbouncerInstance(
        **{
            **instance,
            "name": f"{instance['name']}{STANDIN}",
            "unit": f"pgbouncer-standin@{instance['name']}.service",
            "database_limits": {name: half(limit) for name, limit in instance["database_limits"].items()},
            "start_settings": {**instance["start_settings"], "peer_id": 2},
            "settings": {**instance["settings"], "default_pool_size": half(size), "min_pool_size": 0},
        }
    )


def _instance(pool: Pool, process: int, settings: Settings, topology: Topology) -> PgbouncerInstance:
    users = read_users(settings)
    databases = list(read_databases(settings))
    (direct,) = (settings[row.port_option] for row in wanted_direct(topology) if row.target == pool.target)
    # Straight to PostgreSQL, found by a name (route.py); reports by way of HAProxy on the same host.
    straight, primary = routed(pool), pool.target == "primary"
    return PgbouncerInstance(
        name=instance_name(pool, process),
        unit=f"pgbouncer@{instance_name(pool, process)}.service",
        endpoint=pool.name,
        port=pool.port,
        pool_mode=pool.pool_mode,
        target=pool.target,
        server_host=name(pool) if straight else LOOPBACK,
        server_port=settings["postgresql_port"] if straight else direct,
        # A look-up by an endpoint of reads' own name would be counted as one of its connections.
        lookup_database=pooler_databases.LOOKUP,
        lookup_host=name(pool) if primary else LOOPBACK,
        lookup_port=settings["postgresql_port"] if primary else direct,
        databases=databases,
        # A user made later opens a pool that the budget has not counted: the database's limit keeps it within.
        database_limits={database: pools(users, database) * pool.share(pool.pool_size) for database in databases},
        peers=_peers(pool),
        connect_query=CONNECT_QUERY if primary else "",
        start_settings={
            **({"resolv_conf": RESOLV_CONF} if straight else {}),
            "so_reuseport": 1,
            "peer_id": process,
        },
        settings={**_settings(pool), **_tls(directory(settings, "pgbouncer"))},
    )


def _settings(pool: Pool) -> dict[str, str | int | float]:
    settings: dict[str, str | int | float] = {
        "max_client_conn": pool.share(pool.max_client_connections),
        "default_pool_size": pool.share(pool.pool_size),
        "min_pool_size": min(pool.share(pool.min_pool_size), pool.share(pool.pool_size)),
        "reserve_pool_size": 0,
        # The default of 15 s would be the longest part of a failover.
        "server_login_retry": 0.2,
        "server_connect_timeout": 2,
        "server_idle_timeout": 600,
        # Clients wait through a failover rather than fail; longer than that, something else is wrong.
        "query_wait_timeout": 60,
        "server_lifetime": 3600,
        # Drivers of Java set it at start-up; pooled connections all have the server's value.
        "ignore_startup_parameters": "extra_float_digits",
        "listen_backlog": 4096,
        # A client whose host is gone gives its place back within a minute.
        "tcp_keepalive": 1,
        "tcp_keepidle": 30,
        "tcp_keepintvl": 10,
        "tcp_keepcnt": 3,
        "admin_users": POOLER_ADMIN,
        "stats_users": MONITOR,
        "log_connections": 0,
        "log_disconnections": 0,
    }
    if pool.pool_mode == "transaction":
        # Statements prepared by the protocol work across transactions (PgBouncer 1.21 and later).
        settings["max_prepared_statements"] = 200
    else:
        settings["max_prepared_statements"] = 0
    if pool.reset:
        settings["server_reset_query"] = "DISCARD ALL"
        # By itself PgBouncer resets in session mode only: a transaction pool's clients would get each other's settings.
        settings["server_reset_query_always"] = 1
    else:
        settings["server_reset_query"] = ""
    if routed(pool):
        settings |= {
            # Ask where to go for each new connection.
            "dns_max_ttl": 0,
            "dns_nxdomain_ttl": 0,
            "server_login_retry": 0.1,
            # The name is answered once there is somebody fit: so long may a statement be held until then.
            "server_connect_timeout": 30,
            # Nobody between here and a server that froze: notice within 8 seconds.
            "tcp_keepidle": 5,
            "tcp_keepintvl": 1,
        }
    if pool.target == "replica":
        # Take turns.
        settings["server_round_robin"] = 1
        # PgBouncer sets aside what was idle for this long (30 s by default) and, once there is work again, takes from
        # there only what it needs: a few connections, by chance most of them to one replica.
        settings["server_check_delay"] = 300
    return settings


def _tls(files: str) -> dict[str, str | int | float]:
    """Nobody gets in without, and no server is spoken to that is not the one meant."""
    if not files:
        return {"client_tls_sslmode": "disable", "server_tls_sslmode": "disable"}
    return {
        "client_tls_sslmode": "require",
        "client_tls_cert_file": f"{files}/host.crt",
        "client_tls_key_file": f"{files}/host.key",
        "client_tls_ca_file": f"{files}/ca.crt",
        "client_tls_protocols": "secure",
        "client_tls_ciphers": CIPHERS,
        "server_tls_sslmode": "verify-full",
        "server_tls_ca_file": f"{files}/ca.crt",
        "server_tls_protocols": "secure",
        "server_tls_ciphers": CIPHERS,
    }
