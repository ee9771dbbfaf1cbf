# SPDX-License-Identifier: Apache-2.0
"""How far behind a replica is, by tables and by simulated clusters."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent / "roles" / "pgbouncer" / "files" / "route"))

from freshness import TRUSTED, Gate

REPLICA = "10.0.0.2"


def gate(limit: float = 10, written: int = 30, begin: float = 100.0) -> Gate:
    """A primary that writes a byte a second, sampled each second for half a minute."""
    made = Gate(limit)
    for second in range(written):
        made.leads("10.0.0.1", begin + second, second)
    return made


@pytest.mark.parametrize(
    ("replayed", "lag"),
    [(29, 0.0), (30, 0.0), (28, 1.0), (9, 20.0), (0, 29.0), (-1, 29.0)],
    ids=["all", "more than was sampled", "a second", "20 seconds", "the oldest sample", "older than all samples"],
)
def test_lag(replayed: int, lag: float) -> None:
    made = gate()
    made.follows(REPLICA, 129.0, replayed)
    assert made.lag(REPLICA, 129.5) == lag


def test_nobody_is_behind_a_primary_that_is_not_written_to() -> None:
    made = Gate(10)
    for second in range(600):
        made.leads("10.0.0.1", float(second), 5)
    made.follows(REPLICA, 599.2, 5)
    assert made.lag(REPLICA, 599.5) == pytest.approx(0.2)
    assert made.stale(599.5) == set()


def test_a_stale_replica_leaves_and_comes_back_with_hysteresis() -> None:
    made = gate(limit=10)
    judged = {}
    for replayed in (22, 19, 18, 20, 23, 24, 22):
        made.follows(REPLICA, 129.0, replayed)
        judged[replayed] = made.stale(129.0)
    # Behind by 7, 10, 11, 9, 6, 5, 7 seconds: out above 10, back at 5.
    assert [bool(stale) for stale in judged.values()] == [False, False, True, True, True, False]
    assert made.stale(129.0) == set()


@pytest.mark.parametrize("silent", ["primary", "replica"])
def test_nothing_is_decided_on_old_samples(silent: str) -> None:
    """A failover, or a replica that hangs: who was fit stays fit, who was not stays out."""
    for replayed, stale in ((0, {REPLICA}), (29, set())):
        made = gate()
        made.follows(REPLICA, 129.0, replayed)
        assert made.stale(129.0) == stale
        later = 129.0 + TRUSTED + 1
        if silent == "primary":
            made.follows(REPLICA, later, 29 - replayed)
        else:
            made.leads("10.0.0.1", later, 100)
        assert made.lag(REPLICA, later) is None
        assert made.stale(later) == stale


def test_a_new_primary_is_sampled_from_its_beginning() -> None:
    made = gate()
    made.follows(REPLICA, 129.0, 0)
    assert made.stale(129.0) == {REPLICA}
    made.leads("10.0.0.3", 130.0, 29)
    made.follows(REPLICA, 130.0, 29)
    assert made.lag(REPLICA, 130.0) == 0.0
    assert made.stale(130.0) == set()


def test_who_leads_is_behind_nobody() -> None:
    made = gate()
    made.follows(REPLICA, 129.0, 0)
    made.leads(REPLICA, 130.0, 29)
    assert made.lag(REPLICA, 130.0) is None


def test_a_former_primary_that_wakes_up_is_not_listened_to() -> None:
    made = gate()
    assert made.leader(130.0) == "10.0.0.1"
    made.leads("10.0.0.3", 130.0, 29, timeline=2)
    made.leads("10.0.0.1", 131.0, 40, timeline=1)
    assert made.leader(131.0) == "10.0.0.3"
    made.follows(REPLICA, 131.0, 29)
    assert made.lag(REPLICA, 131.0) == 1.0
    made.leads("10.0.0.1", 131.0 + TRUSTED, 41, timeline=1)
    assert made.leader(131.0 + TRUSTED) == "10.0.0.1"


def test_who_has_not_said_so_for_a_while_is_not_the_leader() -> None:
    made = gate()
    made.leads("10.0.0.1", 130.0, 29)
    assert made.leader(130.0 + TRUSTED) == "10.0.0.1"
    assert made.leader(130.1 + TRUSTED) == ""
    assert Gate(0).leader(0.0) == ""


def test_no_limit_no_gate() -> None:
    made = gate(limit=0)
    made.follows(REPLICA, 129.0, 0)
    assert made.stale(129.0) == set()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.floats(0.05, 1.0), st.integers(0, 100)), min_size=5, max_size=60),
    st.floats(0, 20),
    st.floats(0.01, 2.0),
)
def test_the_lag_is_never_told_too_small(steps: list[tuple[float, int]], behind: float, asked_after: float) -> None:
    """A primary writes at random; a replica shows it as it was `behind` seconds ago. What is told is at least the age
    of the oldest commit that the replica lacks, however the samples fall."""
    clock, position, history = 0.0, 0, [(0.0, 0)]
    made = Gate(10)
    for seconds, size in steps:
        made.leads("10.0.0.1", clock, position)
        clock += seconds
        position += size
        history.append((clock, position))
    made.leads("10.0.0.1", clock, position)
    asked = clock + min(asked_after, TRUSTED - 0.5)
    shown = max((at for moment, at in history if moment <= asked - behind), default=0)
    made.follows(REPLICA, asked, shown)
    lacking = [moment for moment, at in history if at > shown]
    told = made.lag(REPLICA, asked)
    assert told is not None
    if lacking:
        assert told >= asked - lacking[0] - 1e-9
