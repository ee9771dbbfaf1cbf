# SPDX-License-Identifier: Apache-2.0
"""Whatever is away, the rest is told, and so is what is away."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.status.screen import render
from ansible_collections.pgtier.cluster.plugins.module_utils.status.summary import Status, summarise
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.plan.examples import GROUPS, plan

from . import answers

PLAN = plan()
Change = Callable[[dict[str, Any], dict[str, Any]], object]


def status(change: Change = lambda cluster, proxies: None, certificates: dict[str, Any] | None = None) -> Status:
    """Of a cluster that is well, but for what `change` does to its answers."""
    cluster = answers.cluster()
    proxies = {name: answers.proxy(PLAN) for name in ("proxy1", "proxy2")}
    change(cluster, proxies)
    return summarise(PLAN, [cluster], proxies, answers.certificates() if certificates is None else certificates)


def test_a_cluster_that_is_well() -> None:
    found = status()
    assert found["problems"] == []
    assert (found["leader"], found["timeline"], found["maintenance"]) == ("pg1", 3, False)
    assert found["asked_at"] == "2027-01-15T08:00:00Z"
    assert found["synchronous_standbys"] == ["pg2", "pg3"]
    assert [(row["name"], row["role"], row["lag_bytes"], row["lag_seconds"]) for row in found["members"]] == [
        ("pg1", "leader", None, None),
        ("pg2", "quorum_standby", 0, 0.0),
        ("pg3", "quorum_standby", 0, 0.0),
    ]
    assert [row["name"] for row in found["etcd"] if row["leads"]] == ["pg2"]
    leads = {row["name"]: row["leads_to"]["proxy1"] for row in found["endpoints"]}
    assert leads == {
        "primary": ["pg1"],
        "primary_session": ["pg1"],
        "replica": ["pg2", "pg3"],
        "replica_session": ["pg2", "pg3"],
        "primary_direct": ["pg1"],
        "replica_direct": ["pg2", "pg3"],
    }
    pool = found["pools"][0]
    assert (pool["endpoint"], pool["proxy"], pool["servers"], pool["saturation"]) == ("primary", "proxy1", 6, 0.1)
    # The console's own connection is no client.
    assert pool["clients_active"] == 3
    assert json.loads(json.dumps(found)) == found


def patroni(cluster: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster["patroni"]["members"][name]["body"]
    return found


def rows(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cluster["patroni"]["cluster"]["body"]["members"]
    return found


def silent(cluster: dict[str, Any], name: str) -> None:
    cluster["patroni"]["members"][name] = {"error": "timed out"}
    cluster["etcd"]["members"][name] = {"status": {"error": "timed out"}, "health": {"error": "timed out"}}


def no_leader(cluster: dict[str, Any], _proxies: object) -> None:
    patroni(cluster, "pg1").update(role="replica", state="stopped", xlog={})
    rows(cluster)[0].update(role="replica", state="stopped")


def dcs_down(cluster: dict[str, Any], _proxies: object) -> None:
    cluster["patroni"]["cluster"] = None
    for name in ("pg1", "pg2", "pg3"):
        patroni(cluster, name)["dcs_last_seen"] -= 40
        cluster["etcd"]["members"][name] = {"status": {"error": "refused"}, "health": {"error": "refused"}}
    cluster["etcd"]["listed"] = None


def many_wait(_cluster: object, proxies: dict[str, Any]) -> None:
    proxies["proxy2"]["pgbouncer"]["primary"]["pools"][0].update(sv_active=20, cl_waiting=7, maxwait=2, maxwait_us=500)


def leads(name: str, *members: str) -> Change:
    address = {member["name"]: member["address"] for member in PLAN["members"].values()}

    def change(_cluster: object, proxies: dict[str, Any]) -> None:
        proxies["proxy1"]["route"][name] = {"addresses": [address[one] for one in members]}

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (no_leader, "there is no leader"),
        (lambda c, p: patroni(c, "pg2").update(role="primary"), "more than one member says that it leads: pg1, pg2"),
        (lambda c, p: silent(c, "pg3"), "pg3: its Patroni does not answer: timed out"),
        (lambda c, p: silent(c, "pg3"), "etcd on pg3: timed out"),
        (dcs_down, "no member has the cluster's state from etcd"),
        (dcs_down, "pg1 has heard nothing from etcd for 41 s"),
        (dcs_down, "etcd has no quorum, 0 of 3 members are well"),
        (lambda c, p: patroni(c, "pg1").update(failsafe_mode_is_active=True), "pg1 goes on without etcd"),
        (lambda c, p: rows(c).pop(2), "pg3 is in the inventory and has not joined the cluster"),
        (lambda c, p: rows(c).append({"name": "old", "role": "replica"}), "old is a member of the cluster and not in"),
        (lambda c, p: patroni(c, "pg2").update(timeline=2), "pg2 is on timeline 2, the leader on 3"),
        (lambda c, p: patroni(c, "pg2").update(replication_state="in archive recovery"), "pg2 is in archive recovery"),
        (
            lambda c, p: c["patroni"]["members"]["pg2"].update(
                body=answers.replica(behind=4096, replayed="2027-01-15 07:59:30.000+00:00")
            ),
            "pg2 is 30 s behind the leader, more than 10 s",
        ),
        (
            lambda c, p: patroni(c, "pg1").update(
                pending_restart=True, pending_restart_reason={"max_connections": {"old_value": "1", "new_value": "2"}}
            ),
            "pg1 awaits a restart of PostgreSQL for: max_connections",
        ),
        (lambda c, p: c["patroni"]["cluster"]["body"].update(pause=True), "maintenance mode"),
        (
            lambda c, p: [one.update(role="replica") for one in rows(c)[1:]],
            "no member vouches for the leader's commits",
        ),
        (
            lambda c, p: c["etcd"]["listed"]["body"]["members"].append({"name": "gone"}),
            "etcd counts gone as a member, which the inventory does not have",
        ),
        (
            lambda c, p: c["etcd"]["members"]["pg1"]["status"]["body"].update(errors=["alarm:NOSPACE"]),
            "etcd on pg1: alarm:NOSPACE",
        ),
        (
            lambda c, p: p.update(proxy2={"unreachable": True, "msg": "No route\nto host"}),
            "proxy2 cannot be reached: No route to host",
        ),
        (lambda c, p: p["proxy1"]["haproxy"].update(error="refused"), "proxy1: HAProxy does not answer: refused"),
        (
            lambda c, p: p["proxy1"]["route"].update({"replica.pgtier": {"error": "refused"}}),
            "proxy1: the route of replica.pgtier does not answer: refused",
        ),
        (
            lambda c, p: p["proxy1"]["route"].update({"primary.pgtier": {"held": True}}),
            "primary on proxy1 leads to nobody",
        ),
        (leads("primary.pgtier", "pg2"), "primary on proxy1 leads to pg2, and the leader is pg1"),
        (leads("replica.pgtier", "pg1"), "replica on proxy1 leads to the primary: no replica is fit"),
        (leads("replica.pgtier", "pg2"), "replica on proxy1 does not lead to pg3"),
        (
            lambda c, p: p["proxy1"]["haproxy"]["backends"]["replica"].update(pg2="DRAIN"),
            "replica_direct on proxy1 does not lead to pg2",
        ),
        (
            lambda c, p: p["proxy1"]["pgbouncer"].update(replica={"error": "no socket"}),
            "replica on proxy1: PgBouncer does not answer: replica: no socket",
        ),
        (
            lambda c, p: p["proxy1"]["pgbouncer"]["primary"]["state"].update(paused="yes"),
            "primary on proxy1 is paused",
        ),
        (
            lambda c, p: p["proxy1"]["pgbouncer"]["primary"]["databases"][0].update(paused=1),
            "primary on proxy1 is paused",
        ),
        (many_wait, "primary on proxy2: 7 clients wait and a pool is full"),
    ],
)
def test_what_is_wrong_is_told_and_shown(change: Change, expected: str) -> None:
    found = status(change)
    assert [problem for problem in found["problems"] if problem.startswith(expected)], found["problems"]
    assert expected in render(found)


def test_what_awaits_care_does_not_keep_from_maintenance() -> None:
    def change(cluster: dict[str, Any], proxies: dict[str, Any]) -> None:
        patroni(cluster, "pg1").update(pending_restart=True)
        many_wait(cluster, proxies)

    found = status(change, certificates={**answers.certificates(), "stage": "begun"})
    assert len(found["problems"]) == 3 and found["blocking"] == []
    assert status(no_leader)["blocking"] != []


def test_a_member_that_leads_says_so_before_the_dcs_does() -> None:
    def change(cluster: dict[str, Any], _proxies: object) -> None:
        cluster["patroni"]["members"] |= {"pg1": {"error": "refused"}, "pg2": answers.said(answers.primary())}

    found = {row["name"]: (row["role"], row["answers"]) for row in status(change)["members"]}
    assert found["pg2"] == ("leader", True)
    assert found["pg1"] == ("leader", False)  # as the DCS has it still


def test_lag_in_seconds_is_unknown_without_the_leader_or_a_commit() -> None:
    def change(cluster: dict[str, Any], _proxies: object) -> None:
        silent(cluster, "pg1")

    assert [row["lag_seconds"] for row in status(change)["members"]] == [None, None, None]
    never = answers.said({**answers.replica(behind=10), "xlog": {"replayed_location": answers.WRITTEN - 10}})
    found = status(lambda cluster, proxies: cluster["patroni"]["members"].update(pg2=never))
    assert [(row["lag_bytes"], row["lag_seconds"]) for row in found["members"]][1] == (10, None)


def test_nothing_answers_and_the_certificates_are_told_all_the_same() -> None:
    away = {"unreachable": True, "msg": "No route to host", "host": "pg1"}
    found = summarise(PLAN, [away, {**away, "host": "pg2"}], {"proxy1": {}}, answers.certificates())
    assert found["problems"][:3] == [
        "pg1 cannot be reached: No route to host",
        "pg2 cannot be reached: No route to host",
        "no host could be asked about the cluster: see that one of the members can be reached by ssh",
    ]
    assert "proxy1 cannot be reached: it was not asked" in found["problems"]
    assert (found["leader"], found["asked_from"], found["pools"]) == (None, None, [])
    assert "that of host pg1, in 364 days" in render(found)


def test_from_a_proxy_etcd_cannot_be_asked() -> None:
    def change(cluster: dict[str, Any], _proxies: object) -> None:
        cluster |= {"host": "proxy1", "etcd": {"error": "there is no certificate"}}

    found = status(change)
    assert found["leader"] == "pg1"
    # Nobody asked, so nobody knows about its quorum.
    assert found["problems"] == ["etcd could not be asked: there is no certificate"]
    assert [row["name"] for row in found["etcd"]] == ["pg1", "pg2", "pg3"]


def test_certificates() -> None:
    assert "in 364 days" in render(status())
    broken = status(certificates={"failed": True, "msg": "others may read the key"})
    assert broken["problems"] == ["the certificates cannot be read: others may read the key"]
    turning = status(certificates={**answers.certificates(), "stage": "begun", "problems": ["pg1 expires"]})
    assert turning["problems"] == ["pg1 expires", "a rotation of the certificate authority is under way: it is begun"]
    assert status(certificates={})["problems"] == []


def test_the_processes_of_an_endpoint_are_one_row() -> None:
    several = plan(pgbouncer_processes=2)
    proxies = {"proxy1": answers.proxy(several), "proxy2": answers.proxy(several)}
    found = summarise(several, [answers.cluster()], proxies, {})
    assert [(row["endpoint"], row["proxy"], row["clients_active"]) for row in found["pools"]][:2] == [
        ("primary", "proxy1", 6),
        ("primary", "proxy2", 6),
    ]


def test_reports_have_their_own_replica() -> None:
    groups = {**GROUPS, "postgres": (*GROUPS["postgres"], "pg4")}
    own = plan(groups, {"pg4": {"patroni_role": "analytics"}})
    proxy = answers.proxy(own)
    proxy["haproxy"]["backends"]["analytics"] = {"pg4": "UP"}
    cluster = answers.cluster()
    cluster["patroni"]["members"]["pg4"] = answers.said({**answers.replica(), "tags": {"nosync": True}})
    cluster["patroni"]["cluster"]["body"]["members"].append(
        {"name": "pg4", "role": "replica", "state": "streaming", "timeline": 3, "lag": 0}
    )
    found = summarise(own, [cluster], {"proxy1": proxy, "proxy2": proxy}, {})
    assert found["problems"] == []
    assert {row["name"]: row["leads_to"]["proxy1"] for row in found["endpoints"]}["analytics"] == ["pg4"]


def test_the_screen() -> None:
    lines = render(status()).splitlines()
    assert lines[0] == "Cluster main, asked from pg1 at 2027-01-15T08:00:00Z"
    assert lines[1] == "  leader pg1, timeline 3; commits are vouched for by one of pg2, pg3; automatic failover"
    assert "Nothing needs care" in lines
    assert "replica          6442  transaction  pg2, pg3" in lines
    assert "primary          proxy1  3        0        0.0         6        2     10%" in lines
    assert max(len(line) for line in lines) <= 120
    assert len(lines) < 50

    def differ(_cluster: object, proxies: dict[str, Any]) -> None:
        proxies["proxy2"]["route"]["replica.pgtier"] = {"error": "refused"}

    assert (
        "replica          6442  transaction  proxy1: pg2, pg3; proxy2: the route does not answer"
        in render(status(differ)).splitlines()
    )
