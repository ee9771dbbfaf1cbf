# SPDX-License-Identifier: Apache-2.0
"""etcd's members in rows, and what is wrong with them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict


class EtcdRow(TypedDict):
    name: str
    healthy: bool
    leads: bool
    learner: bool
    version: str
    size_bytes: int | None
    error: str


def summarise(names: Sequence[str], answers: Mapping[str, Any] | None) -> tuple[list[EtcdRow], list[str]]:
    """A row for each member of the inventory. `answers` is None when nobody could ask."""
    if answers is None or "error" in answers:
        unknown = {"error": "it was not asked"}
        problems = [f"etcd could not be asked: {answers['error']}"] if answers else []
        return [_row(name, {"status": unknown, "health": unknown}) for name in names], problems
    rows = [_row(name, answers["members"][name]) for name in names]
    problems = [f"etcd on {row['name']}: {row['error']}" for row in rows if row["error"]]
    for name in names:
        problems += [f"etcd on {name}: {text}" for text in _body(answers["members"][name], "status").get("errors", [])]
    up = sum(1 for row in rows if row["healthy"])
    if up <= len(names) // 2:
        problems.append(
            f"etcd has no quorum, {up} of {len(names)} members are well: the leader goes on, nobody can take over"
        )
    return rows, problems + _strangers(names, answers["listed"])


def _row(name: str, answer: Mapping[str, Any]) -> EtcdRow:
    status, health = _body(answer, "status"), _body(answer, "health")
    member = status.get("header", {}).get("member_id")
    healthy = str(health.get("health", "")).lower() == "true"
    error = answer["status"].get("error") or answer["health"].get("error") or ""
    if not error and not healthy:
        error = f"it is not healthy: {health.get('reason') or 'it gives no reason'}"
    return EtcdRow(
        name=name,
        healthy=healthy,
        leads=member is not None and member == status.get("leader"),
        learner=bool(status.get("isLearner")),
        version=status.get("version", ""),
        size_bytes=int(status["dbSize"]) if "dbSize" in status else None,
        error=error,
    )


def _body(answer: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    body: Mapping[str, Any] = answer[what].get("body", {})
    return body


def _strangers(names: Sequence[str], listed: Mapping[str, Any] | None) -> list[str]:
    """Members that etcd counts and the inventory does not know count for its quorum all the same."""
    if not listed or "body" not in listed:
        return []
    members = listed["body"].get("members", [])
    known = [member.get("name") or "one that has not started" for member in members]
    return [f"etcd counts {name} as a member, which the inventory does not have" for name in known if name not in names]
