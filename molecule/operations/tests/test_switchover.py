"""Planned switchovers under load: nobody's transaction fails, no acknowledged row is lost, reads stay fresh."""

from __future__ import annotations

import load
import psycopg
import pytest
from tier import Tier, wait_until

SWITCHOVER = "playbooks/switchover.yml"


def test_ten_switchovers_under_load_fail_nothing(tier: Tier) -> None:
    leaders = [tier.leader()]
    timeline = tier.members()[leaders[0]].timeline
    with load.running(tier) as under_load:
        for _ in range(2):
            (candidate, *_others) = tier.replicas()
            tier.playbook(SWITCHOVER, "-e", f"candidate={candidate}")
            leaders.append(tier.leader())
            assert leaders[-1] == candidate != leaders[-2]
        tier.playbook("molecule/operations/switchovers.yml")
        assert tier.members()[tier.leader()].timeline == timeline + 10
        # A second run for the one that leads changes nothing.
        tier.unchanged(SWITCHOVER, "-e", f"candidate={tier.leader()}")
    print(under_load.report)
    assert load.problems(under_load.report) == []


def test_check_mode_says_what_it_would_do_and_does_nothing(tier: Tier) -> None:
    leader = tier.leader()
    recap = tier.playbook(SWITCHOVER, "--check")
    assert sum(numbers["changed"] for numbers in recap.values()) == 1 and tier.leader() == leader


def test_a_session_ends_with_the_old_primary_and_the_next_one_is_served(tier: Tier) -> None:
    """A pause would wait for sessions until their clients leave, so these are not held."""
    with tier.connect("primary_session") as connection:
        connection.execute("SELECT 1")
        output = tier.output(SWITCHOVER)
        assert "end with it (session pools, direct): 1 of app in app" in output
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    wait_until("a new session is served", 10, lambda: tier.ask("primary_session", "SELECT 1") == 1)
