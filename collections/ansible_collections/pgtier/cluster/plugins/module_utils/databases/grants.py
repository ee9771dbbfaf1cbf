# SPDX-License-Identifier: Apache-2.0
"""What a listed user may do in a database, and the statements that bring it there.

A grant in the inventory is a level on a schema: `read`, `write` or `all`. It covers the objects that are there and,
through default privileges, those that are made later by whoever makes objects there: the database's owner, the
schema's owner and the users with `all`.

A schema that a user has a level on is exact for that user: what goes beyond the level is taken away. Where the
inventory has no level, the user's default privileges tell whether an earlier run gave one; then all of it is taken
away. Anything else was granted by hand and is left alone.

The schema `public` is closed like any other. But extensions live in it, so whoever has a level somewhere in the
database may find what is there; that opens no table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from .model import (
    MAINTENANCE,
    NOTHING,
    PUBLIC,
    Database,
    Desired,
    Kind,
    Privileges,
    Schema,
    Server,
    Statement,
    WantedDatabase,
)
from .roles import SERVICES
from .sql import grantee, identifier, listed

# Functions are open to everybody unless their owner says otherwise, so `read` adds nothing there.
_LEVELS: dict[str, dict[str, Privileges]] = {
    "read": {
        "schema": frozenset({"USAGE"}),
        "table": frozenset({"SELECT"}),
        "sequence": frozenset({"SELECT"}),
        "function": NOTHING,
    },
    "write": {
        "schema": frozenset({"USAGE"}),
        "table": frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"}),
        "sequence": frozenset({"SELECT", "USAGE", "UPDATE"}),
        "function": frozenset({"EXECUTE"}),
    },
    "all": {
        "schema": frozenset({"USAGE", "CREATE"}),
        "table": frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"}),
        "sequence": frozenset({"SELECT", "USAGE", "UPDATE"}),
        "function": frozenset({"EXECUTE"}),
    },
}
_KINDS: tuple[Kind, ...] = ("table", "sequence", "function")
# ROUTINE covers functions, procedures and aggregates alike.
_NOUNS = {"table": "TABLE", "sequence": "SEQUENCE", "function": "ROUTINE"}
_CONNECT = frozenset({"CONNECT", "TEMPORARY"})
_DATABASE_OWNER = "pg_database_owner"


def privileges(level: str | None, what: str, version: int) -> Privileges:
    """The privileges of a level on a schema, table, sequence or function."""
    if level is None:
        return NOTHING
    held = _LEVELS[level][what]
    # MAINTAIN (VACUUM, ANALYZE, REINDEX, ...) came with version 17.
    return held | {"MAINTAIN"} if level == "all" and what == "table" and version >= 170000 else held


def levels_of(desired: Desired, database: str) -> dict[tuple[str, str], str]:
    """(user, schema) to the highest level listed for the pair."""
    order = list(_LEVELS)
    levels: dict[tuple[str, str], str] = {}
    for user in desired.users.values():
        for grant in user["grants"]:
            if grant["database"] == database:
                pair = user["name"], grant["schema"]
                levels[pair] = max(levels.get(pair, "read"), grant["privilege"], key=order.index)
    return levels


def plan_connect(desired: Desired, wanted: WantedDatabase, found: Database) -> Iterator[Statement]:
    """CONNECT and temporary tables for the listed users and nobody else that is listed; PUBLIC has neither."""
    name = wanted["name"]
    quoted = identifier(name)
    if found.acl.get(PUBLIC):
        yield Statement(name, f"REVOKE ALL ON DATABASE {quoted} FROM PUBLIC", "only listed users may connect")
    for login, user in desired.users.items():
        if login == wanted["owner"]:
            continue
        held = found.acl.get(login, NOTHING)
        target = NOTHING
        if name in user["databases"] or any(grant["database"] == name for grant in user["grants"]):
            target = _CONNECT
        elif user["service"] and SERVICES[login].connects_everywhere:
            target = frozenset({"CONNECT"})
        if target - held:
            yield Statement(
                name, f"GRANT {listed(target - held)} ON DATABASE {quoted} TO {identifier(login)}", "may connect"
            )
        excess = held & _CONNECT - target
        if excess:
            yield Statement(
                name,
                f"REVOKE {listed(excess)} ON DATABASE {quoted} FROM {identifier(login)}",
                "the inventory does not give it",
            )


def plan_maintenance(desired: Desired, server: Server) -> Iterator[Statement]:
    """The database that belongs to nobody is for the tier's own logins. What somebody else was granted stays."""
    database = identifier(MAINTENANCE)
    if server.maintenance.get(PUBLIC):
        sql = f"REVOKE ALL ON DATABASE {database} FROM PUBLIC"
        yield Statement(MAINTENANCE, sql, "only the tier's own logins have business there")
    for login in sorted(desired.users.keys() & SERVICES.keys()):
        if SERVICES[login].connects_to_maintenance and "CONNECT" not in server.maintenance.get(login, NOTHING):
            sql = f"GRANT CONNECT ON DATABASE {database} TO {identifier(login)}"
            yield Statement(MAINTENANCE, sql, SERVICES[login].purpose)


