# SPDX-License-Identifier: Apache-2.0
"""Who is new, when a new member has arrived, and what is said meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni import cluster as view
from ansible_collections.pgtier.cluster.plugins.module_utils.scale.join import (
    Seen,
    Watch,
    copying,
    newcomers,
    not_arrived,
    size,
)

LISTED = ["pg1", "pg2", "pg3", "pg4", "pg5"]


def member(name: str, role: str = "replica", state: str = "streaming", **more: Any) -> dict[str, Any]:
    return {"name": name, "role": role, "state": state, "timeline": 3, "lag": 0, **more}


LEADER = member("pg1", "leader", "running")
WHOLE = [LEADER, member("pg2"), member("pg3")]


def cluster(*members: dict[str, Any]) -> view.Cluster:
    return view.parse({"members": members})


@pytest.mark.parametrize(
    ("there", "asked", "expected"),
    [
        (WHOLE, "", ["pg4", "pg5"]),
        (WHOLE, "pg5", ["pg5"]),
        (WHOLE, "pg5, pg4,", ["pg4", "pg5"]),
        ([*WHOLE, member("pg4"), member("pg5")], "", []),
        ([*WHOLE, member("pg4")], "pg4", []),  # it is there already
        ([*WHOLE, member("pg4", state="creating replica")], "", ["pg4", "pg5"]),  # a run was interrupted
        ([*WHOLE, member("pg4", state="starting"), member("pg5", state="in archive recovery")], "", ["pg4", "pg5"]),
        ([LEADER, member("pg2", state="stopped"), member("pg3")], "pg4", ["pg4"]),
    ],
)
def test_newcomers(there: list[dict[str, Any]], asked: str, expected: list[str]) -> None:
    assert newcomers(LISTED, cluster(*there)["members"], asked) == expected


def test_a_host_that_is_not_listed_cannot_be_new() -> None:
    with pytest.raises(ValueError, match="new_hosts=pg4,pg9: pg9 is not in the group postgres of the inventory"):
        newcomers(LISTED, [], "pg4,pg9")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([member("pg2"), member("pg4")], "there is no leader"),
        (WHOLE, "pg4 has not joined the cluster"),
        ([*WHOLE, member("pg4", state="creating replica")], "pg4 is creating replica, not streaming"),
        ([*WHOLE, member("pg4", state="in archive recovery")], "pg4 is in archive recovery, not streaming"),
        ([*WHOLE, member("pg4", timeline=2)], "pg4 is on timeline 2, the leader on 3"),
        ([*WHOLE, member("pg4", lag="unknown")], "pg4 does not say yet how far behind it is"),
        ([*WHOLE, member("pg4", lag=2048)], "pg4 is 2.0 KiB behind"),
        ([*WHOLE, member("pg4", lag=1024)], ""),
        ([member("pg4", "leader", "running")], ""),  # a failover found it the best one
    ],
)
def test_not_arrived(members: list[dict[str, Any]], reason: str) -> None:
    assert not_arrived(cluster(*members), "pg4", 1024) == reason


def seen(state: str = "creating replica", phase: str = "", copied: int | None = None, lag: int | None = None) -> Seen:
    return Seen(reason="not yet", state=state, phase=phase, copied_bytes=copied, total_bytes=4 << 30, lag_bytes=lag)


def test_a_copy_is_told_with_percent_and_rate() -> None:
    watch = Watch(100, 0, 0)
    assert watch.look(seen(), 2) == "not yet"
    assert watch.look(seen(phase="streaming database files", copied=1 << 30), 4) == "copied 1.0 GiB of 4.0 GiB, 25 %"
    line = watch.look(seen(phase="streaming database files", copied=2 << 30), 8)
    assert line == "copied 2.0 GiB of 4.0 GiB, 50 %, 256.0 MiB/s"


def test_a_copy_may_be_larger_than_estimated() -> None:
    assert copying("", 5 << 30, 4 << 30, None) == "copied 5.0 GiB of 5.0 GiB, 100 %"
    assert copying("transferring wal files", 1536, None, None) == "transferring wal files: copied 1.5 KiB"
    assert size(1 << 40) == "1.0 TiB"


def test_stuck_is_who_makes_no_progress_of_any_kind() -> None:
    watch = Watch(100, 0, 0)
    for now, look in [
        (90, seen()),
        (180, seen(phase="streaming database files", copied=1)),
        (270, seen(phase="streaming database files", copied=2)),
        (360, seen("starting")),
        (450, seen("streaming", lag=9000)),
        (540, seen("streaming", lag=8000)),
    ]:
        watch.look(look, now)
        assert not watch.stuck(now), f"at {now}"
    watch.look(seen("streaming", lag=8500), 630)
    watch.look(seen("starting"), 639)  # back and forth is no progress
    assert not watch.stuck(639)
    assert watch.stuck(640)
