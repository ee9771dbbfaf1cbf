"""What would fail, or would hold the application's clients, is refused before anything is done, with the reason."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tier import Tier

SWITCHOVER = "playbooks/switchover.yml"


@pytest.fixture(autouse=True)
def nothing_happens(tier: Tier) -> Iterator[None]:
    before = tier.members()
    yield
    after = tier.members()
    assert {name: (one.role, one.timeline) for name, one in after.items()} == {
        name: (one.role, one.timeline) for name, one in before.items()
    }
    assert tier.ask("primary", "SELECT 1") == 1


def test_a_candidate_that_is_no_member(tier: Tier) -> None:
    said = tier.refusal(SWITCHOVER, "-e", "candidate=pg9")
    assert "pg9 is no member of the cluster" in said and tier.replicas()[0] in said


def test_a_long_transaction_of_the_pool_is_named(tier: Tier) -> None:
    with tier.connect("primary", application_name="a report") as connection:
        connection.execute("BEGIN")
        row = connection.execute("SELECT pg_backend_pid(), pg_sleep(1.5)").fetchone()
        assert row is not None
        said = tier.refusal(SWITCHOVER, "-e", "switchover_max_transaction_seconds=1")
        assert f"pid {row[0]} of app in app from " in said
        assert "a report" in said and "s old" in said
        # The transaction is none the wiser.
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_reinit_of_the_leader_and_without_a_confirmation(tier: Tier) -> None:
    leader, replica = tier.leader(), tier.replicas()[0]
    said = tier.refusal("playbooks/reinit.yml", "-e", f"member={leader}", "-e", f"reinit_confirm={leader}")
    assert f"{leader} is the leader" in said
    said = tier.refusal("playbooks/reinit.yml", "-e", f"member={replica}")
    assert "reinit_confirm" in said


def test_a_restart_of_who_is_no_member(tier: Tier) -> None:
    assert "no member of the cluster: pg9" in tier.refusal("playbooks/restart.yml", "-e", "restart_hosts=pg9")


@pytest.mark.parametrize("endpoint", ["primary", "replica_session"])
def test_the_consoles_administrator_is_let_in_from_the_tiers_hosts_only(tier: Tier, endpoint: str) -> None:
    """This computer is none of them, though applications may come from here."""
    secrets = json.loads((tier.inventory / "secrets/passwords.json").read_text())
    login = {"user": "pgtier_admin", "password": secrets["services"]["pgtier_admin"]}
    for database in ("pgbouncer", "app"):
        with pytest.raises(psycopg.OperationalError, match=r"rejected|no pg_hba|authentication|not allowed"):
            psycopg.connect(make_conninfo(tier.conninfo(endpoint, proxy=0, dbname=database), **login)).close()
