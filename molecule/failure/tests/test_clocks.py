"""Clocks that jump under load: nobody takes over, nothing is lost, and writes go on.

A jump is seen by Patroni, PostgreSQL and PgBouncer, not by etcd: tests/support/clocks.py says why.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.drill import checker
from clocks import FAULTS, of_their_own
from failing import Saboteur
from tier import Tier, wait_until

pytestmark = pytest.mark.full

# A Patroni whose clock goes back has no round, and does not renew its key, until that has run out: what comes of that,
# and what it takes for the time, is seen only by who waits.
TERM_AND_MORE_SECONDS = 30


@pytest.fixture(scope="module", autouse=True)
def clocks(tier: Tier) -> Iterator[None]:
    wait_until("every member is there and streams", 90, tier.whole)
    with of_their_own(tier):
        yield


def ahead(tier: Tier, name: str) -> tuple[float, float]:
    """By how many seconds the clocks of a member's PostgreSQL and of its Patroni are ahead of this computer's."""
    postgresql = float(tier.psql(name, "SELECT extract(epoch FROM clock_timestamp())")[0][0])
    return postgresql - time.time(), tier.status(name)["dcs_last_seen"] - time.time()


@pytest.mark.parametrize(("offset", "name"), [(3600, "clock_forward"), (-3600, "clock_back")])
def test_the_clocks_jump_while_their_processes_run(tier: Tier, saboteur: Saboteur, offset: int, name: str) -> None:
    """The proof that the tests below strike at all: both clocks go where they should, and come back."""
    leader = tier.leader()
    pid = tier.psql(leader, "SELECT pg_postmaster_start_time()")
    with saboteur.struck(FAULTS[name], [leader]):
        wait_until(
            "both clocks are off",
            TERM_AND_MORE_SECONDS,
            lambda: all(abs(one - offset) < 15 for one in ahead(tier, leader)),
        )
    wait_until(
        "both clocks are right", TERM_AND_MORE_SECONDS, lambda: all(abs(one) < 15 for one in ahead(tier, leader))
    )
    assert tier.psql(leader, "SELECT pg_postmaster_start_time()") == pid


@pytest.mark.parametrize("name", FAULTS)
def test_a_clock_that_jumps_costs_nothing(tier: Tier, saboteur: Saboteur, name: str) -> None:
    fault = FAULTS[name]
    leader = tier.leader()
    timeline = tier.members()[leader].timeline
    trial = saboteur.attempt(fault, after=TERM_AND_MORE_SECONDS if fault.target == "leader" else 2)
    print(f"{name}: {fault.does}. {trial}")
    assert len(trial.ledger.writes) > 100, "there was hardly a load"
    assert [anomaly.text for anomaly in checker.check(trial.ledger)] == []
    assert (tier.leader(), tier.members()[leader].timeline) == (leader, timeline), "somebody took over"
    assert trial.recovery < fault.bound
