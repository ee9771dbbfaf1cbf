"""Databases and users, with what each user may connect to. Pools and pg_hba are made from that."""

from __future__ import annotations

from typing import Any

from .schema.databases import Database, Grant, User
from .settings import Settings

SUPERUSER = "postgres"
REPLICATOR = "replicator"
REWIND = "rewind"
POOLER_LOOKUP = "pgbouncer_auth"
MONITOR = "pgtier_monitor"
# At PgBouncer's consoles only; PostgreSQL does not know it.
POOLER_ADMIN = "pgtier_admin"
# The tier's own logins. None of them can read an application's data.
SERVICE_USERS: dict[str, dict[str, list[str]]] = {
    REPLICATOR: {"attributes": ["REPLICATION"], "member_of": []},
    REWIND: {"attributes": [], "member_of": []},
    POOLER_LOOKUP: {"attributes": [], "member_of": []},
    # A checkpoint before a switchover makes the pause short.
    MONITOR: {"attributes": [], "member_of": ["pg_monitor", "pg_checkpoint"]},
}
ALWAYS_EXTENSIONS = ("pg_stat_statements",)


def read_databases(settings: Settings) -> dict[str, Database]:
    return {
        entry["name"]: Database(
            name=entry["name"],
            owner=entry["owner"],
            encoding=entry["encoding"],
            extensions=list(dict.fromkeys((*ALWAYS_EXTENSIONS, *entry["extensions"]))),
            schemas=[
                {"name": schema["name"], "owner": schema["owner"] or entry["owner"]} for schema in entry["schemas"]
            ],
        )
        for entry in settings["databases"]
    }


def read_users(settings: Settings) -> dict[str, User]:
    written = {entry["name"]: entry for entry in settings["databases_users"]}
    users = {name: _application_user(entry, written, settings["databases"]) for name, entry in written.items()}
    for name, service in SERVICE_USERS.items():
        users[name] = User(
            name=name,
            service=True,
            databases=[],
            grants=[],
            attributes=list(service["attributes"]),
            member_of=list(service["member_of"]),
            connection_limit=-1,
        )
    return users


def _application_user(
    entry: dict[str, Any], written: dict[str, dict[str, Any]], databases: list[dict[str, Any]]
) -> User:
    roles = _roles(entry["name"], written)
    granted = {grant["database"] for role in roles for grant in written[role]["grants"]}
    reachable = [
        database["name"] for database in databases if database["owner"] in roles or database["name"] in granted
    ]
    return User(
        name=entry["name"],
        service=False,
        databases=list(dict.fromkeys(reachable)),
        grants=[
            Grant(database=grant["database"], schema=grant["schema"], privilege=grant["privilege"])
            for grant in entry["grants"]
        ],
        attributes=list(entry["attributes"]),
        member_of=list(entry["member_of"]),
        connection_limit=entry["connection_limit"],
    )


def _roles(name: str, written: dict[str, dict[str, Any]]) -> set[str]:
    """The user and every role of the inventory whose rights it has, directly or through another."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        role = waiting.pop()
        if role in written and role not in found:
            found.add(role)
            waiting += written[role]["member_of"]
    return found


def pools(users: dict[str, User], database: str) -> int:
    """How many users may connect to a database: it has a pool for each. One at least, for users may be made later."""
    logins = [user for user in users.values() if not user["service"] and "NOLOGIN" not in user["attributes"]]
    return max(1, sum(database in user["databases"] for user in logins))
