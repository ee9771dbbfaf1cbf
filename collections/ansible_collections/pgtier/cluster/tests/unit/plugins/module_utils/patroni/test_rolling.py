from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.choice import Refused
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.cluster import Cluster, parse
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.rolling import against_reinit, order


def member(name: str, pending: bool = False, **other: Any) -> dict[str, Any]:
    role, state = ("leader", "running") if name == "pg2" else ("quorum_standby", "streaming")
    return {"name": name, "role": role, "state": state, "timeline": 1, "pending_restart": pending, **other}


def cluster(*pending: str, **other: Any) -> Cluster:
    return parse({"members": [member(name, name in pending) for name in ("pg3", "pg2", "pg1")], **other})


@pytest.mark.parametrize(
    ("seen", "hosts", "everything", "replicas", "leader"),
    [
        (cluster(), [], False, [], None),
        (cluster(), [], True, ["pg1", "pg3"], "pg2"),
        (cluster("pg3", "pg2"), [], False, ["pg3"], "pg2"),
        (cluster("pg2"), [], False, [], "pg2"),
        (cluster("pg1", "pg2"), ["pg1", "pg3"], False, ["pg1"], None),
        (cluster(), ["pg2"], True, [], "pg2"),
        # Nothing to do is nothing to refuse.
        (cluster(pause=True), [], False, [], None),
        (parse({"members": [member("pg2"), member("pg1", state="stopped")]}), [], False, [], None),
    ],
)
def test_order(seen: Cluster, hosts: list[str], everything: bool, replicas: list[str], leader: str | None) -> None:
    assert order(seen, hosts, everything) == {"replicas": replicas, "leader": leader}


@pytest.mark.parametrize(
    ("seen", "hosts", "said"),
    [
        (parse({"members": [member("pg1", True)]}), [], "no leader"),
        (parse({"members": []}), [], "no leader"),
        (cluster(), ["pg9"], "no member of the cluster: pg9; members are pg1, pg2, pg3"),
        (cluster("pg1", pause=True), [], "playbooks/resume.yml"),
        (parse({"members": [member("pg2"), member("pg1", True), member("pg3", state="creating replica")]}), [],
         "pg3 is creating replica"),
        (parse({"members": [member("pg2"), member("pg1", True), member("pg3", state="")]}), [], "pg3 is silent"),
    ],
)  # fmt: skip
def test_order_is_refused(seen: Cluster, hosts: list[str], said: str) -> None:
    with pytest.raises(Refused, match=said):
        order(seen, hosts, everything=False)


@pytest.mark.parametrize(
    ("seen", "name", "said"),
    [
        (parse({"members": [member("pg1")]}), "pg1", "no leader to copy from"),
        (cluster(), "pg9", "no member of the cluster; members are pg1, pg2, pg3"),
        (cluster(), "pg2", "pg2 is the leader"),
        (cluster(pause=True), "pg1", "maintenance"),
    ],
)
def test_reinit_is_refused(seen: Cluster, name: str, said: str) -> None:
    (reason,) = against_reinit(seen, name)
    assert said in reason


def test_reinit_of_a_replica_whatever_it_is_like() -> None:
    """A broken replica is what it is for."""
    assert against_reinit(parse({"members": [member("pg2"), member("pg1", state="start failed")]}), "pg1") == []
