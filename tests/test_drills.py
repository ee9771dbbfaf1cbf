# SPDX-License-Identifier: Apache-2.0
"""docs/drills.md lists every fault there is, with what it is; there are enough of them, and of mutations."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from clocks import FAULTS as CLOCKS
from failing import FAULTS
from mutations import MUTATIONS, Mutation

TOP = Path(__file__).parents[1]


def test_every_fault_is_listed_as_it_is() -> None:
    rows = re.findall(
        r"^\| `(\w+)`[ *]*\| (.*?) \| (.*?) ?\| (.*) \|$", (TOP / "docs/drills.md").read_text(), re.MULTILINE
    )
    assert rows == [
        (fault.name, fault.target.replace("_", " "), f"{fault.lasts:g} s" if fault.lasts else "", fault.does)
        for fault in (*FAULTS.values(), *CLOCKS.values())
    ]
    assert len(FAULTS) >= 25


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_a_mutation_names_a_test_that_there_is(mutation: Mutation) -> None:
    path, _, test = mutation.red.partition("::")
    assert f"def {test.partition('[')[0]}(" in (TOP / path).read_text()
    assert mutation.change and mutation.undo
    if "test_fault[" in test:
        assert re.search(r"\[(\w+)\]", test)[1] in FAULTS


def test_there_are_enough_mutations() -> None:
    assert len(MUTATIONS) >= 20
