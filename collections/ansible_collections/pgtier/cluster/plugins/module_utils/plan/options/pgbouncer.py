"""Variables of the pools and the endpoints they serve."""

from __future__ import annotations

from ..option import Option, port_option, template_option

ENDPOINTS = ("primary", "primary_session", "replica", "replica_session", "analytics")

_ENDPOINT_KEYS = (
    Option("enabled", "bool", "Whether the endpoint exists.", True),
    Option("port", "int", "Port on the proxy hosts. Default: see the table of endpoints.", minimum=1024, maximum=65535),
    Option("pool_size", "int", "Server connections per user and database.", minimum=1, maximum=5000),
    Option(
        "min_pool_size", "int", "Server connections that are kept open per user and database.", minimum=0, maximum=5000
    ),
    Option("max_client_connections", "int", "Clients that one proxy host accepts.", minimum=10, maximum=18000),
    Option("processes", "int", "PgBouncer processes on each proxy host, each on one core.", minimum=1, maximum=32),
    Option(
        "reset",
        "bool",
        "Whether a server connection forgets what a client set (DISCARD ALL) before the next client gets it. Without, "
        "a transaction pool saves a round trip a transaction, and settings, advisory locks and temporary tables leak.",
        True,
    ),
)

OPTIONS = (
    Option(
        "pgbouncer_pool_size",
        "int",
        "Server connections per user and database in transaction mode, on each proxy host.",
        20,
        "pgbouncer",
        minimum=1,
        maximum=5000,
    ),
    Option(
        "pgbouncer_session_pool_size",
        "int",
        "Server connections per user and database in session mode, on each proxy host.",
        10,
        "pgbouncer",
        minimum=1,
        maximum=5000,
    ),
    Option(
        "pgbouncer_max_client_connections",
        "int",
        "Clients that each endpoint accepts on one proxy host. Each needs an open file.",
        5000,
        "pgbouncer",
        minimum=10,
        maximum=18000,
    ),
    Option(
        "pgbouncer_processes",
        "int",
        "PgBouncer processes of each endpoint on each proxy host, for hosts with more cores: one uses one. They share "
        "the port, the clients and the pool's size.",
        1,
        "pgbouncer",
        minimum=1,
        maximum=32,
    ),
    port_option(
        "pgbouncer_route_port",
        "pgbouncer",
        6453,
        "UDP port on the loopback address where PgBouncer asks for the servers' addresses.",
    ),
    Option(
        "pgbouncer_replica_max_lag_seconds",
        "int",
        "A replica that is further behind in time serves no reads of the pools, until it is at most half as far "
        "behind. 0 for no limit.",
        10,
        "pgbouncer",
        minimum=0,
        maximum=86400,
        unit="s",
    ),
    Option(
        "pgbouncer_endpoints",
        "dict",
        "Changes to the pooled endpoints, by the endpoint's name.",
        {},
        "pgbouncer",
        keys=tuple(Option(name, "dict", f"Endpoint `{name}`.", keys=_ENDPOINT_KEYS) for name in ENDPOINTS),
    ),
    template_option("pgbouncer"),
)
