"""Who must not get in does not, and is told so: each refusal is checked beside a login that is let in."""

from __future__ import annotations

import re

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tier import Tier

POOLED = ("primary", "primary_session", "replica", "replica_session")
DIRECT = ("primary_direct", "replica_direct")
# What PgBouncer or PostgreSQL (or libpq, when it is asked for a password that it has not) says to who must stay out.
# An endpoint that cannot be reached says something else.
REFUSED = re.compile(
    r"authentication failed|no such user|no such database|database .* does not exist|pg_hba\.conf|no password supplied"
)


def assert_refused(tier: Tier, endpoint: str, **changed: str) -> None:
    """A login with something changed is refused; that it is let in unchanged is part of the check."""
    assert tier.ask(endpoint, "SELECT 1", proxy=0) == 1
    conninfo = tier.conninfo(endpoint, proxy=0, passfile="/nowhere")
    with pytest.raises(psycopg.OperationalError, match=REFUSED):
        psycopg.connect(make_conninfo(conninfo, **changed)).close()


@pytest.mark.parametrize("endpoint", POOLED + DIRECT)
def test_a_wrong_password_is_refused(tier: Tier, endpoint: str) -> None:
    assert_refused(tier, endpoint, password="not the password")


@pytest.mark.parametrize("endpoint", POOLED + DIRECT)
def test_no_password_is_refused(tier: Tier, endpoint: str) -> None:
    """No line of pg_hba or of PgBouncer's file trusts an address."""
    assert_refused(tier, endpoint, password="")


@pytest.mark.parametrize("endpoint", POOLED + DIRECT)
def test_an_unknown_database_is_refused(tier: Tier, endpoint: str) -> None:
    assert_refused(tier, endpoint, dbname="no_such_database")


@pytest.mark.parametrize("endpoint", POOLED)
def test_a_user_who_does_not_exist_is_refused(tier: Tier, endpoint: str) -> None:
    assert_refused(tier, endpoint, user="nobody_here")


@pytest.mark.parametrize("endpoint", POOLED + DIRECT)
@pytest.mark.parametrize("password", ["", "a guess"])
def test_the_superuser_is_refused(tier: Tier, endpoint: str, password: str) -> None:
    assert_refused(tier, endpoint, user="postgres", password=password)


def test_a_superuser_with_a_password_is_refused_by_the_pools(tier: Tier) -> None:
    """The lookup does not hand out the password of a superuser, even of one whose password is right."""
    login = {"user": "too_mighty", "password": "of this test only"}
    leader = tier.leader()
    tier.psql(leader, f"CREATE ROLE too_mighty SUPERUSER LOGIN PASSWORD '{login['password']}'")
    try:
        for endpoint in POOLED:
            assert_refused(tier, endpoint, **login)
    finally:
        tier.psql(leader, "DROP ROLE too_mighty")


def test_a_login_that_has_expired_is_refused_by_the_pools(tier: Tier) -> None:
    """PgBouncer itself does not look at VALID UNTIL; the lookup has to."""
    login = {"user": "was_here", "password": "of this test only"}
    leader = tier.leader()
    tier.psql(leader, f"CREATE ROLE was_here LOGIN PASSWORD '{login['password']}' VALID UNTIL '2001-01-01'")
    try:
        for endpoint in POOLED:
            assert_refused(tier, endpoint, **login)
    finally:
        tier.psql(leader, "DROP ROLE was_here")


def test_no_rule_trusts_an_address(tier: Tier) -> None:
    for name in tier.groups["postgres"]:
        rules = tier.psql(name, "SELECT type, auth_method FROM pg_hba_file_rules WHERE error IS NULL")
        methods = {method for kind, method in rules if kind != "local"}
        assert methods and methods <= {"scram-sha-256", "cert", "reject"}, name
        assert tier.psql(name, "SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL") == [["0"]], name


def test_service_logins_hold_no_more_than_they_need(tier: Tier) -> None:
    rows = tier.psql(
        tier.leader(),
        "SELECT rolname FROM pg_roles WHERE rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls ORDER BY 1",
    )
    assert rows == [["postgres"]]
    assert tier.psql(tier.leader(), "SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = 'postgres'") == [["t"]]


def test_passwords_are_kept_as_scram(tier: Tier) -> None:
    rows = tier.psql(
        tier.leader(),
        "SELECT rolname, left(rolpassword, 14) FROM pg_authid WHERE rolpassword IS NOT NULL AND rolcanlogin",
    )
    assert {"app", "replicator", "pgbouncer_auth"} <= {name for name, _ in rows}
    assert {kind for _, kind in rows} == {"SCRAM-SHA-256$"}


def test_secrets_are_readable_by_their_owner_only(tier: Tier) -> None:
    directory = tier.inventory / "secrets"
    assert directory.stat().st_mode & 0o077 == 0
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert directory / "connections.json" in files
    assert [path for path in files if path.stat().st_mode & 0o077] == []
