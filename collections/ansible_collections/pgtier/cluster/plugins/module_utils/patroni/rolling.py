"""What is restarted, in which order, and what speaks against it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.choice import Refused
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.cluster import Cluster, Member

_UP = ("running", "streaming")


class Order(TypedDict):
    """`replicas` one after the other; then the leader, if it is to be restarted, once another one leads."""

    replicas: list[str]
    leader: str | None


def order(cluster: Cluster, hosts: Sequence[str], everything: bool) -> Order:
    """Replicas first, in the order of their names, the leader last. `hosts` confines it, `everything` also takes those
    that await no restart. Raises Refused."""
    members = {member["name"]: member for member in cluster["members"]}
    leader = cluster["leader"]
    reasons = []
    if leader is None:
        reasons.append("the cluster has no leader; see `patronictl list` and why nobody leads")
    if unknown := [name for name in hosts if name not in members]:
        reasons.append(f"no member of the cluster: {', '.join(unknown)}; members are {', '.join(sorted(members))}")
    chosen = sorted(
        name
        for name, member in members.items()
        if (not hosts or name in hosts) and (everything or member["pending_restart"])
    )
    # A member that is down leaves fewer to do the work of the one that restarts. One that is to be restarted may be.
    down = [f"{name} is {member['state'] or 'silent'}" for name, member in sorted(members.items()) if not _up(member)]
    if chosen and down:
        reasons.append(
            f"{'; '.join(down)}: mend that first, for the others would have to do without one more meanwhile"
        )
    if chosen and cluster["paused"]:
        reasons.append("the cluster is in maintenance mode; end it with playbooks/resume.yml first")
    if reasons:
        raise Refused(reasons)
    return {"replicas": [name for name in chosen if name != leader], "leader": leader if leader in chosen else None}


def against_reinit(cluster: Cluster, name: str) -> list[str]:
    """Why a member cannot be made from scratch."""
    members = {member["name"]: member for member in cluster["members"]}
    if cluster["leader"] is None:
        return ["the cluster has no leader to copy from; see `patronictl list` and why nobody leads"]
    if name not in members:
        return [f"{name} is no member of the cluster; members are {', '.join(sorted(members))}"]
    if name == cluster["leader"]:
        return [
            f"{name} is the leader, and what it has would be gone; hand over to another member with "
            "playbooks/switchover.yml first"
        ]
    if cluster["paused"]:
        return ["the cluster is in maintenance mode; end it with playbooks/resume.yml first"]
    return []


def _up(member: Member) -> bool:
    return member["state"] in _UP
