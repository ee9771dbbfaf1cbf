"""Variables of PostgreSQL itself: its size, its parameters and whom it lets in."""

from __future__ import annotations

from ..option import Option, port_option

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

OPTIONS = (
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
