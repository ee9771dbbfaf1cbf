# SPDX-License-Identifier: Apache-2.0
"""A soak that was stopped goes on, and its n-th fault does not depend on how often that happened."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bin/lib"))

import soak
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.ledger import Ledger, Write
from failing import FAULTS, Trial


def test_a_seed_and_a_number_are_one_fault_and_all_faults_come() -> None:
    faults = [soak.fault_of(7, number) for number in range(400)]
    assert faults == [soak.fault_of(7, number) for number in range(400)] != [soak.fault_of(8, n) for n in range(400)]
    assert set(faults) == set(FAULTS)


@pytest.mark.parametrize(
    ("seed", "fresh", "done"),
    [(None, False, 3), (7, False, 3), (8, False, 0), (7, True, 0)],
    ids=["as it was", "the same seed", "another seed", "anew"],
)
def test_a_stopped_run_goes_on_unless_another_is_asked_for(
    tmp_path: Path, seed: int | None, fresh: bool, done: int
) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"seed": 7, "done": 3, "writes": 10, "lost": 0, "rows": []}))
    assert soak.begun(path, seed, fresh)["done"] == done


@pytest.mark.parametrize(
    ("name", "gap", "kept", "bad"),
    [
        ("kill_postgres", 1.0, 2, []),
        ("kill_postgres", 30.0, 2, ["30.0 s without an acknowledged write, and 10 are allowed"]),
        ("kill_postgres", 1.0, 1, ["1 acknowledged writes are lost"]),
        ("freeze_replicas", 20.0, 2, []),
    ],
    ids=["well", "too long", "lost", "a fault that blocks is judged from its end on"],
)
def test_what_is_wrong_with_a_fault_is_kept(name: str, gap: float, kept: int, bad: list[str]) -> None:
    ledger = Ledger([Write(9.9, 10.0, 2, 1), Write(9.9, 10.0 + gap, 2, 2)], rows=Counter([(2, 2, 0), (2, 1, 0)][:kept]))
    made = soak.row(0, name, Trial(ledger, ["pg1"], 10.0, 9.0 + gap, 10.0 + gap))
    assert len(made["bad"]) == len(bad)
    assert all(found.startswith(said) for found, said in zip(made["bad"], bad, strict=True))
