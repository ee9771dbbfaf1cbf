# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.status.screen import render
from ansible_collections.pgtier.cluster.plugins.module_utils.status.summary import Status, summarise
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.plan.examples import plan

from . import answers

PLAN = plan(keepalived_address="10.0.0.20")
HAS, HAS_NOT = {"here": True, "weight": 10}, {"here": False, "weight": 0}


def status(**said: dict[str, Any]) -> Status:
    """Of a cluster that is well, with what its proxies say about the address."""
    proxies = {name: answers.proxy(PLAN) | {"virtual_address": found} for name, found in said.items()}
    return summarise(PLAN, [answers.cluster()], proxies, answers.certificates())


def test_it_is_on_one_proxy() -> None:
    found = status(proxy1=HAS, proxy2=HAS_NOT)
    assert found["problems"] == []
    assert found["virtual_address"] == {
        "address": "10.0.0.20",
        "on": ["proxy1"],
        "weights": {"proxy1": 10, "proxy2": 0},
    }
    assert "\nVirtual address 10.0.0.20: on proxy1\n" in render(found)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"proxy1": HAS, "proxy2": HAS}, "the virtual address 10.0.0.20 is on proxy1 and proxy2"),
        ({"proxy1": HAS_NOT, "proxy2": HAS_NOT}, "no proxy has the virtual address 10.0.0.20"),
    ],
)
def test_on_none_or_on_two_is_no_time_to_take_anything_away(said: dict[str, Any], problem: str) -> None:
    found = status(**said)
    assert [text.startswith(problem) for text in found["blocking"]] == [True]


def test_one_proxy_alone_cannot_say_that_nobody_has_it() -> None:
    assert status(proxy2=HAS_NOT)["problems"] == []


@pytest.mark.parametrize(
    ("weight", "problem"), [(-30, "proxy2 is not fit for the virtual address"), (None, "proxy2 does not say")]
)
def test_a_proxy_that_could_not_have_it_is_told_of(weight: int | None, problem: str) -> None:
    found = status(proxy1=HAS, proxy2={"here": False, "weight": weight})
    assert found["blocking"] == []
    assert [text.startswith(problem) for text in found["problems"]] == [True]
