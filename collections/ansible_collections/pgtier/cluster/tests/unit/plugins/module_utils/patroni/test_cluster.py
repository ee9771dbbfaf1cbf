from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.cluster import (
    not_ready,
    parse,
    pending_restarts,
    synchronous_mode,
)


def member(name: str, role: str = "quorum_standby", state: str = "streaming", **more: Any) -> dict[str, Any]:
    url = f"http://10.0.0.{name[-1]}:8008/patroni"
    return {"name": name, "role": role, "state": state, "api_url": url, "timeline": 3, **more}


LEADER = member("pg1", "leader", "running")
WHOLE = [LEADER, member("pg2"), member("pg3")]
ALL = ["pg1", "pg2", "pg3"]
QUORUM = {"synchronous_mode": "quorum"}

READINESS: dict[str, tuple[list[dict[str, Any]], list[str], dict[str, Any], list[str]]] = {
    # name: (members, expected, configuration, reasons)
    "whole": (WHOLE, ALL, QUORUM, []),
    "nobody": ([], ALL, QUORUM, ["there is no leader"]),
    "no leader": ([member("pg2", "replica")], ALL, QUORUM, ["there is no leader"]),
    "the leader starts": ([member("pg1", "leader", "starting")], [], {}, ["pg1 is starting, not running"]),
    "a leader alone, none expected": ([LEADER], [], QUORUM, []),
    "a leader alone, itself expected": ([LEADER], ["pg1"], QUORUM, []),
    "all reasons at once": (
        [LEADER, member("pg2", "replica", "creating replica")],
        ALL,
        {},
        ["pg2 is creating replica, not streaming", "pg3 has not joined the cluster"],
    ),
    "runs but does not stream": (
        [LEADER, member("pg2", state="running")],
        ["pg2"],
        {},
        ["pg2 is running, not streaming"],
    ),
    "no state at all": ([LEADER, member("pg2", state="")], ["pg2"], {}, ["pg2 is silent, not streaming"]),
    "left behind on its timeline": (
        [LEADER, member("pg2", timeline=2)],
        ["pg2"],
        {},
        ["pg2 is on timeline 2, the leader on 3"],
    ),
    "streams, but not yet synchronous": (
        [LEADER, member("pg2", "replica"), member("pg3", "replica")],
        ALL,
        QUORUM,
        ["0 of 1 synchronous standbys"],
    ),
    "asynchronous on purpose": ([LEADER, member("pg2", "replica")], ["pg1", "pg2"], {"synchronous_mode": False}, []),
    "fewer synchronous standbys than asked for": (
        [LEADER, member("pg2", "sync_standby"), member("pg3", "replica")],
        ALL,
        {"synchronous_mode": "on", "synchronous_node_count": 2},
        ["1 of 2 synchronous standbys"],
    ),
    "no more than can be had": (
        [LEADER, member("pg2", "sync_standby"), member("pg3", "replica", tags={"nosync": True})],
        ALL,
        {"synchronous_mode": "on", "synchronous_node_count": 2},
        [],
    ),
    "members nobody asked for do not count": ([*WHOLE, member("pg4", state="stopped")], ALL, QUORUM, []),
    "a standby cluster": ([member("pg1", "standby_leader", "streaming")], ["pg1"], {}, []),
    "a standby cluster without its source": (
        [member("pg1", "standby_leader", "stopped")],
        ["pg1"],
        {},
        ["pg1 is stopped, not streaming"],
    ),
}


@pytest.mark.parametrize(("members", "expected", "config", "reasons"), READINESS.values(), ids=READINESS)
def test_not_ready(
    members: list[dict[str, Any]], expected: list[str], config: dict[str, Any], reasons: list[str]
) -> None:
    assert not_ready(parse({"members": members}), expected, config) == reasons


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        (None, "off"),
        (False, "off"),
        ("off", "off"),
        (True, "on"),
        ("on", "on"),
        ("quorum", "quorum"),
        ("Quorum", "quorum"),
    ],
)
def test_synchronous_mode(value: Any, mode: str) -> None:
    assert synchronous_mode({} if value is None else {"synchronous_mode": value}) == mode


def test_parse() -> None:
    reason = {"max_connections": {"old_value": "100", "new_value": "300"}}
    cluster = parse(
        {
            "scope": "main",
            "pause": True,
            "scheduled_switchover": {"at": "2030-01-01T00:00:00+00:00", "from": "pg1"},
            "members": [
                {**LEADER, "host": "10.0.0.1", "port": 5432, "pending_restart": True, "pending_restart_reason": reason},
                member("pg2", lag=16),
                {**member("pg3", "replica", "stopped", lag="unknown"), "api_url": None},
            ],
        }
    )
    assert (cluster["scope"], cluster["leader"], cluster["timeline"], cluster["paused"]) == ("main", "pg1", 3, True)
    assert cluster["synchronous_standbys"] == ["pg2"]
    assert cluster["scheduled_switchover"] == {"at": "2030-01-01T00:00:00+00:00", "from": "pg1"}
    assert [one["lag_bytes"] for one in cluster["members"]] == [None, 16, None]
    assert [one["api_url"] for one in cluster["members"]] == ["http://10.0.0.1:8008", "http://10.0.0.2:8008", ""]
    assert pending_restarts(cluster["members"]) == [{"member": "pg1", "parameters": reason}]
