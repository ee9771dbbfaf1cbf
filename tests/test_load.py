# SPDX-License-Identifier: Apache-2.0
"""The ledger of the load that scenarios run under: it has to notice what must not happen."""

from __future__ import annotations

from collections import Counter

import pytest
from load import Failure, Report, Token


def report(
    rows: dict[Token, int], failures: tuple[Failure, ...] = (), reads: tuple[tuple[float, float, int, str], ...] = ()
) -> Report:
    """Clients 1 and 2 have written one transaction each at the moments 1 and 2. The clock has counted to 3."""
    return Report(
        table="t",
        writes=[(0.5, 1.0, (1, 1)), (1.5, 2.0, (2, 1))],
        ticks=[(1.0, 1), (2.0, 2), (3.0, 3)],
        reads=list(reads) or [(2.5, 2.6, 2, "10.0.0.2")],
        failures=list(failures),
        rows=Counter(rows),
    )


WHOLE = {(1, 1): 2, (2, 1): 1}
FAILED = Failure(5.0, "write", "no", (2, 7), indeterminate=False)
UNKNOWN = Failure(5.0, "write", "gone", (2, 8), indeterminate=True)


def test_nothing_to_say_when_all_is_well() -> None:
    assert report(WHOLE).problems() == []


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (report({(1, 1): 2}), "1 acknowledged writes are lost"),
        (report({**WHOLE, (1, 1): 1}), "1 acknowledged writes are lost"),
        (report({**WHOLE, (1, 5): 1}), "in half"),
        (report({**WHOLE, (2, 7): 1}, (FAILED,)), "1 writes are there that failed"),
        (report(WHOLE, (FAILED, FAILED)), "2 x write: no"),
        (report(WHOLE, reads=((15.0, 15.1, 2, "10.0.0.2"),)), "a read was 12.0 s old"),
        (Report("t"), "no load"),
    ],
    ids=["lost", "half lost", "half there", "failed and there", "failures", "old read", "no load"],
)
def test_what_must_not_happen_is_said(made: Report, said: str) -> None:
    assert said in "; ".join(made.problems())


def test_an_indeterminate_write_may_be_there_or_not() -> None:
    for rows in (WHOLE, {**WHOLE, (2, 8): 1}):
        made = report(rows, (UNKNOWN,))
        assert made.lost() == [] and made.ghosts() == []


@pytest.mark.parametrize(
    ("number", "asked_at", "age"),
    [(3, 9.0, 0.0), (2, 3.5, 0.5), (2, 2.5, 0.0), (1, 9.0, 7.0), (0, 0.5, 0.0), (0, 4.0, 3.0)],
    ids=["the newest", "older", "newer was not told yet", "two behind", "before the first", "nothing seen"],
)
def test_a_read_is_as_old_as_the_first_number_that_it_lacks(number: int, asked_at: float, age: float) -> None:
    assert report(WHOLE, reads=((asked_at, asked_at, number, ""),)).ages() == [age]


def test_a_part_of_the_time_has_its_own_figures() -> None:
    made = report(WHOLE, (FAILED,))
    part = made.between(1.5, 4.0)
    assert [token for *_, token in part.writes] == [(2, 1)]
    assert part.failures == [] and len(part.reads) == 1 and part.ticks == made.ticks
