from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.choice import (
    Limits,
    Refused,
    Switchover,
    Transaction,
    against_pause,
    choose,
    transactions,
)
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.cluster import Cluster, parse

LIMITS = Limits(lag_bytes=1000, transaction_seconds=5)
QUORUM = {"synchronous_mode": "quorum"}


def member(name: str, role: str = "quorum_standby", **other: Any) -> dict[str, Any]:
    state = "running" if role == "leader" else "streaming"
    return {"name": name, "role": role, "state": state, "timeline": 3, "lag": 0, **other}


def cluster(*members: dict[str, Any], **other: Any) -> Cluster:
    return parse({"members": [member("pg1", "leader"), *members], **other})


BOTH = (member("pg2"), member("pg3"))


@pytest.mark.parametrize(
    ("seen", "candidate", "expected"),
    [
        (cluster(*BOTH), "pg3", Switchover("pg1", "pg3", True)),
        (cluster(*BOTH), None, Switchover("pg1", "pg2", True, ("pg2", "pg3"))),
        (
            cluster(member("pg2", lag=900), member("pg3", lag=10)),
            None,
            Switchover("pg1", "pg3", True, ("pg2", "pg3")),
        ),
        (cluster(member("pg2", state="starting"), member("pg3")), None, Switchover("pg1", "pg3", True)),
        # Patroni cannot take it either.
        (
            cluster(member("pg2", tags={"nofailover": True}), member("pg3")),
            None,
            Switchover("pg1", "pg3", True, ("pg3",)),
        ),
        (cluster(member("pg2", "replica"), member("pg3")), None, Switchover("pg1", "pg3", True)),
        # The step has happened already, whatever else is the case now.
        (cluster(*BOTH), "pg1", Switchover("pg1", "pg1", False)),
        (cluster(member("pg2", state="stopped"), pause=True), "pg1", Switchover("pg1", "pg1", False)),
    ],
    ids=[
        "named",
        "first",
        "least behind",
        "one half-joined",
        "one nofailover",
        "one not in the quorum",
        "leads",
        "leads, unwell",
    ],
)
def test_choose(seen: Cluster, candidate: str | None, expected: Switchover) -> None:
    assert choose(seen, QUORUM, candidate, LIMITS) == expected


@pytest.mark.parametrize(
    ("seen", "candidate", "said"),
    [
        (parse({"members": list(BOTH)}), "pg2", ["has no leader"]),
        (parse({"members": []}), None, ["has no leader"]),
        (cluster(member("pg2", "leader"), member("pg3")), "pg3", ["pg1 and pg2 both say that they lead"]),
        (cluster(*BOTH), "pg9", ["pg9 is no member of the cluster; members beside the leader pg1: pg2, pg3"]),
        (cluster(), "pg9", ["members beside the leader pg1: none"]),
        (cluster(), None, ["no member can take over from pg1 (it is alone)"]),
        (cluster(member("pg2", tags={"nofailover": True, "nosync": True})), "pg2", ["tagged nofailover"]),
        (cluster(member("pg2", tags={"failover_priority": 0})), "pg2", ["tagged nofailover"]),
        (cluster(member("pg2", state="creating replica", lag="unknown")), "pg2", ["creating replica and not"]),
        (cluster(member("pg2", state="")), "pg2", ["silent and not streaming"]),
        (cluster(member("pg2", timeline=2)), "pg2", ["timeline 2 and the leader on 3"]),
        (cluster(member("pg2", lag="unknown")), "pg2", ["nobody knows how far"]),
        (cluster(member("pg2", lag=1001)), "pg2", ["1001 bytes behind, and 1000 are allowed"]),
        (cluster(member("pg2", "replica")), "pg2", ["not among those that vouch"]),
        (cluster(*BOTH, pause=True), "pg2", ["playbooks/resume.yml"]),
        (cluster(*BOTH, scheduled_switchover={"at": "noon", "from": "pg1"}), "pg2", ["is scheduled"]),
        (cluster(member("pg2", lag=5000), pause=True), "pg2", ["maintenance", "5000 bytes behind"]),
        (cluster(member("pg2", lag=5000), member("pg3", state="stopped")), None, ["pg2: it is 5000", "pg3: it is st"]),
    ],
)  # fmt: skip
def test_refused_with_every_reason(seen: Cluster, candidate: str | None, said: list[str]) -> None:
    with pytest.raises(Refused) as refused:
        choose(seen, QUORUM, candidate, LIMITS)
    assert [part for part in said if part not in str(refused.value)] == []


def test_without_synchronous_mode_nobody_has_to_vouch() -> None:
    assert choose(cluster(member("pg2", "replica")), {}, "pg2", LIMITS).needed


ACTIVITY = [
    {"pid": 11, "user": "app", "database": "app", "address": "10.0.0.4", "application": "web", "age_seconds": 70.2},
    {"pid": 12, "user": "app", "database": "app", "address": "10.0.0.4", "application": "", "age_seconds": 1.0},
    {"pid": 13, "user": "app", "database": "app", "address": "10.0.0.4", "application": "", "age_seconds": None},
    {"pid": 99, "user": "app", "database": "app", "address": "10.0.0.4", "application": "report", "age_seconds": 900.0},
]
SERVERS = [
    {"remote_pid": "11", "client": "10.9.9.9:4711"},
    {"remote_pid": "12", "client": ""},
    {"remote_pid": "13", "client": ""},
    {"remote_pid": "", "client": ""},  # a login in progress
]


def test_transactions_of_the_pools_are_told_from_those_of_sessions() -> None:
    inside, outside = transactions(SERVERS, ACTIVITY)
    assert [(one.pid, one.client) for one in inside] == [(11, "10.9.9.9:4711"), (12, "an unknown address")]
    assert [row["pid"] for row in outside] == [99]


def test_a_long_transaction_and_a_pause_are_named() -> None:
    inside, _others = transactions(SERVERS, ACTIVITY)
    paused, long = against_pause(["proxy1/primary"], inside, LIMITS)
    assert "proxy1/primary" in paused
    assert "pid 11 of app in app from 10.9.9.9:4711, web, 70 s old" in long and "pid 12" not in long
    assert against_pause([], [Transaction(1, "a", "a", 5.0, "", "")], LIMITS) == []
