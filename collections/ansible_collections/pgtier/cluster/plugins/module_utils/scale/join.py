# SPDX-License-Identifier: Apache-2.0
"""Who is new, whether a new member has arrived, and how to tell people how far it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from ansible_collections.pgtier.cluster.plugins.module_utils.patroni import cluster as view

_UP = ("running", "streaming")


def newcomers(listed: Sequence[str], members: Iterable[Mapping[str, Any]], asked: str = "") -> list[str]:
    """Hosts of the group postgres that are not members, or not quite yet: what an interrupted run left half way is new
    still. `asked` names some of them, with commas. Raises ValueError for one that is not listed."""
    wanted = [name.strip() for name in asked.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in listed]:
        raise ValueError(
            f"new_hosts={asked}: {', '.join(unknown)} is not in the group postgres of the inventory. "
            f"Add it there first; listed are {', '.join(listed)}"
        )
    there = {member["name"] for member in members if member["state"] in _UP}
    return [name for name in listed if name not in there and (not wanted or name in wanted)]


def not_arrived(cluster: view.Cluster, name: str, max_lag_bytes: int) -> str:
    """Why the member may not be read from yet; empty if it may."""
    if reasons := view.not_ready(cluster, [name], {}):
        return "; ".join(reasons)
    if name == cluster["leader"]:
        return ""
    lag = next(member["lag_bytes"] for member in cluster["members"] if member["name"] == name)
    if lag is None:
        return f"{name} does not say yet how far behind it is"
    return f"{name} is {size(lag)} behind" if lag > max_lag_bytes else ""


class Seen(TypedDict):
    """A look at a member that joins. Bytes are None while nothing is copied; `reason` is empty when it has arrived."""

    reason: str
    state: str
    phase: str
    copied_bytes: int | None
    total_bytes: int | None
    lag_bytes: int | None


@dataclass
class Watch:
    """What was seen so far, to tell a member that gets on from one that does not."""

    patience: float
    last_progress: float
    last_look: float
    best_copied: int = -1
    best_lag: int | None = None
    states: set[tuple[str, str]] = field(default_factory=set)

    def look(self, seen: Seen, now: float) -> str:
        """A line for people: how far it is, and how fast."""
        copied, lag = seen["copied_bytes"], seen["lag_bytes"]
        before, elapsed = self.best_copied, now - self.last_look
        progress = (seen["state"], seen["phase"]) not in self.states
        self.states.add((seen["state"], seen["phase"]))
        if copied is not None and copied > self.best_copied:
            self.best_copied, progress = copied, True
        if lag is not None and (self.best_lag is None or lag < self.best_lag):
            self.best_lag, progress = lag, True
        if progress:
            self.last_progress = now
        self.last_look = now
        if copied is None:
            return seen["reason"]
        rate = (copied - before) / elapsed if before >= 0 and elapsed > 0 and copied >= before else None
        return copying(seen["phase"], copied, seen["total_bytes"], rate)

    def stuck(self, now: float) -> bool:
        return now - self.last_progress >= self.patience


def copying(phase: str, copied: int, total: int | None, rate: float | None) -> str:
    """`copied 1.2 GiB of 5.0 GiB, 24 %, 180.0 MiB/s`; what the server calls the phase where it is another one."""
    text = f"copied {size(copied)}"
    if total:
        # The total is an estimate made when the copy begins.
        text += f" of {size(max(total, copied))}, {min(100, 100 * copied // total)} %"
    if rate is not None:
        text += f", {size(rate)}/s"
    return text if phase in ("", "streaming database files") else f"{phase}: {text}"


def size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
