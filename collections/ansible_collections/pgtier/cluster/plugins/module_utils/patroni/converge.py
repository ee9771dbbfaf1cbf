"""Bring a cluster's dynamic configuration to what is wanted: the steps, and how they wait.

The order matters. The patch goes first, because it may be what lets the members become ready (a pg_hba rule for
replication, say). Then each member is watched until it has applied it, then the cluster until it is ready. Last, who
was starting meanwhile is told to read its configuration again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ansible_collections.pgtier.cluster.plugins.module_utils.patroni import cluster as view
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.client import NoAnswer, PatroniClient, PatroniError
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.dynamic import Config, apply_patch, plan_patch

POLL_SECONDS = 0.2
PATCH_TRIES = 5

T = TypeVar("T")


class Deadline:
    """One budget of seconds for all that a run waits for."""

    def __init__(self, seconds: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self.seconds = seconds
        self._clock, self._sleep = clock, sleep
        self._end = clock() + seconds

    def poll(self, attempt: Callable[[], T | None]) -> T | None:
        """Repeat `attempt` until it gives something; None once the time is over. Tries at least once."""
        while (result := attempt()) is None and self._clock() < self._end:
            self._sleep(POLL_SECONDS)
        return result


def converge(
    client: PatroniClient, wanted: Config, exact_paths: Sequence[str], members: Sequence[str], deadline: Deadline
) -> dict[str, Any]:
    before = _first_config(client, deadline)
    patch = plan_patch(before, wanted, exact_paths)
    notes: list[str] = []
    after = before
    running: list[view.Member] = []
    if patch:
        running = [member for member in view.parse(client.cluster())["members"] if member["state"] in _UP]
        after = _patch(client, before, wanted, exact_paths)
        if deadline.seconds:
            notes = _await_applied(client, running, after, deadline)
    if deadline.seconds:
        _await_ready(client, members, after, deadline)
    if patch and deadline.seconds:
        notes += _reload_late(client, {member["name"] for member in running}, after, deadline)
    return _result(client, before, after, patch, notes)


def predict(client: PatroniClient, wanted: Config, exact_paths: Sequence[str]) -> dict[str, Any]:
    """What `converge` would change. A cluster that is not there yet would get everything."""
    try:
        before = client.config()
    except NoAnswer as error:
        after = apply_patch({}, plan_patch({}, wanted))
        return {
            "changed": True,
            "config": after,
            "patch": after,
            "leader": None,
            "timeline": None,
            "members": [],
            "pending_restart": [],
            "notes": [f"taken for a cluster that is not deployed yet: {error}"],
            "diff": _diff({}, after),
        }
    patch = plan_patch(before, wanted, exact_paths)
    return _result(client, before, apply_patch(before, patch), patch, [])


_UP = ("running", "streaming", "in archive recovery")


def _first_config(client: PatroniClient, deadline: Deadline) -> Config:
    failure: list[NoAnswer] = []

    def attempt() -> Config | None:
        try:
            return client.config()
        except NoAnswer as error:  # Patroni starts, or the first leader still bootstraps
            failure[:] = [error]
            return None

    config = deadline.poll(attempt)
    if config is None:
        raise NoAnswer(f"after {deadline.seconds:g} s {failure[0]}")
    return config


def _patch(client: PatroniClient, before: Config, wanted: Config, exact_paths: Sequence[str]) -> Config:
    current = before
    for _attempt in range(PATCH_TRIES):
        patch = plan_patch(current, wanted, exact_paths)
        if not patch:
            return current
        try:
            return client.patch_config(patch)
        except PatroniError as error:
            if error.status != 409:
                raise
        current = client.config()
    raise PatroniError(
        f"someone else changed the dynamic configuration {PATCH_TRIES} times in a row at the same moment; "
        "see who runs patronictl edit-config or another deployment, and run again"
    )


def _await_applied(
    client: PatroniClient, running: Sequence[view.Member], after: Config, deadline: Deadline
) -> list[str]:
    """Wait until each member that runs has applied the patch; returns a note for each that cannot be asked.

    A member applies a configuration at the end of the loop in which it reads it, and pauses a second in there before it
    knows what awaits a restart. Nothing in the REST API says "applied", so two more loops are waited for, told by
    `dcs_last_seen`: the first may read it, and when the second has begun the first has ended. (The member that took the
    PATCH shows the new values before it has read them, hence two.) A race remains: if something else asks the same
    member for /cluster in between, that counts as a loop, and a pending restart may be missing from this one report.
    """
    waiting = {member["name"]: (client.at(member["api_url"]), _Loops()) for member in running}

    def attempt() -> bool | None:
        for name, (one, loops) in list(waiting.items()):
            try:
                if plan_patch(one.config(), after):
                    continue
                if loops.seen(int(one.status().get("dcs_last_seen", 0))) >= 2:
                    del waiting[name]
            except NoAnswer as error:
                loops.problem = str(error)
        return None if waiting else True

    deadline.poll(attempt)
    return [
        f"{name} has not confirmed within {deadline.seconds:g} s that it applied the new configuration"
        + (f": {loops.problem}" if loops.problem else "")
        for name, (_reason, loops) in waiting.items()
    ]


def _reload_late(client: PatroniClient, in_time: set[str], after: Config, deadline: Deadline) -> list[str]:
    """Have each member that was not running yet when the patch went out write its files anew.

    Patroni 4.0 (ConfigHandler.reload_config) compares pg_hba and the parameters with what it had only while its
    PostgreSQL runs. One that starts at that moment has already written its files from the old configuration, takes the
    new one for applied, and serves with the old pg_hba until something else changes. A reload writes them regardless.
    """
    late = [
        member
        for member in view.parse(client.cluster())["members"]
        if member["state"] in _UP and member["name"] not in in_time
    ]
    for member in late:
        client.at(member["api_url"]).post("/reload", {}, accept=(202,))
    return _await_applied(client, late, after, deadline)


class _Loops:
    """Counts the turns of a member's loop since it was first asked."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._count = 0
        self.problem = ""

    def seen(self, moment: int) -> int:
        if self._last is not None and moment > self._last:
            self._count += 1
        self._last = moment
        return self._count


