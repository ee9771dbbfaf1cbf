# SPDX-License-Identifier: Apache-2.0
"""Who leads, and whether a lab is at rest: asked of each member's own Patroni, which costs next to nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psycopg
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.client import PatroniClient, PatroniError
from common import Lab

ETCD_STATUS = (
    "etcdctl --endpoints={} --cacert=/etc/etcd/tls/ca.crt --cert=/etc/etcd/tls/host.crt --key=/etc/etcd/tls/host.key "
    "endpoint status --write-out=json"
)
# A member that was rewound, or a proxy that has just been started, takes a while.
PATIENCE_SECONDS = 180.0
# etcd's leader is moved away from the primary's host at most once a minute.
APART_SECONDS = 75.0


def wait_for(what: str, seconds: float, condition: Callable[[], bool], pause: float = 0.5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {seconds:g} s for this and it did not come: {what}")
        time.sleep(pause)


def at_rest(statuses: Sequence[dict[str, Any] | None], quorum: bool) -> bool:
    """One primary, and everybody else streams on its timeline; with `quorum`, each vouches for commits. Pure."""
    known = [status for status in statuses if status is not None]
    primaries = [status for status in known if status["role"] == "primary" and status["state"] == "running"]
    return (
        len(primaries) == 1
        and len(known) == len(statuses)
        and all(
            status.get("timeline") == primaries[0].get("timeline")
            and status.get("replication_state") == "streaming"
            and (not quorum or bool(status.get("quorum_standby")))
            for status in known
            if status is not primaries[0]
        )
    )


class Members:
    """The members of a lab that site.yml has run on."""

    def __init__(self, hosts: Lab) -> None:
        patroni = hosts.plan()["patroni"]
        self.hosts, self.cafile = hosts, str(hosts.inventory / "secrets" / "ca.crt")
        self.urls = dict(zip(hosts.plan()["members"], patroni["urls"], strict=True))

    def statuses(self) -> dict[str, dict[str, Any] | None]:
        """What each says of itself; None of one that says nothing."""

        def ask(url: str) -> dict[str, Any] | None:
            try:
                return PatroniClient([url], timeout=2.0, cafile=self.cafile).status()
            except PatroniError:
                return None

        with ThreadPoolExecutor(len(self.urls)) as pool:
            return dict(zip(self.urls, pool.map(ask, self.urls.values()), strict=True))

    def primary(self) -> str | None:
        """Whoever says that it is; None while nobody does, or more than one."""
        primaries = [name for name, status in self.statuses().items() if status and status["role"] == "primary"]
        return primaries[0] if len(primaries) == 1 else None

    def leader(self) -> str:
        name = self.primary()
        if name is None:
            raise SystemExit("nobody leads")
        return name

    def config(self) -> dict[str, Any]:
        """The dynamic configuration."""
        return PatroniClient(list(self.urls.values()), cafile=self.cafile).config()

    def settle(self, quorum: bool = True) -> None:
        """Wait until all members are in their places, in two looks one after the other."""

        def whole() -> bool:
            return at_rest(list(self.statuses().values()), quorum)

        def twice() -> bool:
            if not whole():
                return False
            time.sleep(1.0)
            return whole()

        wait_for("one primary, and all others stream", PATIENCE_SECONDS, twice)

    def etcd_leader(self) -> str:
        urls = {f"https://{self.hosts.addresses[name]}:2379": name for name in self.hosts.groups["etcd"]}
        answer = json.loads(self.hosts.shell(self.hosts.groups["etcd"][0], ETCD_STATUS.format(",".join(urls))))
        for row in answer:
            if row["Status"]["header"]["member_id"] == row["Status"]["leader"]:
                return str(urls[row["Endpoint"]])
        return ""

    def apart(self) -> None:
        """Wait until etcd is led from another host than the primary's, as it is at rest."""
        wait_for("etcd's leader is apart", APART_SECONDS, lambda: self.etcd_leader() not in ("", self.primary()), 2.0)


def answers(conninfo: str) -> bool:
    """Whether an endpoint leads to the primary."""
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    except psycopg.Error:
        return False
    return row == (False,)


def served(conninfos: Iterable[str]) -> None:
    """Wait until each of them leads to the primary."""
    for conninfo in conninfos:
        wait_for("an endpoint answers on each proxy", PATIENCE_SECONDS, partial(answers, conninfo))
