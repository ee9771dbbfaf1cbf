"""PgBouncer's instances, one an endpoint."""

from __future__ import annotations

from .budget import budget
from .endpoints import Pool, wanted_direct, wanted_pools
from .logins import MONITOR, pools, read_databases, read_users
from .schema import Pgbouncer, PgbouncerInstance
from .settings import Settings
from .topology import Topology, host_network


def pgbouncer(settings: Settings, topology: Topology) -> Pgbouncer:
    own = [host_network(address) for address in topology.address_of(topology.hosts)]
    return Pgbouncer(
        instances=[_instance(pool, settings, topology) for pool in wanted_pools(settings, topology)],
        budget=budget(settings, topology, "primary"),
        client_networks=list(dict.fromkeys((*own, *settings["postgresql_client_networks"]))),
    )


def _instance(pool: Pool, settings: Settings, topology: Topology) -> PgbouncerInstance:
    users = read_users(settings)
    databases = list(read_databases(settings))
    ports = {row.target: settings[row.port_option] for row in wanted_direct(topology)}
    return PgbouncerInstance(
        name=pool.name,
        endpoint=pool.name,
        port=pool.port,
        pool_mode=pool.pool_mode,
        target=pool.target,
        # HAProxy on the same host knows where the primary is and holds a connection while there is none.
        server_host="127.0.0.1",
        server_port=ports[pool.target],
        databases=databases,
        # A user made later opens a pool that the budget has not counted: the database's limit keeps it within.
        database_limits={name: pools(users, name) * pool.pool_size for name in databases},
        settings=_settings(pool),
    )


def _settings(pool: Pool) -> dict[str, str | int | float]:
    settings: dict[str, str | int | float] = {
        "max_client_conn": pool.max_client_connections,
        "default_pool_size": pool.pool_size,
        "min_pool_size": pool.min_pool_size,
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
        "stats_users": MONITOR,
        "log_connections": 0,
        "log_disconnections": 0,
    }
    if pool.pool_mode == "transaction":
        # Statements prepared by the protocol work across transactions (PgBouncer 1.21 and later).
        settings["max_prepared_statements"] = 200
    else:
        settings["max_prepared_statements"] = 0
        settings["server_reset_query"] = "DISCARD ALL"
    if pool.target == "replica":
        # Take turns, and reconnect often enough for a returned replica to get its share back.
        settings["server_round_robin"] = 1
        settings["server_lifetime"] = 300
    return settings
