# SPDX-License-Identifier: Apache-2.0
"""etcd's membership: what has to be done to join or leave it, from what is there. Pure.

A new member comes as a learner: it has no vote until it has caught up, so that it can cost nobody the quorum. Each
plan is made from what is, so a run that was interrupted anywhere is finished by the next.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Step = Literal["set_aside", "add", "start", "promote"]


class EtcdRefusal(ValueError):
    """It is not done; the text says why and what to do."""


@dataclass(frozen=True)
class EtcdMember:
    """`name` is empty until the member has started for the first time."""

    id: int
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    learner: bool

    @property
    def hex_id(self) -> str:
        return format(self.id, "x")


def parse_members(answer: Mapping[str, Any]) -> list[EtcdMember]:
    """What `etcdctl member list --write-out=json` says."""
    return [
        EtcdMember(
            id=row["ID"],
            name=row.get("name", ""),
            peer_urls=tuple(row.get("peerURLs", ())),
            client_urls=tuple(row.get("clientURLs", ())),
            learner=bool(row.get("isLearner", False)),
        )
        for row in answer.get("members", ())
    ]


def own(members: Sequence[EtcdMember], peer_url: str) -> EtcdMember | None:
    return next((member for member in members if peer_url in member.peer_urls), None)


def plan_join(members: Sequence[EtcdMember], name: str, peer_url: str, has_data: bool) -> list[Step]:
    """The steps that are left. Empty if the host is a member with a vote: starting it then is its role's business."""
    mine = own(members, peer_url)
    if mine is None:
        if namesake := next((member for member in members if member.name == name), None):
            raise EtcdRefusal(
                f"etcd has a member {name} at {', '.join(namesake.peer_urls)}, and this host is at {peer_url}: "
                f"remove the old one first (playbooks/remove_replica.yml), or give this host another name"
            )
        if learner := next((member for member in members if member.learner), None):
            raise EtcdRefusal(
                f"etcd takes one learner at a time, and {learner.name or learner.peer_urls[0]} is one: finish "
                "that one's "
                "joining first, by running this playbook for it, or remove it"
            )
        # Data of a member that was, or of a cluster that never was: a new member must begin without.
        joining: list[Step] = ["add", "start", "promote"]
        return ["set_aside", *joining] if has_data else joining
    if mine.name and not has_data:
        # It has voted, and would vote again without a memory of it: that can lose what a quorum has agreed on.
        raise EtcdRefusal(
            f"etcd knows {name} as a member with data, and this host has none: it was made anew. Remove the member "
            f"first (playbooks/remove_replica.yml -e host={name}), then run this again"
        )
    if mine.learner:
        return ["start", "promote"]
    return [] if mine.name else ["start"]


def initial_cluster(members: Sequence[EtcdMember], name: str, peer_url: str) -> str:
    """ETCD_INITIAL_CLUSTER for a member that joins: everybody by their names, itself by the name that it will have."""
    return ",".join(
        f"{name if peer_url in member.peer_urls else member.name}={url}"
        for member in members
        for url in member.peer_urls
    )


def plan_leave(
    members: Sequence[EtcdMember], name: str, peer_url: str, healthy: Collection[str]
) -> tuple[EtcdMember | None, str]:
    """Who is to be removed, if anybody, and what to know about it. `healthy` are the client URLs that answer.

    Raises EtcdRefusal where the members that stay would have no quorum, and where one that works is to be taken away
    that the others cannot do without.
    """
    mine = own(members, peer_url) or next((member for member in members if member.name == name), None)
    if mine is None:
        return None, ""
    stay = [member for member in members if member is not mine and not member.learner]
    if mine.learner:
        return mine, ""
    well = [member for member in stay if set(healthy) & set(member.client_urls)]
    quorum = len(stay) // 2 + 1
    if len(well) < quorum:
        silent = ", ".join(member.name for member in stay if member not in well) or "none"
        raise EtcdRefusal(
            f"without {name} etcd would have {len(stay)} members, of which {len(well)} answer and {quorum} are "
            "needed for a "
            f"quorum (silent: {silent}). Bring those back first, or add members with playbooks/add_replica.yml"
        )
    if len(well) == quorum:
        if set(healthy) & set(mine.client_urls):
            raise EtcdRefusal(
                f"without {name} etcd would have {len(stay)} members and survive the loss of none, where it now "
                "survives one. "
                "Add members first (playbooks/add_replica.yml takes two at once); to replace this host, stop it first"
            )
        return mine, f"etcd has {len(stay)} members and survives the loss of none until another one is added"
    return mine, ""
