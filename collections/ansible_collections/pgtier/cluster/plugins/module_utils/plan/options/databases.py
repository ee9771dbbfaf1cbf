"""Variables of databases, users and grants."""

from __future__ import annotations

from ..option import Option

OPTIONS = (
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
