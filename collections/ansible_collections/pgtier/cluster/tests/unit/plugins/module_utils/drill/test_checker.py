# SPDX-License-Identifier: Apache-2.0
"""The checker notices each thing that must not happen, and nothing else."""

from __future__ import annotations

from collections import Counter

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.drill import checker
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.ledger import (
    Failure,
    Ledger,
    Look,
    Read,
    Tick,
    Token,
    Write,
    halves,
)
from hypothesis import given
from hypothesis import strategies as st

WHOLE = {(1, 1, 0): 1, (1, 1, 1): 1, (2, 1, 0): 1}
FAILED = Failure(5.0, "write", "no", 2, 7)
UNKNOWN = Failure(5.0, "write", "gone", 1, 8, indeterminate=True)


def ledger(rows: dict[tuple[int, int, int], int], *failures: Failure, looks: tuple[Look, ...] = ()) -> Ledger:
    """Client 1 has written a transaction of two, client 2 one statement."""
    return Ledger(
        writes=[Write(0.5, 1.0, 1, 1, "a", 1), Write(1.5, 2.0, 2, 1, "a", 1)],
        looks=list(looks),
        reads=[Read(2.5, 2.6, 2, "b")],
        ticks=[Tick(1.0, 1), Tick(2.0, 2)],
        failures=list(failures),
        rows=Counter(rows),
    )


def kinds(made: Ledger) -> list[str]:
    return [anomaly.kind for anomaly in checker.check(made)]


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (ledger(WHOLE), []),
        (ledger({(1, 1, 0): 1, (1, 1, 1): 1}), ["lost"]),
        (ledger({(1, 1, 0): 1, (2, 1, 0): 1}), ["lost"]),
        (ledger({**WHOLE, (2, 1, 0): 2}), ["duplicated"]),
        (ledger({**WHOLE, (2, 7, 0): 1}, FAILED), ["contradicted"]),
        (ledger({**WHOLE, (1, 8, 0): 1}, UNKNOWN), ["torn"]),
        (ledger({**WHOLE, (1, 8, 0): 1, (1, 8, 1): 1}, UNKNOWN), []),
        (ledger(WHOLE, UNKNOWN, FAILED), []),
        (ledger({**WHOLE, (4, 1, 0): 1}), ["unknown"]),
        (ledger(WHOLE, looks=(Look(2.1, 2.2, 2, 1),)), []),
        (ledger(WHOLE, looks=(Look(2.1, 2.2, 2, 0),)), ["backwards"]),
        (ledger(WHOLE, looks=(Look(2.1, 2.2, 2, 3), Look(3.1, 3.2, 2, 2))), ["backwards"]),
        (ledger(WHOLE, looks=(Look(0.1, 0.2, 2, 0), Look(3.1, 3.2, 3, 0))), []),
    ],
    ids=[
        "all is well",
        "lost",
        "half of it lost",
        "twice",
        "failed and there",
        "half a transaction",
        "an indeterminate one that is there",
        "an indeterminate one that is not there",
        "nobody's",
        "an own write seen",
        "an acknowledged own write not seen",
        "an own write no longer seen",
        "none before the first",
    ],
)
def test_each_kind_is_found_and_nothing_else(made: Ledger, found: list[str]) -> None:
    assert kinds(made) == found


def write(begin: float, end: float, server: str, timeline: int) -> Write:
    return Write(begin, end, 2, int(begin * 100), server, timeline)


@pytest.mark.parametrize(
    ("writes", "number"),
    [
        ([write(1, 2, "a", 1), write(3, 4, "b", 2), write(5, 6, "a", 3)], 0),
        ([write(1, 9, "a", 1), write(3, 4, "b", 2)], 0),
        ([write(1, 2, "a", 1), write(3, 4, "b", 2), write(4.5, 6, "a", 1)], 1),
        ([write(1, 2, "a", 1), write(1, 2, "b", 1)], 1),
        ([write(1, 2, "a", 0), write(1, 2, "b", 0)], 0),
        ([write(5, 6, "a", 1), write(1, 2, "b", 2)], 1),
    ],
    ids=[
        "one after the other, back to the first",
        "an answer that came late may be of a commit before",
        "the old one goes on",
        "two on one timeline",
        "who it was is not known",
        "a newer timeline first",
    ],
)
def test_two_members_that_commit_at_once_are_found(writes: list[Write], number: int) -> None:
    assert len(checker.overlaps(writes)) == number


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (ledger(WHOLE, FAILED, FAILED), "2 x write: no"),
        (ledger({(1, 1, 0): 1, (1, 1, 1): 1}), "1 acknowledged writes are lost"),
        (Ledger(), "no load"),
    ],
    ids=["failures", "anomalies", "no load"],
)
def test_what_an_operation_must_not_leave_is_said(made: Ledger, said: str) -> None:
    assert checker.problems(ledger(WHOLE)) == []
    assert said in "; ".join(checker.problems(made))


def test_an_old_read_is_a_problem() -> None:
    made = ledger(WHOLE)
    made.ticks.append(Tick(3.0, 3))
    made.reads = [Read(15.0, 15.1, 2, "b")]
    assert checker.problems(made) == ["a read was 12.0 s old, and 11 s are allowed"]


# Histories as a sound tier makes them: commits in an order, one server after the other, each commit somewhere between
# the moment it was asked for and that of its answer.


@st.composite
def sound(draw: st.DrawFn) -> Ledger:
    made, now, timeline = Ledger(), 0.0, 1
    sequences: Counter[int] = Counter()
    visible: Counter[int] = Counter()
    free: dict[int, float] = {}
    for _number in range(draw(st.integers(1, 40))):
        now += draw(st.floats(0.01, 1))
        timeline += draw(st.booleans())
        client = draw(st.integers(1, 6))
        # A client's next write is not asked for before the answer to its last one.
        begin = max(free.get(client, 0.0), now - draw(st.floats(0, 3)))
        now = max(now, begin)
        end = now + draw(st.floats(0, 3))
        free[client] = end + 0.001
        sequences[client] += 1
        token: Token = (client, sequences[client])
        outcome = draw(st.sampled_from(["acknowledged", "acknowledged", "failed", "answer lost", "request lost"]))
        if outcome in ("acknowledged", "answer lost"):
            made.rows.update((*token, half) for half in halves(token))
            visible[client] = token[1]
        if outcome == "acknowledged":
            made.writes.append(Write(begin, end, *token, f"server {timeline % 3}", timeline))
        else:
            made.failures.append(Failure(end, "write", outcome, *token, indeterminate=outcome != "failed"))
        if draw(st.booleans()):
            made.looks.append(Look(end, end, client, visible[client]))
    return made


@given(sound())
def test_a_sound_history_is_never_accused(made: Ledger) -> None:
    assert checker.check(made) == []


@given(sound(), st.data())
def test_any_row_of_an_acknowledged_write_that_goes_is_missed(made: Ledger, data: st.DataObject) -> None:
    rows = [(*made_write.token, half) for made_write in made.writes for half in halves(made_write.token)]
    if rows:
        del made.rows[data.draw(st.sampled_from(rows))]
        assert kinds(made) == ["lost"] and checker.lost(made) == 1


@given(sound(), st.data())
def test_any_row_of_a_failed_write_that_comes_is_found(made: Ledger, data: st.DataObject) -> None:
    failed = [(*failure.token, 0) for failure in made.failures if failure.token and not failure.indeterminate]
    if failed:
        made.rows[data.draw(st.sampled_from(failed))] += 1
        assert "contradicted" in kinds(made)
