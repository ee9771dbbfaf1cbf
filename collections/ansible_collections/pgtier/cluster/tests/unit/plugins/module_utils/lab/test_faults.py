"""Which faults change what."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.command import LabError
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.faults import Cuts, cut, heal, needed
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.lifecycle import HostState

RUNNING = HostState(prepared=True, running=True, answers=True, attached=True)
STOPPED = HostState(prepared=True)
FROZEN = replace(RUNNING, frozen=True)
SLOW = replace(RUNNING, cpu_percent=20)


@pytest.mark.parametrize(
    ("fault", "state", "percent", "expected"),
    [
        ("killed", RUNNING, None, True),
        ("killed", STOPPED, None, False),
        ("stopped", FROZEN, None, True),
        ("stopped", STOPPED, None, False),
        ("started", STOPPED, None, True),
        ("started", RUNNING, None, False),
        ("frozen", RUNNING, None, True),
        ("frozen", FROZEN, None, False),
        ("thawed", FROZEN, None, True),
        ("thawed", RUNNING, None, False),
        ("slowed", RUNNING, 20, True),
        ("slowed", SLOW, 20, False),
        ("slowed", SLOW, 30, True),
        ("unslowed", SLOW, None, True),
        ("unslowed", RUNNING, None, False),
    ],
)
def test_needed(fault: str, state: HostState, percent: int | None, expected: bool) -> None:
    assert needed(fault, state, percent) is expected


@pytest.mark.parametrize("fault", ["frozen", "thawed", "slowed", "unslowed"])
def test_a_stopped_host_cannot_be(fault: str) -> None:
    with pytest.raises(LabError, match=f"cannot be {fault}; start it first"):
        needed(fault, STOPPED, 20)


def test_cut_and_heal() -> None:
    pair = cut(Cuts(), "a", ["b", "a"])
    assert pair.pairs == {("a", "b"), ("b", "a")}
    assert not pair.isolated
    assert cut(pair, "b", ["a"]) == pair
    both = cut(cut(pair, "a", ["c"]), "a", None)
    assert both.isolated == {"a"}
    assert heal(both, "a", ["b"]) == Cuts(frozenset("a"), frozenset([("a", "c"), ("c", "a")]))
    assert heal(both, "a", None) == Cuts()
    # One host's healing does not mend what others have among themselves.
    assert heal(cut(pair, "c", ["d"]), "a", None) == cut(Cuts(), "c", ["d"])
