"""What is done to one member by its own REST API, and how it is seen to have been done.

The moment at which its PostgreSQL was started tells: it is another one after a restart and after a new copy, whoever
was interrupted meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.patroni import cluster as view
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.client import PatroniClient, PatroniError
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.converge import Deadline

_BEING_MADE = "creating replica"
# Patroni answers a restart when it is over: a shutdown with its checkpoint, and a start.
RESTART_SECONDS = 600


def restart(client: PatroniClient, name: str, cluster: view.Cluster, config: Mapping[str, Any], wait: Deadline) -> None:
    """Restart PostgreSQL of a member, and wait until the cluster is whole. Raises PatroniError."""
    url = _url(cluster, name)
    answer = client.at(url, timeout=RESTART_SECONDS).post("/restart", {}, accept=(200, 503))
    if answer.status != 200:
        raise PatroniError(
            f"{name} did not restart: Patroni says {str(answer.body)[:300]}; see `journalctl -u patroni`"
        )
    await_whole(client, [member["name"] for member in cluster["members"]], config, wait)


def reinit(client: PatroniClient, name: str, cluster: view.Cluster, config: Mapping[str, Any], wait: Deadline) -> None:
    """Throw a member's data away and copy the leader's. One that is being copied already is only waited for."""
    one = client.at(_url(cluster, name))
    before = started(one)
    if _state(one) != _BEING_MADE:
        answer = one.post("/reinitialize", {"force": True}, accept=(200, 503))
        if answer.status != 200:
            raise PatroniError(f"{name} was not made anew: Patroni says {str(answer.body)[:300]}")

    def made() -> bool | None:
        now = started(one)
        return (now is not None and now != before) or None

    if wait.poll(made) is None:
        raise PatroniError(
            f"{name} is not copied after {wait.seconds:g} s; it goes on, see `journalctl -u patroni` there. "
            "Run again to wait on, with more seconds (`-e reinit_wait=`)"
        )
    await_whole(client, [member["name"] for member in cluster["members"]], config, wait)


def set_maintenance(client: PatroniClient, paused: bool) -> None:
    client.patch_config({"pause": True if paused else None})


def await_maintenance(client: PatroniClient, members: Sequence[view.Member], paused: bool, wait: Deadline) -> None:
    """Wait until every member knows of maintenance mode, or of its end. Raises PatroniError."""
    waiting = {member["name"]: client.at(member["api_url"]) for member in members}
    problems: dict[str, str] = {}

    def known() -> bool | None:
        for name, one in list(waiting.items()):
            try:
                if bool(one.status().get("pause")) == paused:
                    del waiting[name]
            except PatroniError as error:
                problems[name] = f": {error}"
        return None if waiting else True

    if wait.poll(known) is None:
        mode = "maintenance mode" if paused else "the end of maintenance mode"
        unaware = ", ".join(f"{name}{problems.get(name, '')}" for name in sorted(waiting))
        raise PatroniError(f"{mode} is set, and after {wait.seconds:g} s these members do not know of it: {unaware}")


def await_whole(client: PatroniClient, members: Sequence[str], config: Mapping[str, Any], wait: Deadline) -> None:
    reasons: list[str] = []

    def whole() -> bool | None:
        try:
            reasons[:] = view.not_ready(view.parse(client.cluster()), members, config)
        except PatroniError as error:
            reasons[:] = [str(error)]
        return None if reasons else True

    if wait.poll(whole) is None:
        raise PatroniError(f"the cluster is not well after {wait.seconds:g} s: {'; '.join(reasons)}")


def started(one: PatroniClient) -> str | None:
    """When a member's PostgreSQL was started; None while it neither streams nor leads."""
    try:
        status = one.status()
    except PatroniError:
        return None
    streams = status.get("role") in ("primary", "master") or status.get("replication_state") == "streaming"
    return status.get("postmaster_start_time") if status.get("state") == "running" and streams else None


def _state(one: PatroniClient) -> str:
    return str(one.status().get("state", ""))


def _url(cluster: view.Cluster, name: str) -> str:
    return next(member["api_url"] for member in cluster["members"] if member["name"] == name)
