"""Every variable that a user may write. Settings, role defaults, argument_specs and docs come from this one table."""

from __future__ import annotations

from .option import Option, port_option, template_option

ENDPOINTS = ("primary", "primary_session", "replica", "replica_session", "analytics")
ROLES = ("system", "firewall", "tls", "etcd", "postgresql", "patroni", "databases", "pgbouncer", "haproxy")
# Variables with these beginnings are ours: one that is not in the table is a typing mistake.
PREFIXES = ("system_", "firewall_", "tls_", "etcd_", "postgresql_", "patroni_", "databases_", "pgbouncer_", "haproxy_")

_SYSTEM = (
    Option(
        "system_packages",
        "list",
        "More Debian packages for every host, for example those of extensions that pgtier does not know.",
        [],
        "system",
        elements="str",
    ),
    Option(
        "system_sysctl",
        "dict",
        "Kernel settings that win over the computed ones, by name.",
        {},
        "system",
    ),
    template_option("system"),
)

_FIREWALL = (
    Option(
        "firewall_enabled",
        "bool",
        "Whether each host lets in only what the cluster needs, by a table of its own in nftables.",
        False,
        "firewall",
    ),
    Option(
        "firewall_admin_networks",
        "list",
        "Networks, in CIDR notation, that the firewall lets ssh in from. The controller has to be in one. "
        "Default: all.",
        [],
        "firewall",
        elements="str",
    ),
    Option(
        "firewall_extra",
        "list",
        "More ports that the firewall opens on this host, for services that are not of the cluster.",
        [],
        "firewall",
        "host",
        elements="dict",
        keys=(
            Option("port", "int", "The port.", required=True, minimum=1, maximum=65535),
            Option("protocol", "str", "Its protocol.", "tcp", choices=("tcp", "udp")),
            Option("networks", "list", "Networks, in CIDR notation, that may reach it.", [], elements="str"),
            Option("purpose", "str", "What it is for.", "firewall_extra"),
        ),
    ),
    template_option("firewall"),
)

_TLS = (
    Option(
        "tls_enabled",
        "bool",
        "Whether every connection is encrypted and its server verified. Decided when a cluster is made: a running one "
        "cannot be switched.",
        True,
        "tls",
    ),
    Option(
        "tls_names",
        "list",
        "More names and addresses under which applications reach the proxies, such as an alias in DNS. They are put "
        "into the certificates.",
        [],
        "tls",
        elements="str",
    ),
    Option(
        "tls_days",
        "int",
        "How long a host's certificate is valid.",
        365,
        "tls",
        minimum=1,
        maximum=825,
        unit="days",
    ),
    Option(
        "tls_ca_days",
        "int",
        "How long the cluster's own certificate authority is valid.",
        3650,
        "tls",
        minimum=2,
        maximum=36500,
        unit="days",
    ),
    Option(
        "tls_refuse_days",
        "int",
        "With fewer days left on a certificate a run is refused, so that nobody is surprised when it expires.",
        14,
        "tls",
        minimum=0,
        maximum=365,
        unit="days",
    ),
    Option(
        "tls_ca_certificate",
        "str",
        "Your own certificate authority as PEM text, for one to be used instead of one that is made.",
        None,
        "tls",
        planned=False,
    ),
    Option(
        "tls_ca_private_key",
        "str",
        "Private key of `tls_ca_certificate` as PEM text, best from a vault. Not needed when every host has its own "
        "`tls_certificate`.",
        None,
        "tls",
        planned=False,
    ),
    Option(
        "tls_certificate",
        "str",
        "This host's own certificate as PEM text, with intermediates after it. Default: one is issued.",
        None,
        "tls",
        "host",
        planned=False,
    ),
    Option(
        "tls_private_key",
        "str",
        "Private key of `tls_certificate` as PEM text, best from a vault.",
        None,
        "tls",
        "host",
        planned=False,
    ),
)

_ETCD = (
    port_option("etcd_client_port", "etcd", 2379, "Port on which etcd serves Patroni."),
    port_option("etcd_peer_port", "etcd", 2380, "Port on which etcd's members talk to each other."),
    Option(
        "etcd_token",
        "str",
        "Token of the etcd cluster, which keeps two clusters apart that start on one network. Default: the scope.",
        None,
        "etcd",
    ),
    template_option("etcd"),
)

