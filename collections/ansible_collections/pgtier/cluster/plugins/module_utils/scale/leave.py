# SPDX-License-Identifier: Apache-2.0
"""Whether a member may leave: what it is now, what the others are without it, and what was promised. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

# As the plan has it: fewer candidates are enough only where the user has said so.
CANDIDATES_FOR_ZERO = 3
CANDIDATES_AT_LEAST = 2
_UP = ("running", "streaming")


class Removal(TypedDict):
    """`works` says whether the member was there and well. `notes` are what a reader should know afterwards."""

    works: bool
    notes: list[str]


class RemovalRefusal(ValueError):
    """It is not done; the text says why and what to do."""


def plan_removal(
    host: str,
    cluster: Mapping[str, Any],
    members: Mapping[str, Mapping[str, Any]],
    recovery_point: str,
    recovery_point_chosen: bool,
) -> Removal:
    """`cluster` is what patroni_info says. `members` are the plan's, with the host unless it has been taken out of
    the inventory already.

    What is refused would take something away from the cluster that it has: its leader, the stream of another member,
    the promise that no commit is lost. A member that is down gives none of these, so removing it takes none away.
    """
    here = {member["name"]: member for member in cluster["members"]}
    if host not in members and host not in here:
        raise RemovalRefusal(
            f"host={host}: is neither in the group postgres nor a member of the cluster; see the spelling"
        )
    if cluster["leader"] is None:
        raise RemovalRefusal("there is no leader: wait for the failover, or mend what keeps it from happening")
    if host == cluster["leader"]:
        raise RemovalRefusal(f"{host} is the leader: switch over first (playbooks/switchover.yml)")
    if cluster["paused"]:
        raise RemovalRefusal(
            "Patroni is paused, and would leave PostgreSQL running: resume it first (playbooks/resume.yml)"
        )
    works = host in here and here[host]["state"] in _UP
    followers = sorted(name for name, one in members.items() if one["tags"].get("replicatefrom") == host)
    notes = []
    if followers and works:
        raise RemovalRefusal(
            f"{', '.join(followers)} streams from {host}: change patroni_replicate_from there, run site.yml, then this"
        )
    if followers:
        notes.append(f"{', '.join(followers)} streamed from {host}: change patroni_replicate_from there")
    if recovery_point == "zero" and host in members and _acknowledges(members[host]):
        stay = [name for name, one in members.items() if name != host and _acknowledges(one)]
        needed = CANDIDATES_AT_LEAST if recovery_point_chosen else CANDIDATES_FOR_ZERO
        well = [name for name in stay if name in here and here[name]["state"] in _UP]
        if works and (len(stay) < needed or len(well) < CANDIDATES_AT_LEAST):
            raise RemovalRefusal(
                f"no commit is to be lost (recovery point zero): without {host} there are {len(stay)} members that "
                f"acknowledge commits, {len(well)} of them well ({', '.join(well)}), where {needed} are needed. "
                "Add one first (playbooks/add_replica.yml), or set patroni_recovery_point to what is to be promised"
            )
        if len(stay) < needed:
            notes.append(f"recovery point zero needs {needed} members that acknowledge commits; {len(stay)} are left")
    return Removal(works=works, notes=notes)


def _acknowledges(member: Mapping[str, Any]) -> bool:
    return member["role"] == "candidate" and "replicatefrom" not in member["tags"]
