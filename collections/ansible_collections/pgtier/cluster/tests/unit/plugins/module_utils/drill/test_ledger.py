# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.ledger import Failure, Ledger, Read, Tick, Write


def ledger(*reads: Read) -> Ledger:
    """Clients 1 and 2 have written one transaction each at the moments 1 and 2. The clock has counted to 3."""
    return Ledger(
        writes=[Write(0.5, 1.0, 1, 1), Write(1.5, 2.0, 2, 1)],
        ticks=[Tick(1.0, 1), Tick(2.0, 2), Tick(3.0, 3)],
        reads=list(reads) or [Read(2.5, 2.6, 2, "10.0.0.2")],
        rows=Counter([(1, 1, 0), (1, 1, 1), (2, 1, 0)]),
    )


@pytest.mark.parametrize(
    ("number", "asked_at", "age"),
    [(3, 9.0, 0.0), (2, 3.5, 0.5), (2, 2.5, 0.0), (1, 9.0, 7.0), (0, 0.5, 0.0), (0, 4.0, 3.0)],
    ids=["the newest", "older", "newer was not told yet", "two behind", "before the first", "nothing seen"],
)
def test_a_read_is_as_old_as_the_first_number_that_it_lacks(number: int, asked_at: float, age: float) -> None:
    assert ledger(Read(asked_at, asked_at, number, "")).ages() == [age]


def test_a_part_of_the_time_is_a_ledger_of_its_own() -> None:
    made = ledger()
    made.failures.append(Failure(5.0, "write", "no", 2, 7))
    part = made.between(1.5, 4.0)
    assert [write.token for write in part.writes] == [(2, 1)] and part.rows == {(2, 1, 0): 1}
    assert part.failures == [] and len(part.reads) == 1 and part.ticks == made.ticks


def test_what_a_process_says_is_added() -> None:
    made = Ledger()
    made.add({"writes": [[0.5, 1.0, 1, 1, "10.0.0.1", 2]], "failures": [[5.0, "read", "no", None, None, True]]})
    assert made.writes == [Write(0.5, 1.0, 1, 1, "10.0.0.1", 2)] and made.failures[0].token is None
