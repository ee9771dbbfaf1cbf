"""From what is there of a lab to the steps that are missing."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.lifecycle import (
    HostState,
    Observed,
    plan_absent,
    plan_present,
    restored,
)

RUNNING = HostState(prepared=True, running=True, answers=True, attached=True)
STOPPED = HostState(prepared=True)
FROZEN = replace(RUNNING, frozen=True, answers=False)
UP = Observed(
    image=True,
    key=True,
    bridge=True,
    rules=True,
    forwarding=True,
    admitted=True,
    directory=True,
    hosts={"a": RUNNING, "b": RUNNING},
)
NETWORK = ["make bridge", "write rules", "switch forwarding on", "admit bridge"]


@pytest.mark.parametrize(
    ("seen", "steps"),
    [
        pytest.param(UP, [], id="nothing to do"),
        pytest.param(
            Observed(),
            ["build image", "make key", *NETWORK, "prepare a", "start a", "prepare b", "start b"],
            id="from nothing",
        ),
        pytest.param(
            replace(Observed(), key=True, image=True, hosts={"a": STOPPED, "b": STOPPED}),
            [*NETWORK, "start a", "start b"],
            id="after a reboot",
        ),
        pytest.param(replace(UP, image=False), [], id="the image is only needed for new hosts"),
        pytest.param(
            replace(UP, image=False, hosts={"a": RUNNING}), ["build image", "prepare b", "start b"], id="one more host"
        ),
        pytest.param(replace(UP, hosts={"a": STOPPED, "b": RUNNING}), ["start a"], id="died"),
        pytest.param(replace(UP, hosts={"a": FROZEN, "b": RUNNING}), ["thaw a"], id="frozen"),
        pytest.param(
            replace(UP, hosts={"a": replace(RUNNING, cut_off=True, answers=False), "b": RUNNING}),
            ["heal a"],
            id="cut off",
        ),
        pytest.param(
            replace(UP, hosts={"a": replace(STOPPED, cut_off=True), "b": RUNNING}),
            ["heal a", "start a"],
            id="cut and dead",
        ),
        pytest.param(
            replace(UP, hosts={"a": replace(RUNNING, cpu_percent=10), "b": RUNNING}), ["unlimit a"], id="slowed"
        ),
        pytest.param(
            replace(UP, hosts={"a": replace(RUNNING, answers=False), "b": RUNNING}), ["kill a", "start a"], id="hangs"
        ),
        pytest.param(
            replace(UP, hosts={"a": replace(HostState(), running=True), "b": RUNNING}),
            ["kill a", "prepare a", "start a"],
            id="processes of a host whose directory is gone",
        ),
        pytest.param(
            replace(UP, bridge=False, hosts=dict.fromkeys("ab", replace(RUNNING, attached=False, answers=False))),
            ["make bridge", "admit bridge", "attach a", "attach b"],
            id="bridge gone under running hosts",
        ),
        pytest.param(replace(UP, rules=False), ["write rules"], id="rules gone"),
        pytest.param(
            replace(UP, key=False), ["make key", "kill a", "start a", "kill b", "start b"], id="hosts know the lost key"
        ),
        pytest.param(replace(UP, hosts={**UP.hosts, "c": STOPPED}), [], id="a host that is not asked for"),
    ],
)
def test_plan_present(seen: Observed, steps: list[str]) -> None:
    planned = plan_present(["a", "b"], seen)
    assert [str(step) for step in planned] == steps
    # Whatever it was, once the steps are done nothing is left to do.
    done = replace(restored(seen, ["a", "b"]), key=True, forwarding=True, admitted=True)
    assert plan_present(["a", "b"], done) == []


@pytest.mark.parametrize(
    ("unwanted", "seen", "groups", "steps"),
    [
        (None, Observed(), [], []),
        (None, UP, ["a", "b"], ["remove a", "remove b", "remove lab"]),
        (None, Observed(), ["c"], ["remove c", "remove lab"]),
        (None, Observed(bridge=True), [], ["remove lab"]),
        (None, Observed(rules=True), [], ["remove lab"]),
        (None, Observed(directory=True), [], ["remove lab"]),
        (["a"], UP, ["a", "b"], ["remove a"]),
        (["x"], UP, ["a", "b"], []),
        ([], UP, ["a", "b"], []),
    ],
)
def test_plan_absent(unwanted: list[str] | None, seen: Observed, groups: list[str], steps: list[str]) -> None:
    assert [str(step) for step in plan_absent(unwanted, seen, groups)] == steps


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (HostState(), "absent"),
        (STOPPED, "stopped"),
        (RUNNING, "running"),
        (FROZEN, "frozen"),
        (replace(RUNNING, answers=False), "not answering"),
        (replace(RUNNING, cut_off=True, answers=False), "cut off"),
        (replace(RUNNING, cpu_percent=20), "running, limited to 20 % of a core"),
    ],
)
def test_word(state: HostState, word: str) -> None:
    assert state.word == word
