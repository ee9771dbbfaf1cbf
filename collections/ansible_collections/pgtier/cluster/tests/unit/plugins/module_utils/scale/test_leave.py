# SPDX-License-Identifier: Apache-2.0
"""Who may leave, from every state that a cluster can be in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni import cluster as view
from ansible_collections.pgtier.cluster.plugins.module_utils.scale.leave import RemovalRefusal, plan_removal


def member(name: str, role: str = "replica", state: str = "streaming") -> dict[str, Any]:
    return {"name": name, "role": role, "state": state, "timeline": 1, "lag": 0}


LEADER = member("pg1", "leader", "running")
ANALYTICS = {"nofailover": True, "nosync": True}


def planned(*names: str, **tags: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {"role": "analytics" if "nosync" in tags.get(name, {}) else "candidate", "tags": tags.get(name, {})}
        for name in names
    }


FOUR = planned("pg1", "pg2", "pg3", "pg4")
THREE = planned("pg1", "pg2", "pg3")


def remove(
    host: str,
    there: list[dict[str, Any]],
    members: dict[str, Any] = FOUR,
    point: str = "zero",
    chosen: bool = False,
    **answer: Any,
) -> Any:
    return plan_removal(host, view.parse({"members": there, **answer}), members, point, chosen)


WHOLE = [LEADER, member("pg2"), member("pg3"), member("pg4")]
DOWN = [LEADER, member("pg2"), member("pg3"), member("pg4", state="stopped")]


@pytest.mark.parametrize(
    ("host", "there", "members", "options", "works", "notes"),
    [
        ("pg4", WHOLE, FOUR, {}, True, []),
        ("pg4", DOWN, FOUR, {}, False, []),
        ("pg4", WHOLE[:3], FOUR, {}, False, []),  # it is gone already: a second run
        ("pg3", WHOLE[:3], THREE, {"point": "async"}, True, []),
        ("pg3", WHOLE[:3], THREE, {"chosen": True}, True, []),
        # Dead, and the cluster is poorer already: said, not refused.
        (
            "pg3",
            WHOLE[:2],
            THREE,
            {},
            False,
            ["recovery point zero needs 3 members that acknowledge commits; 2 are left"],
        ),
        # An analytics replica, or one that streams from another, acknowledges nothing.
        ("pg4", WHOLE, planned("pg1", "pg2", "pg3", "pg4", pg4=ANALYTICS), {}, True, []),
        ("pg4", WHOLE, planned("pg1", "pg2", "pg4", pg4={"replicatefrom": "pg2"}), {}, True, []),
        (
            "pg2",
            [LEADER, member("pg3"), member("pg4")],
            planned("pg1", "pg2", "pg3", "pg4", pg4={"replicatefrom": "pg2"}),
            {"point": "async"},
            False,
            ["pg4 streamed from pg2: change patroni_replicate_from there"],
        ),
    ],
)
def test_removal(
    host: str,
    there: list[dict[str, Any]],
    members: dict[str, Any],
    options: dict[str, Any],
    works: bool,
    notes: list[str],
) -> None:
    assert remove(host, there, members, **options) == {"works": works, "notes": notes}


@pytest.mark.parametrize(
    ("host", "there", "members", "options", "why"),
    [
        ("pg9", WHOLE, FOUR, {}, "host=pg9: is neither in the group postgres nor a member"),
        ("pg1", WHOLE, FOUR, {}, "pg1 is the leader: switch over first"),
        ("pg4", WHOLE[1:], FOUR, {}, "there is no leader"),
        ("pg4", WHOLE, FOUR, {"pause": True}, "Patroni is paused"),
        ("pg3", WHOLE[:3], THREE, {}, "without pg3 there are 2 members that acknowledge commits, 2 of them well"),
        ("pg2", WHOLE[:2], planned("pg1", "pg2"), {"chosen": True}, "without pg2 there are 1 members"),
        # Enough are listed, and too few of them work.
        ("pg2", [LEADER, member("pg2"), member("pg3", state="stopped")], FOUR, {}, "1 of them well (pg1)"),
        (
            "pg2",
            WHOLE,
            planned("pg1", "pg2", "pg3", "pg4", pg4={"replicatefrom": "pg2"}),
            {},
            "pg4 streams from pg2: change patroni_replicate_from there",
        ),
    ],
)
def test_removal_is_refused(
    host: str, there: list[dict[str, Any]], members: dict[str, Any], options: dict[str, Any], why: str
) -> None:
    with pytest.raises(RemovalRefusal, match=re.escape(why)):
        remove(host, there, members, **options)


def test_the_leader_is_told_by_its_whole_name() -> None:
    """pg1 leads, and pg10 is somebody else."""
    there = [LEADER, member("pg2"), member("pg3"), member("pg10")]
    assert remove("pg10", there, planned("pg1", "pg2", "pg3", "pg10"))["works"]