_HBA_KEYS = (
    Option(
        "type",
        "str",
        "Kind of connection. Default: `hostssl`, and `host` only where TLS is off.",
        choices=("host", "hostssl"),
    ),
    Option("database", "str", "Database, list of databases, or `all`.", required=True),
    Option("user", "str", "User, list of users, or `all`.", required=True),
    Option("address", "str", "Network in CIDR notation.", required=True),
    Option(
        "method",
        "str",
        "How the user proves who they are.",
        "scram-sha-256",
        choices=("scram-sha-256", "cert", "gss", "ldap", "reject"),
    ),
)

_POSTGRESQL = (
    Option("postgresql_version", "int", "Major version of PostgreSQL.", 17, "postgresql", choices=(17,)),
    port_option("postgresql_port", "postgresql", 5432, "Port of PostgreSQL itself."),
    Option(
        "postgresql_profile",
        "str",
        "Kind of load that memory, parallel workers and time limits are set for: many short transactions, both, or "
        "few long queries.",
        "web",
        "postgresql",
        choices=("web", "mixed", "analytics"),
    ),
    Option(
        "postgresql_disk",
        "str",
        "Kind of disk below the data directory.",
        "ssd",
        "postgresql",
        choices=("hdd", "ssd", "nvme"),
    ),
    Option(
        "postgresql_memory_mb",
        "int",
        "Memory that PostgreSQL may plan with on this host. Default: all that the host has.",
        None,
        "postgresql",
        "host",
        minimum=256,
        maximum=64 * 1024 * 1024,
        unit="MiB",
    ),
    Option(
        "postgresql_cores",
        "int",
        "Processor cores that PostgreSQL may plan with on this host. Default: all that the host has.",
        None,
        "postgresql",
        "host",
        minimum=1,
        maximum=4096,
    ),
    Option(
        "postgresql_max_connections",
        "int",
        "Connections that each member accepts. The pools of all endpoints together have to fit in.",
        300,
        "postgresql",
        minimum=20,
        maximum=10000,
    ),
    Option(
        "postgresql_superuser_reserved_connections",
        "int",
        "Connections kept for the superuser, which Patroni is.",
        5,
        "postgresql",
        minimum=3,
        maximum=100,
    ),
    Option(
        "postgresql_direct_connections",
        "int",
        "Connections that pools leave free for the direct ports, monitoring and administration.",
        20,
        "postgresql",
        minimum=0,
        maximum=5000,
    ),
    Option(
        "postgresql_parameters",
        "dict",
        "PostgreSQL parameters of all members. They win over computed ones.",
        {},
        "postgresql",
    ),
    Option(
        "postgresql_member_parameters",
        "dict",
        "PostgreSQL parameters of this member only. They win over all others.",
        {},
        "postgresql",
        "host",
    ),
    Option(
        "postgresql_client_networks",
        "list",
        "Networks, in CIDR notation, from which users may connect. The cluster's own hosts always may.",
        [],
        "postgresql",
        elements="str",
    ),
    Option(
        "postgresql_hba",
        "list",
        "More pg_hba rules. They stand after the tier's own and before those of the client networks.",
        [],
        "postgresql",
        elements="dict",
        keys=_HBA_KEYS,
    ),
)

_PATRONI = (
    Option("patroni_scope", "str", "Name of the cluster.", "main", "patroni"),
    Option(
        "patroni_recovery_time",
        "str",
        "How soon a primary that does not answer is replaced. `fast` wants a quiet network; "
        "`tolerant` rides out pauses of half a minute.",
        "fast",
        "patroni",
        choices=("fast", "default", "tolerant"),
    ),
    Option(
        "patroni_recovery_point",
        "str",
        "`zero`: a commit is acknowledged when a second member has it. `async`: commits do not wait and the latest "
        "may be lost with the primary. Default: `zero` with three or more failover candidates, else `async`.",
        None,
        "patroni",
        choices=("zero", "async"),
    ),
    port_option("patroni_restapi_port", "patroni", 8008, "Port of Patroni's REST API."),
    Option(
        "patroni_role",
        "str",
        "`analytics` makes this member a replica for long queries, which never becomes primary and serves no other "
        "reads.",
        "candidate",
        "patroni",
        "host",
        choices=("candidate", "analytics"),
    ),
    Option(
        "patroni_replicate_from",
        "str",
        "Member that this one streams from, to spare the primary's network. It acknowledges no commits. While "
        "that member is "
        "away, or when this one is primary, it does without. Default: the primary.",
        None,
        "patroni",
        "host",
    ),
    Option(
        "patroni_wait_seconds",
        "int",
        "How long a run waits for all members to stream. Copying a large database to a new one takes its time.",
        120,
        "patroni",
        minimum=0,
        maximum=86400,
        unit="s",
        planned=False,
    ),
    template_option("patroni"),
)

