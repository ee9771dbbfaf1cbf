"""PgBouncer's processes, where each connects to, and how many connections they make at most."""

from __future__ import annotations

from typing import Literal, TypedDict

from .endpoints import PoolMode, Target


class PgbouncerInstance(TypedDict):
    """One `pgbouncer@NAME` unit: a process with an endpoint's pools, or one of several that share the endpoint's port.
    A request to cancel may reach another process than its client's; `peers` are all of them, by their number. An
    endpoint with one process has a stand-in, which runs while that one is replaced.

    Passwords are looked up in `lookup_database`, by `lookup_host` and `lookup_port`.
    `database_limits` are server connections to each database, all users together. `connect_query` is run on each new
    server connection, `""` for none. `start_settings` are those that PgBouncer reads only when it starts.
    """

    name: str
    unit: str
    endpoint: str
    port: int
    pool_mode: PoolMode
    target: Target
    server_host: str
    server_port: int
    lookup_database: str
    lookup_host: str
    lookup_port: int
    databases: list[str]
    database_limits: dict[str, int]
    peers: dict[str, str]
    connect_query: str
    start_settings: dict[str, str | int]
    settings: dict[str, str | int | float]


class RoutePrimary(TypedDict):
    """The name that the primary's pools know it by, HAProxy's backend for it, and the pools' consoles."""

    name: str
    backend: str
    consoles: list[str]


class RouteEndpoint(TypedDict):
    """An endpoint of reads: the name that its pools know the replicas by, and their consoles. In session mode a client
    may stay for ever where it is."""

    name: str
    pool_mode: PoolMode
    consoles: list[str]


class RouteReads(TypedDict):
    """`fallback` says whether reads go to the primary while no replica is fit. One that is behind by more than
    `max_lag_seconds` is not; 0 for no limit."""

    backend: str
    fallback: bool
    max_lag_seconds: int
    endpoints: list[RouteEndpoint]


class RouteMember(TypedDict):
    address: str
    port: int
    restapi_port: int


class Route(TypedDict):
    """The configuration of the small DNS server on loopback that tells PgBouncer where to connect, once there is
    somebody to connect to. It goes by what HAProxy says at the Unix socket `haproxy`, verifies with `ca_file` (`""`
    without TLS) and asks PostgreSQL as `user` whether it lets clients in. `relay` is a loopback address, with
    PostgreSQL's port, where it takes requests to cancel a read."""

    port: int
    relay: str
    haproxy: str
    ca_file: str
    user: str
    primary: RoutePrimary
    reads: RouteReads
    members: list[RouteMember]


class BudgetTerm(TypedDict):
    """pools (users x databases) x pool_size x processes x proxies = connections; `text` shows it."""

    endpoint: str
    pools: int
    pool_size: int
    processes: int
    proxies: int
    connections: int
    text: str


class Budget(TypedDict):
    terms: list[BudgetTerm]
    total: int
    available: int
    max_connections: int
    reserved: int


class PgbouncerConsole(TypedDict):
    """Where the processes of an endpoint on a proxy can be told to pause, by the cluster's own hosts."""

    proxy: str
    address: str
    port: int
    instances: list[str]


class Pgbouncer(TypedDict):
    """`connection` is the kind of connection that clients are let in by; `tls_directory` as etcd's. `consoles` are
    those of the pools that a planned switchover holds back, `admin` is let in there from `own_networks`."""

    instances: list[PgbouncerInstance]
    standins: list[PgbouncerInstance]
    consoles: list[PgbouncerConsole]
    admin: str
    own_networks: list[str]
    route: Route
    budget: Budget
    connection: Literal["host", "hostssl"]
    tls_directory: str
    client_networks: list[str]