def plan_extension_users(desired: Desired, wanted: WantedDatabase, found: Database) -> Iterator[Statement]:
    """USAGE on `public` for those whom no level on it gives it."""
    if not wanted["extensions"] or "public" not in found.schemas:
        return
    levels = levels_of(desired, wanted["name"])
    granted = {login for login, _schema in levels}
    monitors = {login for login in desired.users.keys() & SERVICES.keys() if SERVICES[login].connects_everywhere}
    taken = {(default.grantee, default.schema) for default in found.defaults}
    for login in sorted((granted | monitors) - {wanted["owner"]}):
        if (login, "public") in levels:
            continue
        # What an earlier run gave with a level has just been taken away.
        held = NOTHING if (login, "public") in taken else found.schemas["public"].acl.get(login, NOTHING)
        if "USAGE" not in held:
            yield Statement(
                wanted["name"], f"GRANT USAGE ON SCHEMA public TO {identifier(login)}", "extensions live in it"
            )


def plan_grants(desired: Desired, wanted: WantedDatabase, found: Database, version: int) -> Iterator[Statement]:
    """Levels on schemas. `found` has every schema, also those that statements before these make."""
    owner, levels = wanted["owner"], levels_of(desired, wanted["name"])
    # The owner of a database can use whatever others make in it.
    levels |= {(owner, schema): "all" for (_login, schema), level in levels.items() if level == "all"}
    marked = {(default.grantee, default.schema) for default in found.defaults if default.grantee in desired.users}
    levels |= {pair: "all" for pair in marked if pair[0] == owner}
    for login, schema in sorted(levels.keys() | marked):
        if schema not in found.schemas:
            continue
        level, schema_owner = levels.get((login, schema)), found.schemas[schema].owner
        why = f"{level} on schema {schema}" if level else f"the inventory gives nothing on schema {schema}"
        makers = {owner, schema_owner, *(name for (name, at), held in levels.items() if (at, held) == (schema, "all"))}
        planner = _PairPlanner(wanted["name"], login, schema, level, version, why)
        if schema_owner != login and (schema_owner, login) != (_DATABASE_OWNER, owner):
            yield from planner.schema(found.schemas[schema])
        yield from planner.objects(found.schemas[schema])
        yield from planner.defaults(makers - {login, _DATABASE_OWNER}, found)


class _PairPlanner:
    """Statements for one user in one schema."""

    def __init__(self, database: str, login: str, schema: str, level: str | None, version: int, why: str) -> None:
        self._database = database
        self._login = login
        self._schema = schema
        self._level = level
        self._version = version
        self._why = why

    def _wanted(self, what: str) -> Privileges:
        return privileges(self._level, what, self._version)

    def _statement(self, sql: str) -> Statement:
        return Statement(self._database, sql, self._why)

    def schema(self, found: Schema) -> Iterator[Statement]:
        held, target = found.acl.get(self._login, NOTHING), self._wanted("schema")
        name, to = identifier(self._schema), grantee(self._login)
        if target - held:
            yield self._statement(f"GRANT {listed(target - held)} ON SCHEMA {name} TO {to}")
        if held - target:
            yield self._statement(f"REVOKE {listed(held - target)} ON SCHEMA {name} FROM {to}")

    def objects(self, found: Schema) -> Iterator[Statement]:
        """One statement for all objects that lack, or have too many of, the same privileges."""
        for kind in _KINDS:
            target = self._wanted(kind)
            lacking: dict[Privileges, list[str]] = defaultdict(list)
            excess: dict[Privileges, list[str]] = defaultdict(list)
            for item in found.objects:
                if item.kind != kind or item.owner == self._login:
                    continue
                held = item.acl.get(self._login, NOTHING)
                if target - held:
                    lacking[target - held].append(item.name)
                if held - target:
                    excess[held - target].append(item.name)
            for some, names in sorted(lacking.items(), key=lambda pair: sorted(pair[0])):
                yield self._statement(
                    f"GRANT {listed(some)} ON {_NOUNS[kind]} {listed(names)} TO {grantee(self._login)}"
                )
            for some, names in sorted(excess.items(), key=lambda pair: sorted(pair[0])):
                yield self._statement(
                    f"REVOKE {listed(some)} ON {_NOUNS[kind]} {listed(names)} FROM {grantee(self._login)}"
                )

    def defaults(self, creators: set[str], found: Database) -> Iterator[Statement]:
        """The same for objects to come. Makers that are none any more lose what an earlier run noted for them."""
        held = {
            (default.creator, default.kind): granted
            for default, granted in found.defaults.items()
            if (default.grantee, default.schema) == (self._login, self._schema)
        }
        wanted = {(creator, kind): self._wanted(kind) for creator in creators for kind in _KINDS}
        for creator, kind in sorted(held.keys() | wanted.keys()):
            now, then = held.get((creator, kind), NOTHING), wanted.get((creator, kind), NOTHING)
            alter = f"ALTER DEFAULT PRIVILEGES FOR ROLE {identifier(creator)} IN SCHEMA {identifier(self._schema)}"
            if then - now:
                yield self._statement(
                    f"{alter} GRANT {listed(then - now)} ON {_NOUNS[kind]}S TO {grantee(self._login)}"
                )
            if now - then:
                yield self._statement(
                    f"{alter} REVOKE {listed(now - then)} ON {_NOUNS[kind]}S FROM {grantee(self._login)}"
                )


def absent_schemas(desired: Desired, wanted: WantedDatabase, found: Database) -> Iterator[str]:
    """Grants on schemas that neither exist nor are listed."""
    known = set(found.schemas) | {schema["name"] for schema in wanted["schemas"]}
    for login, schema in sorted(levels_of(desired, wanted["name"])):
        if schema not in known:
            yield (
                f"user `{login}`, grants: database `{wanted['name']}` has no schema `{schema}`; list it under "
                "`schemas` of the database in databases"
            )
