# SPDX-License-Identifier: Apache-2.0
"""From what is wanted and what is there to the statements in between. Pure: no server, no clock, no Ansible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .grants import absent_schemas, plan_connect, plan_extension_users, plan_grants, plan_maintenance
from .lookup import plan_lookup
from .model import (
    FRESH_DATABASE,
    MAINTENANCE,
    NOTHING,
    PUBLIC,
    Acl,
    Database,
    Desired,
    PlanError,
    Role,
    Schema,
    Server,
    Statement,
    WantedDatabase,
)
from .roles import FUNCTIONS, LOOKUP_LOGIN, check_roles, plan_roles
from .sql import identifier, listed, literal

_PUBLIC_SCHEMA = Schema("pg_database_owner", {PUBLIC: frozenset({"USAGE"})})


def bare_server(version: int = 170000) -> Server:
    """A server just after initdb: what check mode compares with on a host that has none yet."""
    return Server(
        version=version,
        iterations=4096,
        roles={MAINTENANCE: Role(frozenset())},
        databases={},
        available={},
        functions={function: frozenset() for function in FUNCTIONS},
        maintenance=FRESH_DATABASE,
    )


def plan(desired: Desired, server: Server) -> list[Statement]:
    """The statements, in the order to run them. Raises PlanError with everything that cannot be converged.

    Roles come first, because databases belong to them; each database's own statements are one block.
    """
    problems = list(_problems(desired, server))
    if problems:
        raise PlanError(problems)
    statements = list(plan_roles(desired, server))
    statements += plan_maintenance(desired, server)
    if desired.lookup:
        statements += plan_lookup(server)
    for wanted in desired.databases.values():
        statements += _plan_database(desired, wanted, server)
    return statements


def _problems(desired: Desired, server: Server) -> Iterator[str]:
    yield from check_roles(desired, server)
    known_roles = set(server.roles) | set(desired.users)
    if desired.lookup and LOOKUP_LOGIN not in known_roles:
        yield f"PgBouncer's lookup function is wanted, and its login `{LOOKUP_LOGIN}` is not among the users"
    for login, user in desired.users.items():
        for grant in user["grants"]:
            if grant["database"] not in desired.databases:
                yield f"user `{login}`, grants: `{grant['database']}` is not in databases; add it or drop the grant"
    for name, wanted in desired.databases.items():
        owners = {wanted["owner"], *(schema.get("owner", wanted["owner"]) for schema in wanted["schemas"])}
        for owner in sorted(owners - known_roles):
            yield f"database `{name}`: owner `{owner}` is no user of databases_users and no role on the server; list it"
        found = server.databases.get(name)
        if found and found.encoding != wanted["encoding"]:
            yield (
                f"database `{name}` has encoding {found.encoding}, databases says {wanted['encoding']}: an encoding "
                f"cannot be changed; say `encoding: {found.encoding}`, or dump and restore into a new database"
            )
        absent = set(wanted["extensions"]) - (found.extensions if found else NOTHING) - set(server.available)
        # Nothing at all is known of a server that is not there yet.
        if absent and server.available:
            yield (
                f"database `{name}`: extension {listed(absent)} is not installed on the host; install its package on "
                "every postgres host first (apt-cache search names it)"
            )
        yield from absent_schemas(desired, wanted, found or _new(wanted))


def _new(wanted: WantedDatabase) -> Database:
    """A database as CREATE DATABASE leaves it."""
    return Database(
        owner=wanted["owner"],
        encoding=wanted["encoding"],
        acl=FRESH_DATABASE,
        extensions=frozenset({"plpgsql"}),
        schemas={"public": _PUBLIC_SCHEMA},
    )


def _plan_database(desired: Desired, wanted: WantedDatabase, server: Server) -> Iterator[Statement]:
    name, owner = wanted["name"], wanted["owner"]
    found = server.databases.get(name)
    if found is None:
        # template0 takes any encoding, and nothing that somebody left in template1 comes along.
        yield Statement(
            MAINTENANCE,
            f"CREATE DATABASE {identifier(name)} OWNER {identifier(owner)} "
            f"ENCODING {literal(wanted['encoding'])} TEMPLATE template0",
            "no such database yet",
            alone=True,
        )
        found = _new(wanted)
    elif found.owner != owner:
        yield Statement(
            name,
            f"ALTER DATABASE {identifier(name)} OWNER TO {identifier(owner)}",
            f"it belongs to {found.owner}, who keeps the tables in it: REASSIGN OWNED BY moves them",
        )
        # The entry of the owner that was becomes the one of the owner that is.
        found = replace(found, acl=_without(found.acl, found.owner))
    yield from plan_connect(desired, wanted, found)
    yield from _plan_schemas(wanted, found)
    yield from _plan_extensions(wanted, found, server)
    then = _with_schemas(wanted, found)
    yield from plan_grants(desired, wanted, then, server.version)
    yield from plan_extension_users(desired, wanted, then)


def _schema_owners(wanted: WantedDatabase, found: Database) -> dict[str, str]:
    """Who the schemas are to belong to that the inventory has a say in."""
    owners = {schema["name"]: schema.get("owner", wanted["owner"]) for schema in wanted["schemas"]}
    owners.pop("public", None)
    # pg_database_owner has one member, whoever owns the database, and so follows a change of owner.
    if "public" in found.schemas and found.schemas["public"].owner != wanted["owner"]:
        owners["public"] = _PUBLIC_SCHEMA.owner
    return owners


def _plan_schemas(wanted: WantedDatabase, found: Database) -> Iterator[Statement]:
    for name, owner in _schema_owners(wanted, found).items():
        there = found.schemas.get(name)
        if there is None:
            sql = f"CREATE SCHEMA {identifier(name)} AUTHORIZATION {identifier(owner)}"
            yield Statement(wanted["name"], sql, "no such schema yet")
        elif there.owner != owner:
            sql = f"ALTER SCHEMA {identifier(name)} OWNER TO {identifier(owner)}"
            yield Statement(wanted["name"], sql, f"it belongs to {there.owner}")
    if "public" in found.schemas and found.schemas["public"].acl.get(PUBLIC):
        yield Statement(wanted["name"], "REVOKE ALL ON SCHEMA public FROM PUBLIC", "only listed users may use it")


def _plan_extensions(wanted: WantedDatabase, found: Database, server: Server) -> Iterator[Statement]:
    for name in sorted(set(wanted["extensions"]) - found.extensions):
        # An extension that is bound to a schema brings it along; the others go where everybody looks.
        where = "" if server.available.get(name) else " SCHEMA public"
        sql = f"CREATE EXTENSION IF NOT EXISTS {identifier(name)}{where} CASCADE"
        yield Statement(wanted["name"], sql, "databases lists it")


def _with_schemas(wanted: WantedDatabase, found: Database) -> Database:
    """`found` as it is once the statements on schemas have run."""
    schemas = dict(found.schemas)
    for name, owner in _schema_owners(wanted, found).items():
        before = schemas.get(name, Schema(owner, {}))
        acl = before.acl if before.owner == owner else _without(before.acl, before.owner)
        schemas[name] = replace(before, owner=owner, acl=acl)
    return replace(found, owner=wanted["owner"], schemas=schemas)


def _without(acl: Acl, name: str) -> Acl:
    return {other: held for other, held in acl.items() if other != name}
