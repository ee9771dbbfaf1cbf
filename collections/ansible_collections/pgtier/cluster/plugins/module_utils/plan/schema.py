"""The shape of a plan: plain dicts, lists, strings and numbers, so that templates, JSON and golden files can hold it.

Everything that a template, a role or a module needs to know about the cluster is here. Nobody else decides.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from .keepalived_schema import Keepalived

PoolMode = Literal["transaction", "session"]
Target = Literal["primary", "replica", "analytics"]


class Cluster(TypedDict):
    scope: str
    postgresql_version: int
    recovery_time: str
    recovery_point: str
    profile: str
    data_directory: str
    bin_directory: str
    client_networks: list[str]


class Port(TypedDict):
    """A TCP port that a process on a host listens on. Preflight and a firewall read these."""

    port: int
    process: str
    variable: str
    purpose: str


class Host(TypedDict):
    """A host of the inventory with what it is for. `packages` are all packages that its components need, `sysctl`
    the kernel settings that suit them."""

    name: str
    address: str
    groups: list[str]
    ports: list[Port]
    packages: list[str]
    sysctl: dict[str, str | int]


class Certificate(TypedDict):
    """What a host's certificate has to say: the names and addresses it is reached by, and whether it also proves the
    host to servers that ask for a client's certificate."""

    names: list[str]
    addresses: list[str]
    client: bool


class Tls(TypedDict):
    """`ca_file` is where every host has the certificates that servers are verified with; `ciphers` are OpenSSL's names
    for what TLS 1.2 may use (1.3 has no others)."""

    enabled: bool
    ca_file: str
    days: int
    ca_days: int
    refuse_days: int
    ciphers: str
    hosts: dict[str, Certificate]


class EtcdMember(TypedDict):
    name: str
    address: str
    client_url: str
    peer_url: str
    data_directory: str


class Etcd(TypedDict):
    """`tls_directory` holds a member's `ca.crt`, `host.crt` and `host.key`; `""` without TLS. `local_url` is a member
    seen from its own host."""

    token: str
    members: dict[str, EtcdMember]
    initial_cluster: str
    client_urls: list[str]
    local_url: str
    client_port: int
    tls_directory: str
    cipher_suites: list[str]
    heartbeat_interval_ms: int
    election_timeout_ms: int


class Member(TypedDict):
    """A PostgreSQL server under Patroni. `role` says what it may become, not what it is now."""

    name: str
    host: str
    address: str
    port: int
    restapi_port: int
    role: Literal["candidate", "analytics"]
    tags: dict[str, bool | int | str]


class HbaRule(TypedDict):
    type: Literal["local", "host", "hostssl", "hostnossl"]
    database: str
    user: str
    address: str
    method: str
    why: str


class PostgreSQL(TypedDict):
    """`parameters` go to Patroni's dynamic configuration, `per_member` to a member's local one."""

    parameters: dict[str, str | int | float]
    per_member: dict[str, dict[str, str | int | float]]
    hba: list[HbaRule]
    sources: dict[str, str]


class Succession(TypedDict):
    """The configuration of a member's pgtier-succession, which gives up a dead leader's key upon proof and keeps etcd's
    leader off the primary's host. `etcd` are its members, the one on this host first; `etcd_here` is that one, `""`
    if there is none. Without a `fence_command` nobody is fenced."""

    scope: str
    member: str
    ttl: int
    data_directory: str
    tls_directory: str
    etcd: list[str]
    etcd_here: str
    fence_command: list[str]
    fence_timeout_seconds: int
    silence_seconds: float


class Patroni(TypedDict):
    """`dynamic` is the whole dynamic configuration; `local` a member's config.yml without its passwords.

    `urls` are the members' REST APIs, `cafile` where each host has the certificates that they are verified with, `""`
    without TLS. `tls_directory` is as etcd's, and for PostgreSQL too.
    """

    dynamic: dict[str, Any]
    local: dict[str, dict[str, Any]]
    urls: list[str]
    cafile: str
    tls_directory: str
    restapi_port: int
    succession: dict[str, Succession]


class HaproxyServer(TypedDict):
    name: str
    address: str
    port: int
    check_port: int


class HaproxyBackend(TypedDict):
    """`check` is the path asked of each member's Patroni; `fallback` the backend used when no server is fit."""

    name: str
    check: str
    balance: str
    servers: list[HaproxyServer]
    fallback: str | None
    shutdown_sessions_on_down: bool
    rise: int


class HaproxyFrontend(TypedDict):
    """`bind` is an address as HAProxy writes it, a TCP port or a Unix socket."""

    name: str
    bind: str
    backend: str
    purpose: str


class Haproxy(TypedDict):
    """`ca_file` verifies the members' REST APIs, `""` where they speak in the clear. Only `client_networks` are let in:
    PostgreSQL sees the proxy's address, so its pg_hba cannot tell where clients come from."""

    client_networks: list[str]
    ca_file: str
    frontends: list[HaproxyFrontend]
    backends: list[HaproxyBackend]
    maxconn: int
    stats_port: int
    check_interval_ms: int
    check_interval_fast_ms: int
    check_interval_down_ms: int
    fall: int


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


class Opening(TypedDict):
    """A port of a host that others connect to, 0 for a protocol without. `hosts` are those of the cluster by name,
    `networks` all others."""

    port: int
    protocol: str
    what: str
    hosts: list[str]
    networks: list[str]


class FirewallRule(TypedDict):
    """A port, 0 for a protocol without, and who may reach it: networks of IPv4 and of IPv6, none of which overlap."""

    port: int
    protocol: str
    what: str
    ip4: list[str]
    ip6: list[str]


class Firewall(TypedDict):
    """What each host lets in, where a firewall is wanted."""

    enabled: bool
    hosts: dict[str, list[FirewallRule]]


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


class Endpoint(TypedDict):
    """What an application connects to. `pool_mode` is None where it is not pooled.

    `server_name` is the name that the certificate is verified against where that is not the host's own: a direct port
    leads to a member, whichever it is at the time. `""` elsewhere, and without TLS.
    """

    name: str
    port: int
    target: Target
    pool_mode: PoolMode | None
    hosts: list[str]
    server_name: str
    purpose: str


class Database(TypedDict):
    name: str
    owner: str
    encoding: str
    extensions: list[str]
    schemas: list[dict[str, str]]


class Grant(TypedDict):
    """`privilege` is `read`, `write` or `all` on the objects of `schema`, present and future."""

    database: str
    schema: str
    privilege: Literal["read", "write", "all"]


class User(TypedDict):
    """A login. `databases` are those it may connect to (owned or granted). `service` users are the tier's own."""

    name: str
    service: bool
    databases: list[str]
    grants: list[Grant]
    attributes: list[str]
    member_of: list[str]
    connection_limit: int


class Plan(TypedDict):
    cluster: Cluster
    hosts: dict[str, Host]
    tls: Tls
    etcd: Etcd
    members: dict[str, Member]
    postgresql: PostgreSQL
    patroni: Patroni
    haproxy: Haproxy
    pgbouncer: Pgbouncer
    keepalived: Keepalived
    endpoints: dict[str, Endpoint]
    openings: dict[str, list[Opening]]
    firewall: Firewall
    databases: dict[str, Database]
    users: dict[str, User]
    notes: list[str]
