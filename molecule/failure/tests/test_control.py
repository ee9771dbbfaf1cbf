"""The checker's negative control: without synchronous replication the same checker must find that writes are lost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.drill import checker
from failing import FAULTS, Saboteur, journal
from tier import Tier, wait_until

EDIT = "patronictl -c /etc/patroni/config.yml edit-config --force --set synchronous_mode={}"
STRANDED_SECONDS = 3


def streaming(tier: Tier) -> bool:
    """As Tier.whole, but nobody has to vouch for commits."""
    members = tier.members().values()
    return len(members) == len(tier.groups["postgres"]) and all(
        member.state == ("running" if member.role == "leader" else "streaming") and not member.lag for member in members
    )


@contextmanager
def mode(tier: Tier, name: str) -> Iterator[None]:
    leader = tier.leader()
    statement = "SHOW synchronous_standby_names"

    def switch(to: str, host: str) -> None:
        tier.host(host).check_output(EDIT.format(to))
        wait_until(f"synchronous mode is {to}", 30, lambda: (tier.psql(host, statement) == [[""]]) == (to == "off"))

    switch(name, leader)
    try:
        yield
    finally:
        switch("quorum", tier.leader())


@contextmanager
def stranded(saboteur: Saboteur, leader: str) -> Iterator[None]:
    """The primary's writes reach nobody for some seconds, then it loses its power."""
    with saboteur.struck(FAULTS["freeze_walsenders"], [leader]):
        time.sleep(STRANDED_SECONDS)
        with saboteur.struck(FAULTS["power_leader"], [leader]):
            yield


@pytest.mark.parametrize(
    ("synchronous_mode", "loses"), [("off", True), pytest.param("quorum", False, marks=pytest.mark.full)]
)
def test_the_checker_finds_what_asynchronous_replication_loses(
    tier: Tier, saboteur: Saboteur, synchronous_mode: str, loses: bool
) -> None:
    leader, begin = tier.leader(), time.time()
    with mode(tier, synchronous_mode):
        trial = saboteur.trial(
            stranded(saboteur, leader),
            FAULTS["power_leader"].lasts,
            [leader],
            whole=lambda: streaming(tier) and tier.leader() != leader,
        )
        lost = checker.lost(trial.ledger)
        print(f"synchronous mode {synchronous_mode}: {lost} lost. {trial}")
        found = [anomaly.kind for anomaly in checker.check(trial.ledger)]
        # A client that reads what it wrote may see that it is gone as well.
        assert ("lost" in found) == loses and set(found) <= ({"lost", "backwards"} if loses else set())
    if loses:
        assert lost > 50, json.dumps(found)
    # Each of them would have waited for two seconds for an answer of the dead one.
    raced = journal(tier, "patroni", begin, [name for name in tier.groups["postgres"] if name != leader])
    assert "promoted self to leader by acquiring session lock" in raced
    assert f"Request failed to {leader}: " not in raced