def _await_ready(client: PatroniClient, members: Sequence[str], config: Config, deadline: Deadline) -> None:
    reasons: list[str] = []

    def attempt() -> bool | None:
        try:
            reasons[:] = view.not_ready(view.parse(client.cluster()), members, config)
        except NoAnswer as error:
            reasons[:] = [str(error)]
        return None if reasons else True

    if deadline.poll(attempt) is None:
        raise PatroniError(
            f"the cluster is not ready after {deadline.seconds:g} s: {'; '.join(reasons)}. "
            "See `patronictl list` and `journalctl -u patroni` on the members named; "
            "a large replica may need a longer `wait`."
        )


def _result(client: PatroniClient, before: Config, after: Config, patch: Config, notes: list[str]) -> dict[str, Any]:
    cluster = view.parse(client.cluster())
    members = [_with_own_word(client, member) for member in cluster["members"]]
    return {
        "changed": bool(patch),
        "config": after,
        "patch": patch,
        "leader": cluster["leader"],
        "timeline": cluster["timeline"],
        "members": members,
        "pending_restart": view.pending_restarts(members),
        "notes": notes,
        "diff": _diff(before, after),
    }


def _with_own_word(client: PatroniClient, member: view.Member) -> view.Member:
    """A member knows of a pending restart one loop before the DCS does."""
    try:
        status = client.at(member["api_url"]).status()
    except (PatroniError, ValueError):
        return member
    reasons = status.get("pending_restart_reason", {})
    return {**member, "pending_restart": bool(status.get("pending_restart")), "pending_restart_parameters": reasons}


def _diff(before: Config, after: Config) -> dict[str, Any]:
    header = "Patroni's dynamic configuration"
    return {"before": before, "after": after, "before_header": header, "after_header": header}
