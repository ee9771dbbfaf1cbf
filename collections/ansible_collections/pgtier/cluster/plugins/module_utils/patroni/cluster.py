"""What GET /cluster says, in one typed shape, and the questions asked of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

_LEADERS = ("leader", "standby_leader")
_SYNCHRONOUS = ("sync_standby", "quorum_standby")


class Member(TypedDict):
    name: str
    role: str
    state: str
    host: str | None
    port: int | None
    api_url: str
    timeline: int | None
    lag_bytes: int | None
    tags: dict[str, Any]
    pending_restart: bool
    pending_restart_parameters: dict[str, dict[str, str]]


class Cluster(TypedDict):
    scope: str | None
    leader: str | None
    timeline: int | None
    paused: bool
    synchronous_standbys: list[str]
    scheduled_switchover: dict[str, str] | None
    members: list[Member]


def parse(answer: Mapping[str, Any]) -> Cluster:
    members = [_member(raw) for raw in answer.get("members", [])]
    leader = next((member for member in members if member["role"] in _LEADERS), None)
    return {
        "scope": answer.get("scope"),
        "leader": leader["name"] if leader else None,
        "timeline": leader["timeline"] if leader else None,
        "paused": bool(answer.get("pause", False)),
        "synchronous_standbys": [member["name"] for member in members if member["role"] in _SYNCHRONOUS],
        "scheduled_switchover": answer.get("scheduled_switchover"),
        "members": members,
    }


def not_ready(cluster: Cluster, expected: Iterable[str], config: Mapping[str, Any]) -> list[str]:
    """Why the cluster is not what a finished deployment looks like; empty if it is.

    Ready: a running leader, every expected member streaming on the leader's timeline, and, in a synchronous mode,
    as many synchronous standbys as are asked for and can be had. Before that a commit may wait, or be safe on one
    host only.
    """
    if cluster["leader"] is None:
        return ["there is no leader"]
    members = {member["name"]: member for member in cluster["members"]}
    reasons = [
        reason
        for name in (cluster["leader"], *(name for name in expected if name != cluster["leader"]))
        if (reason := _member_not_ready(name, members.get(name), cluster))
    ]
    if not reasons and synchronous_mode(config) != "off":
        able = sum(1 for name in expected if name != cluster["leader"] and not members[name]["tags"].get("nosync"))
        wanted = min(int(config.get("synchronous_node_count") or 1), able)
        if len(cluster["synchronous_standbys"]) < wanted:
            reasons.append(f"{len(cluster['synchronous_standbys'])} of {wanted} synchronous standbys")
    return reasons


def synchronous_mode(config: Mapping[str, Any]) -> str:
    word = str(config.get("synchronous_mode", "off")).lower()
    return "quorum" if word == "quorum" else "on" if word in ("on", "true", "yes", "1") else "off"


def pending_restarts(members: Iterable[Member]) -> list[dict[str, Any]]:
    return [
        {"member": member["name"], "parameters": member["pending_restart_parameters"]}
        for member in members
        if member["pending_restart"]
    ]


def _member_not_ready(name: str, member: Member | None, cluster: Cluster) -> str | None:
    if member is None:
        return f"{name} has not joined the cluster"
    wanted = "running" if name == cluster["leader"] else "streaming"
    if member["role"] == "standby_leader":
        wanted = member["state"] if member["state"] in ("running", "streaming") else "streaming"
    if member["state"] != wanted:
        return f"{name} is {member['state'] or 'silent'}, not {wanted}"
    if member["timeline"] != cluster["timeline"]:
        return f"{name} is on timeline {member['timeline']}, the leader on {cluster['timeline']}"
    return None


def _member(raw: Mapping[str, Any]) -> Member:
    lag = raw.get("lag")
    return {
        "name": raw["name"],
        "role": raw["role"],
        "state": raw.get("state", ""),
        "host": raw.get("host"),
        "port": raw.get("port"),
        "api_url": (raw.get("api_url") or "").removesuffix("/patroni"),
        "timeline": raw.get("timeline"),
        "lag_bytes": lag if isinstance(lag, int) else None,  # "unknown" while a member is down; a leader has none
        "tags": raw.get("tags", {}),
        "pending_restart": bool(raw.get("pending_restart", False)),
        "pending_restart_parameters": raw.get("pending_restart_reason", {}),
    }
