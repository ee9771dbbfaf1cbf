"""Least privilege: rights come from the inventory's grants, and the tier's own logins have those that they need."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tier import Tier

OUTSIDER = {"user": "without_grants", "password": "of this test only"}


@pytest.fixture
def outsider(tier: Tier) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Somebody who may connect to the database, and to whom nothing in it was granted."""
    leader = tier.leader()
    tier.psql(leader, f"CREATE ROLE {OUTSIDER['user']} LOGIN PASSWORD '{OUTSIDER['password']}'")
    tier.psql(leader, f"GRANT CONNECT ON DATABASE app TO {OUTSIDER['user']}")
    try:
        with psycopg.connect(make_conninfo(tier.conninfo("primary"), **OUTSIDER), autocommit=True) as connection:
            yield connection
    finally:
        tier.psql(leader, f"REVOKE ALL ON DATABASE app FROM {OUTSIDER['user']}")
        tier.psql(leader, f"DROP ROLE {OUTSIDER['user']}")


@pytest.mark.parametrize("statement", ["SELECT * FROM public.{}", "CREATE TABLE public.{}_mine (id int)"])
def test_public_is_closed_to_whom_nothing_was_granted(
    tier: Tier, outsider: psycopg.Connection[tuple[object, ...]], table: str, statement: str
) -> None:
    assert outsider.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="schema public"):
        outsider.execute(statement.format(table))
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="temporary"):
        outsider.execute("CREATE TEMPORARY TABLE mine (id int)")


def test_the_application_uses_what_it_was_granted_and_makes_nothing(tier: Tier, table: str) -> None:
    with tier.connect("primary", user="app_web") as connection:
        connection.execute(f"INSERT INTO {table} VALUES (1, 'written by the application')")
        connection.execute(f"UPDATE {table} SET note = 'changed' WHERE id = 1")
        assert connection.execute(f"SELECT note FROM {table}").fetchone() == ("changed",)
        connection.execute(f"DELETE FROM {table}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="schema public"):
            connection.execute(f"CREATE TABLE {table}_mine (id int)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="must be owner"):
            connection.execute(f"DROP TABLE {table}")


def test_extensions_are_found_by_whoever_has_a_grant(tier: Tier) -> None:
    assert tier.ask("primary", "SELECT count(*) >= 0 FROM pg_stat_statements", user="app_web") is True


def test_only_the_tiers_own_logins_may_connect_to_the_database_postgres(tier: Tier) -> None:
    rows = tier.psql(
        tier.leader(),
        "SELECT rolname FROM pg_roles WHERE rolcanlogin AND has_database_privilege(oid, 'postgres', 'CONNECT') "
        "ORDER BY 1",
    )
    assert rows == [["pgbouncer_auth"], ["pgtier_monitor"], ["postgres"], ["rewind"]]


def test_nobody_has_attributes_or_memberships_that_the_inventory_does_not_give(tier: Tier) -> None:
    attributes = ("rolsuper", "rolreplication", "rolcreaterole", "rolcreatedb", "rolbypassrls")
    rows = tier.psql(
        tier.leader(), f"SELECT rolname, {', '.join(attributes)} FROM pg_roles WHERE rolcanlogin ORDER BY 1"
    )
    found = {
        name: {attribute for attribute, on in zip(attributes, flags, strict=True) if on == "t"} for name, *flags in rows
    }
    assert found == {
        "app": set(),
        "app_web": set(),
        "pgbouncer_auth": set(),
        "pgtier_monitor": set(),
        "postgres": {*attributes},
        "replicator": {"rolreplication"},
        "rewind": set(),
    }
    members = tier.psql(
        tier.leader(),
        "SELECT m.rolname, r.rolname FROM pg_auth_members JOIN pg_roles m ON m.oid = member "
        "JOIN pg_roles r ON r.oid = roleid WHERE m.rolname !~ '^pg_' ORDER BY 1, 2",
    )
    assert members == [["pgtier_monitor", "pg_checkpoint"], ["pgtier_monitor", "pg_monitor"]]


def test_the_superuser_comes_by_peer_alone(tier: Tier) -> None:
    for name in tier.groups["postgres"]:
        rules = tier.psql(
            name,
            "SELECT type, auth_method FROM pg_hba_file_rules WHERE user_name && '{postgres}' ORDER BY rule_number",
        )
        assert rules[0] == ["local", "peer"], name
        assert {method for _type, method in rules[1:]} == {"reject"}, name


def test_the_lookup_answers_for_applications_alone(tier: Tier) -> None:
    """Asked as the pooler asks. What it must not answer about has a password of its own here."""
    leader = tier.leader()
    login = "LOGIN PASSWORD 'of this test only'"
    roles = {
        "looked_up": login,
        "looked_up_mighty": f"SUPERUSER {login}",
        "looked_up_streaming": f"REPLICATION {login}",
        "looked_up_group": "NOLOGIN PASSWORD 'of this test only'",
        "looked_up_expired": f"{login} VALID UNTIL '2001-01-01'",
        "looked_up_for_long": f"{login} VALID UNTIL '2999-01-01'",
    }
    names = ", ".join(
        f"('{name}')" for name in (*roles, "postgres", "replicator", "rewind", "pgbouncer_auth", "nobody")
    )
    for name, options in roles.items():
        tier.psql(leader, f"CREATE ROLE {name} {options}")
    try:
        rows = tier.psql(
            leader,
            f"SET ROLE pgbouncer_auth; SELECT uname FROM (VALUES {names}) v(name), pgbouncer.user_lookup(v.name) "
            "WHERE phash LIKE 'SCRAM-SHA-256$%' ORDER BY 1",
        )
        assert rows == [["looked_up"], ["looked_up_for_long"]]
        for table in ("pg_authid", "pg_shadow"):
            with pytest.raises(psycopg.DatabaseError, match="permission denied"):
                tier.psql(leader, f"SET ROLE pgbouncer_auth; SELECT * FROM {table}")
        with pytest.raises(psycopg.DatabaseError, match="permission denied"):
            tier.psql(leader, "SET ROLE app; SELECT * FROM pgbouncer.user_lookup('looked_up')")
    finally:
        tier.psql(leader, f"DROP ROLE {', '.join(roles)}")
