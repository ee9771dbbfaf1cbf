# SPDX-License-Identifier: Apache-2.0
"""What is planned for what difference. Each case bends a converged server, or the wish, in one place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils import scram
from ansible_collections.pgtier.cluster.plugins.module_utils.databases import lookup
from ansible_collections.pgtier.cluster.plugins.module_utils.databases.model import (
    PUBLIC,
    Database,
    Default,
    Desired,
    Object,
    PlanError,
    Role,
    Schema,
    Server,
)
from ansible_collections.pgtier.cluster.plugins.module_utils.databases.planner import bare_server, plan
from ansible_collections.pgtier.cluster.plugins.module_utils.databases.roles import SERVICES

LOGIN = frozenset({"LOGIN", "INHERIT"})
READ = frozenset({"SELECT"})
WRITE = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
PASSWORDS = {name: f"secret of {name}" for name in ("app", "reader", *SERVICES)}
MAINTENANCE_ACL = {name: frozenset({"CONNECT"}) for name in ("pgbouncer_auth", "pgtier_monitor", "rewind")}
SECRETS = {name: scram.build(password, b"salt", 10) for name, password in PASSWORDS.items()}


def user(name: str, **changes: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"service": False, "databases": [], "grants": [], "attributes": [], "member_of": []}
    return {"name": name, **empty, "connection_limit": -1, **changes}


def grant(privilege: str, schema: str = "public", database: str = "app") -> dict[str, str]:
    return {"database": database, "schema": schema, "privilege": privilege}


def wish(**changes: Any) -> Desired:
    wanted: dict[str, Any] = {
        "databases": {"app": {"name": "app", "owner": "app", "encoding": "UTF8", "extensions": [], "schemas": []}},
        "users": {
            "app": user("app", databases=["app"]),
            "reader": user("reader", databases=["app"], grants=[grant("read")]),
            "replicator": user("replicator", service=True, attributes=["REPLICATION"]),
            "rewind": user("rewind", service=True),
            "pgbouncer_auth": user("pgbouncer_auth", service=True),
            "pgtier_monitor": user("pgtier_monitor", service=True, member_of=["pg_monitor"]),
        },
        "passwords": PASSWORDS,
    }
    return Desired(**{**wanted, **changes})


def wish_user(name: str, **changes: Any) -> Desired:
    users: dict[str, Any] = dict(wish().users)
    return wish(users={**users, name: {**users.get(name, user(name)), **changes}})


def wish_database(**changes: Any) -> Desired:
    return wish(databases={"app": {**wish().databases["app"], **changes}})


def server(**changes: Any) -> Server:
    roles = {name: Role(LOGIN, password=secret) for name, secret in SECRETS.items()}
    roles["replicator"] = replace(roles["replicator"], attributes=LOGIN | {"REPLICATION"})
    roles["pgtier_monitor"] = replace(roles["pgtier_monitor"], member_of=frozenset({"pg_monitor"}))
    found: dict[str, Any] = {
        "version": 170000,
        "iterations": 10,
        "roles": {**roles, "postgres": Role(LOGIN | {"SUPERUSER"}), "dba": Role(LOGIN)},
        "databases": {"app": database()},
        "available": {"pg_trgm": None, "pg_cron": "pg_catalog"},
        "functions": {function: frozenset({"postgres", "rewind"}) for function in SERVICES["rewind"].functions},
        "maintenance": MAINTENANCE_ACL,
        "lookup_schema": Schema("postgres", {"pgbouncer_auth": frozenset({"USAGE"})}),
        "lookup": replace(lookup.WANTED, acl={**lookup.WANTED.acl}),
    }
    return Server(**{**found, **changes})


def database(**changes: Any) -> Database:
    found: dict[str, Any] = {
        "owner": "app",
        "encoding": "UTF8",
        "acl": {
            "app": frozenset({"CONNECT", "TEMPORARY", "CREATE"}),
            "reader": frozenset({"CONNECT", "TEMPORARY"}),
            "pgtier_monitor": frozenset({"CONNECT"}),
        },
        "extensions": frozenset({"plpgsql"}),
        "schemas": {"public": public(), "hand": Schema("dba", {"reader": frozenset({"USAGE"})})},
        "defaults": {
            Default("app", "public", "table", "reader"): READ,
            Default("app", "public", "sequence", "reader"): READ,
        },
    }
    return Database(**{**found, **changes})


def public(**changes: Any) -> Schema:
    found: dict[str, Any] = {
        "owner": "pg_database_owner",
        "acl": {"reader": frozenset({"USAGE"})},
        "objects": (
            Object("table", "public.t", "app", {"reader": READ}),
            Object("sequence", "public.s", "app", {"reader": READ}),
            Object("function", "public.f()", "app", {PUBLIC: frozenset({"EXECUTE"})}),
        ),
    }
    return Schema(**{**found, **changes})


def with_role(name: str, **changes: Any) -> Server:
    roles = server().roles
    return server(roles={**roles, name: replace(roles[name], **changes)})


def with_database(**changes: Any) -> Server:
    return server(databases={"app": database(**changes)})


def with_public(**changes: Any) -> Server:
    return with_database(schemas={"public": public(**changes)})


def texts(desired: Desired, observed: Server) -> list[str]:
    return [f"{statement.database}: {statement.text}" for statement in plan(desired, observed)]


def test_a_converged_server_needs_nothing() -> None:
    assert texts(wish(), server()) == []


READER_DEFAULT = 'app: ALTER DEFAULT PRIVILEGES FOR ROLE "app" IN SCHEMA "public"'


@pytest.mark.parametrize(
    ("desired", "observed", "expected"),
    [
        # Roles
        (wish(), with_role("app", password=None), ["postgres: ALTER ROLE \"app\" PASSWORD '********'"]),
        (wish(), with_role("app", password="md5abc"), ["postgres: ALTER ROLE \"app\" PASSWORD '********'"]),
        (wish(passwords={}), with_role("app", password=None), []),
        (
            wish(),
            with_role("app", attributes=LOGIN | {"SUPERUSER", "CREATEDB"}),
            ['postgres: ALTER ROLE "app" NOCREATEDB NOSUPERUSER'],
        ),
        (wish(), with_role("app", attributes=frozenset()), ['postgres: ALTER ROLE "app" INHERIT LOGIN']),
        (wish(), with_role("app", connection_limit=3), ['postgres: ALTER ROLE "app" CONNECTION LIMIT -1']),
        (wish_user("app", connection_limit=7), server(), ['postgres: ALTER ROLE "app" CONNECTION LIMIT 7']),
        (
            wish_user("app", attributes=["createdb", "NOINHERIT"]),
            server(),
            ['postgres: ALTER ROLE "app" CREATEDB NOINHERIT'],
        ),
        (wish_user("app", member_of=["dba"]), server(), ['postgres: GRANT "dba" TO "app"']),
        (wish(), with_role("app", member_of=frozenset({"dba"})), ['postgres: REVOKE "dba" FROM "app"']),
        (wish_user("team", attributes=["NOLOGIN"]), server(), ['postgres: CREATE ROLE "team"']),
        (wish(), with_role("replicator", attributes=LOGIN), ['postgres: ALTER ROLE "replicator" REPLICATION']),
        # Databases
        (
            wish(),
            with_database(acl={**database().acl, PUBLIC: frozenset({"CONNECT", "TEMPORARY"})}),
            ['app: REVOKE ALL ON DATABASE "app" FROM PUBLIC'],
        ),
        (
            wish(),
            with_database(acl={PUBLIC: frozenset(), "reader": frozenset({"CREATE", "TEMPORARY"})}),
            [
                'app: GRANT CONNECT ON DATABASE "app" TO "reader"',
                'app: GRANT CONNECT ON DATABASE "app" TO "pgtier_monitor"',
            ],
        ),
        (
            wish_user("reader", databases=[], grants=[]),
            with_database(defaults={}, schemas={}),
            ['app: REVOKE CONNECT, TEMPORARY ON DATABASE "app" FROM "reader"'],
        ),
        (
            wish(),
            with_database(
                owner="reader", acl={**database().acl, "reader": frozenset({"CONNECT", "TEMPORARY", "CREATE"})}
            ),
            ['app: ALTER DATABASE "app" OWNER TO "app"', 'app: GRANT CONNECT, TEMPORARY ON DATABASE "app" TO "reader"'],
        ),
        # Schemas and extensions
        (wish(), with_public(owner="dba"), ['app: ALTER SCHEMA "public" OWNER TO "pg_database_owner"']),
        (wish(), with_public(owner="app"), []),
        (
            wish(),
            with_public(acl={PUBLIC: frozenset({"USAGE"}), "reader": frozenset({"USAGE"})}),
            ["app: REVOKE ALL ON SCHEMA public FROM PUBLIC"],
        ),
        # Extensions live in it: who has a level elsewhere in the database finds them, and so does monitoring.
        (
            wish_database(extensions=["pg_trgm"]),
            with_database(extensions=frozenset({"pg_trgm"})),
            ['app: GRANT USAGE ON SCHEMA public TO "pgtier_monitor"'],
        ),
        (
            replace(
                wish_user("reader", grants=[grant("read", "hand")]),
                databases=wish_database(extensions=["pg_trgm"]).databases,
            ),
            with_database(
                extensions=frozenset({"pg_trgm"}),
                schemas={
                    "public": public(acl={"pgtier_monitor": frozenset({"USAGE"})}, objects=()),
                    "hand": Schema("dba", {"reader": frozenset({"USAGE"})}),
                },
                defaults={
                    Default(creator, "hand", kind, "reader"): READ
                    for creator in ("app", "dba")
                    for kind in ("table", "sequence")
                },
            ),
            ['app: GRANT USAGE ON SCHEMA public TO "reader"'],
        ),
        (
            replace(wish_user("reader", grants=[]), databases=wish_database(extensions=["pg_trgm"]).databases),
            with_database(
                extensions=frozenset({"pg_trgm"}),
                schemas={"public": public(acl={"pgtier_monitor": frozenset({"USAGE"})}, objects=())},
                defaults={},
            ),
            [],
        ),
        (wish_database(schemas=[{"name": "hand"}]), server(), ['app: ALTER SCHEMA "hand" OWNER TO "app"']),
        (
            wish_database(schemas=[{"name": "We ird", "owner": "reader"}]),
            server(),
            ['app: CREATE SCHEMA "We ird" AUTHORIZATION "reader"'],
        ),
        (
            wish_database(extensions=["pg_trgm", "pg_cron", "plpgsql"]),
            server(),
            [
                'app: CREATE EXTENSION IF NOT EXISTS "pg_cron" CASCADE',
                'app: CREATE EXTENSION IF NOT EXISTS "pg_trgm" SCHEMA public CASCADE',
                'app: GRANT USAGE ON SCHEMA public TO "pgtier_monitor"',
            ],
        ),
        # Grants
        (
            wish(),
            with_public(acl={}),
            ['app: GRANT USAGE ON SCHEMA "public" TO "reader"'],
        ),
        (
            wish(),
            with_public(objects=(Object("table", "public.b", "app", {}), Object("table", "public.a", "dba", {}))),
            ['app: GRANT SELECT ON TABLE public.a, public.b TO "reader"'],
        ),
        (
            wish(),
            with_public(objects=(Object("table", "public.t", "app", {"reader": WRITE}),)),
            ['app: REVOKE DELETE, INSERT, UPDATE ON TABLE public.t FROM "reader"'],
        ),
        (wish(), with_public(objects=(Object("table", "public.t", "reader", {}),)), []),
        (
            wish(),
            with_database(defaults={Default("app", "public", "table", "reader"): WRITE}),
            [
                f'{READER_DEFAULT} GRANT SELECT ON SEQUENCES TO "reader"',
                f'{READER_DEFAULT} REVOKE DELETE, INSERT, UPDATE ON TABLES FROM "reader"',
            ],
        ),
        (
            wish_user("reader", grants=[]),
            server(),
            [
                'app: REVOKE USAGE ON SCHEMA "public" FROM "reader"',
                'app: REVOKE SELECT ON TABLE public.t FROM "reader"',
                'app: REVOKE SELECT ON SEQUENCE public.s FROM "reader"',
                f'{READER_DEFAULT} REVOKE SELECT ON SEQUENCES FROM "reader"',
                f'{READER_DEFAULT} REVOKE SELECT ON TABLES FROM "reader"',
            ],
        ),
        (wish_user("reader", grants=[grant("read"), grant("read")]), server(), []),
        # A grant without a trace of an earlier run was made by hand and stays.
        (wish_user("reader", grants=[]), with_database(defaults={}), []),
        # Somebody who is not listed is nobody's business.
        (
            wish(),
            with_database(defaults={**database().defaults, Default("dba", "public", "table", "dba"): WRITE}),
            [],
        ),
        # A maker that is none any more.
        (
            wish(),
            with_database(defaults={**database().defaults, Default("dba", "public", "table", "reader"): READ}),
            ['app: ALTER DEFAULT PRIVILEGES FOR ROLE "dba" IN SCHEMA "public" REVOKE SELECT ON TABLES FROM "reader"'],
        ),
        # The tier's own
        (
            wish(),
            server(functions={}),
            [
                f'postgres: GRANT EXECUTE ON FUNCTION {function} TO "rewind"'
                for function in sorted(SERVICES["rewind"].functions)
            ],
        ),
        (wish(lookup=False), server(lookup=None, lookup_schema=None), []),
        (
            wish(),
            server(maintenance={PUBLIC: frozenset({"CONNECT", "TEMPORARY"}), "dba": frozenset({"CONNECT"})}),
            [
                'postgres: REVOKE ALL ON DATABASE "postgres" FROM PUBLIC',
                *(
                    f'postgres: GRANT CONNECT ON DATABASE "postgres" TO "{name}"'
                    for name in ("pgbouncer_auth", "pgtier_monitor", "rewind")
                ),
            ],
        ),
    ],
)
def test_one_difference(desired: Desired, observed: Server, expected: list[str]) -> None:
    assert texts(desired, observed) == expected


@pytest.mark.parametrize(
    ("level", "version", "tables", "functions"),
    [
        ("write", 170000, "DELETE, INSERT, SELECT, UPDATE", ["EXECUTE"]),
        ("all", 170000, "DELETE, INSERT, MAINTAIN, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE", ["EXECUTE"]),
        ("all", 160000, "DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE", ["EXECUTE"]),
        ("read", 170000, "SELECT", []),
    ],
)
def test_a_level_covers_what_is_there_and_what_will_be(
    level: str, version: int, tables: str, functions: list[str]
) -> None:
    observed = replace(with_database(defaults={}, schemas={"public": public(objects=bare_objects())}), version=version)
    found = texts(wish_user("reader", grants=[grant("read"), grant(level)]), observed)
    assert f'app: GRANT {tables} ON TABLE public.t TO "reader"' in found
    assert f'{READER_DEFAULT} GRANT {tables} ON TABLES TO "reader"' in found
    assert [f'{READER_DEFAULT} GRANT {f} ON ROUTINES TO "reader"' in found for f in functions] == [True] * len(
        functions
    )
    assert any("ROUTINE public.f()" in text for text in found) == bool(functions)


def bare_objects() -> tuple[Object, ...]:
    return tuple(replace(item, acl={}) for item in public().objects)


def test_who_has_all_makes_objects_for_the_others_too() -> None:
    found = texts(
        wish(
            users={**wish().users, "maker": user("maker", grants=[grant("all")])}, passwords={**PASSWORDS, "maker": "x"}
        ),
        with_public(objects=(Object("table", "public.made", "maker", {}),)),
    )
    makes = 'app: ALTER DEFAULT PRIVILEGES FOR ROLE "maker" IN SCHEMA "public"'
    assert f'{makes} GRANT SELECT ON TABLES TO "reader"' in found
    assert [text for text in found if text.startswith(makes) and text.endswith('TO "app"')] != []
    assert [text for text in found if "public.made TO" in text and '"maker"' in text] == []
    # The owner needs nothing on the schema: pg_database_owner stands for the owner.
    assert [text for text in found if 'ON SCHEMA "public" TO "app"' in text] == []


def test_a_bare_server_gets_everything_in_order() -> None:
    statements = plan(wish_database(extensions=["pg_trgm"], schemas=[{"name": "x"}]), bare_server())
    order = [
        "CREATE ROLE",
        "GRANT EXECUTE",
        "CREATE SCHEMA pgbouncer",
        "CREATE OR",
        "CREATE DATABASE",
        'CREATE SCHEMA "x"',
    ]
    positions = [next(i for i, s in enumerate(statements) if s.sql.startswith(start)) for start in order]
    assert positions == sorted(positions)
    assert [s.sql for s in statements if s.alone] == [
        'CREATE DATABASE "app" OWNER "app" ENCODING \'UTF8\' TEMPLATE template0'
    ]
    assert {s.database for s in statements[positions[4] + 1 :]} == {"app"}


def test_no_secret_is_shown() -> None:
    statements = plan(wish(), bare_server())
    assert len([s for s in statements if s.secret]) == len(PASSWORDS)
    for statement in statements:
        assert "SCRAM" not in statement.text + statement.why + repr(statement)
        assert not any(password in statement.sql for password in PASSWORDS.values())
    sql = next(s.sql for s in statements if s.sql.startswith('CREATE ROLE "app"'))
    assert scram.matches(sql.split("'")[1], PASSWORDS["app"])


LOOKUP = lookup.WANTED
FUNCTION = "pgbouncer.user_lookup(text)"


@pytest.mark.parametrize(
    ("changes", "starts"),
    [
        (
            {"lookup": None, "lookup_schema": None},
            ["CREATE SCHEMA pgbouncer", "GRANT USAGE", "CREATE OR REPLACE", "REVOKE ALL", "GRANT EXECUTE"],
        ),
        ({"lookup": replace(LOOKUP, definition=("else", *LOOKUP.definition[1:]))}, ["CREATE OR REPLACE"]),
        (
            {"lookup": replace(LOOKUP, definition=(*LOOKUP.definition[:-1], "app"))},
            ["CREATE OR REPLACE", f"ALTER FUNCTION {FUNCTION} OWNER TO postgres"],
        ),
        (
            {"lookup": replace(LOOKUP, shape=("text", "record"))},
            ["DROP FUNCTION", "CREATE OR REPLACE", f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC", "GRANT EXECUTE"],
        ),
        (
            {"lookup": replace(LOOKUP, acl={**LOOKUP.acl, PUBLIC: frozenset({"EXECUTE"})})},
            [f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC"],
        ),
        ({"lookup": replace(LOOKUP, acl={**LOOKUP.acl, "postgres": frozenset({"EXECUTE"})})}, []),
        ({"lookup": replace(LOOKUP, acl={})}, [f'GRANT EXECUTE ON FUNCTION {FUNCTION} TO "pgbouncer_auth"']),
        (
            {"lookup_schema": Schema("dba", {"pgbouncer_auth": frozenset({"USAGE", "CREATE"})})},
            ["ALTER SCHEMA pgbouncer OWNER TO postgres", 'REVOKE CREATE ON SCHEMA pgbouncer FROM "pgbouncer_auth"'],
        ),
        (
            {"lookup_schema": Schema("postgres", {PUBLIC: frozenset({"USAGE"})})},
            ["REVOKE USAGE ON SCHEMA pgbouncer FROM PUBLIC", 'GRANT USAGE ON SCHEMA pgbouncer TO "pgbouncer_auth"'],
        ),
    ],
)
def test_the_lookup_function(changes: dict[str, Any], starts: list[str]) -> None:
    statements = plan(wish(), server(**changes))
    assert len(statements) == len(starts)
    for statement, start in zip(statements, starts, strict=True):
        assert statement.sql.startswith(start)
        assert statement.database == "postgres"


def test_the_lookup_function_leaves_the_tiers_own_out() -> None:
    for name in SERVICES:
        assert f"'{name}'" in lookup.BODY


@pytest.mark.parametrize(
    ("desired", "observed", "problem"),
    [
        (wish_user("odd", service=True), server(), "user `odd` is marked as a service"),
        (wish_user("app", attributes=["FLY"]), server(), "user `app`, attributes: unknown FLY"),
        (wish_user("new"), server(), "user `new` has no password"),
        (wish_user("app", member_of=["ghosts"]), server(), "user `app`, member_of: no role ghosts"),
        (wish_user("app", grants=[grant("read", database="other")]), server(), "`other` is not in databases"),
        (wish_user("app", grants=[grant("read", schema="nowhere")]), server(), "has no schema `nowhere`"),
        (wish_user("app", grants=[grant("read", schema="nowhere")]), bare_server(), "has no schema `nowhere`"),
        (wish_database(owner="ghost"), server(), "owner `ghost` is no user"),
        (wish_database(schemas=[{"name": "x", "owner": "ghost"}]), server(), "owner `ghost` is no user"),
        (wish(), with_database(encoding="LATIN1"), "has encoding LATIN1, databases says UTF8"),
        (wish_database(extensions=["postgis"]), server(), "extension postgis is not installed"),
        (wish(users={}), server(roles={"app": Role(LOGIN)}), "its login `pgbouncer_auth` is not among the users"),
    ],
)
def test_what_cannot_be_converged(desired: Desired, observed: Server, problem: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan(desired, observed)
    assert any(problem in text for text in caught.value.problems), caught.value.problems


def test_all_problems_are_found_at_once() -> None:
    with pytest.raises(PlanError) as caught:
        plan(
            replace(wish_user("new"), databases=wish_database(owner="ghost", extensions=["postgis"]).databases),
            server(),
        )
    assert len(caught.value.problems) == 3


def test_names_are_quoted() -> None:
    name = 'a"b; DROP ROLE x'
    desired = wish(users={**wish().users, name: user(name)}, passwords={**PASSWORDS, name: "it's"})
    assert texts(desired, server()) == ['postgres: CREATE ROLE "a""b; DROP ROLE x" LOGIN PASSWORD \'********\'']