_DATABASES = (
    Option(
        "databases",
        "list",
        "Databases of the cluster.",
        [],
        "databases",
        elements="dict",
        keys=(
            Option("name", "str", "Name of the database.", required=True),
            Option("owner", "str", "User of `databases_users` that owns it.", required=True),
            Option("encoding", "str", "Character set. The locale, C.UTF-8, takes no other.", "UTF8", choices=("UTF8",)),
            Option("extensions", "list", "Extensions beside pg_stat_statements.", [], elements="str"),
            Option(
                "schemas",
                "list",
                "Schemas beside `public`.",
                [],
                elements="dict",
                keys=(
                    Option("name", "str", "Name of the schema.", required=True),
                    Option("owner", "str", "User that owns it. Default: the database's owner."),
                ),
            ),
        ),
    ),
    Option(
        "databases_users",
        "list",
        "Users of the cluster.",
        [],
        "databases",
        elements="dict",
        keys=(
            Option("name", "str", "Name of the user.", required=True),
            Option(
                "password",
                "str",
                "Password, best from a vault. Default: made on first use and kept in the inventory's secrets.",
            ),
            Option(
                "grants",
                "list",
                "What the user may do with objects, present and future, of a schema.",
                [],
                elements="dict",
                keys=(
                    Option("database", "str", "Name of the database.", required=True),
                    Option("schema", "str", "Name of the schema.", "public"),
                    Option("privilege", "str", "What is granted.", required=True, choices=("read", "write", "all")),
                ),
            ),
            Option(
                "attributes",
                "list",
                "Role attributes: NOLOGIN, NOINHERIT, CREATEDB, CREATEROLE, BYPASSRLS.",
                [],
                elements="str",
                choices=("NOLOGIN", "NOINHERIT", "CREATEDB", "CREATEROLE", "BYPASSRLS"),
            ),
            Option("member_of", "list", "Roles whose rights the user has too.", [], elements="str"),
            Option(
                "connection_limit",
                "int",
                "Most connections of this user to one member; -1 for no limit.",
                -1,
                minimum=-1,
                maximum=10000,
            ),
        ),
    ),
)

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

_PGBOUNCER = (
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

_HAPROXY = (
    port_option("haproxy_primary_port", "haproxy", 5000, "Direct, unpooled port to the primary."),
    port_option("haproxy_replica_port", "haproxy", 5001, "Direct, unpooled port to the replicas, load-balanced."),
    port_option("haproxy_analytics_port", "haproxy", 5002, "Direct, unpooled port to the analytics replicas."),
    port_option(
        "haproxy_stats_port", "haproxy", 7000, "Port of HAProxy's own page and metrics, on the loopback address."
    ),
    Option(
        "haproxy_replica_max_lag_mb",
        "int",
        "A replica that is further behind in bytes serves no reads.",
        16,
        "haproxy",
        minimum=1,
        maximum=1024 * 1024,
        unit="MiB",
    ),
    Option(
        "haproxy_read_fallback",
        "bool",
        "Whether reads go to the primary while no replica is fit.",
        True,
        "haproxy",
    ),
    Option(
        "haproxy_maxconn",
        "int",
        "Connections that HAProxy holds at most. Each needs two of the 20,000 open files.",
        4000,
        "haproxy",
        minimum=100,
        maximum=9900,
    ),
    template_option("haproxy"),
)


def _by_name(*options: Option) -> dict[str, Option]:
    table = {option.name: option for option in options}
    if len(table) != len(options):
        raise ValueError("an option is in the table twice")
    return table


OPTIONS = _by_name(*_SYSTEM, *_FIREWALL, *_TLS, *_ETCD, *_POSTGRESQL, *_PATRONI, *_DATABASES, *_PGBOUNCER, *_HAPROXY)
