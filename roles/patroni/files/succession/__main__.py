# SPDX-License-Identifier: Apache-2.0
"""Give up a dead leader's key before its lease runs out, upon proof only; keep etcd's leader off the primary's host.

A leader that is lost with its host keeps its key for a whole ttl: nobody can know that it is not just cut off, with
clients of its own. Proof is the only shortcut. There are two:

- from afar: members that may lead find that nothing on its host answers. When more than half of all say so, one of them
  runs the fence, a command of the user's that ends with 0 only when the host is off. Then a transaction gives up the
  key of this very holder, provided that nobody has touched it since.
- on the spot: Patroni's unit has ended and no process of PostgreSQL is left (ended.py).

Without proof the lease decides as ever. What can be done is to see to it that nobody waits for an answer of the dead
one afterwards. docs/failover.md has the reasoning.

    succession CONFIG            the daemon
    succession CONFIG ended      after Patroni's end: the second proof
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import time
from pathlib import Path
from typing import Any

import decide
import ended
import etcd
from decide import Entry, EtcdMember, Leader, Run, Step, View
from etcd import Etcd, Unavailable
from fence import Fence
from listen import Listener

CALM, UNEASY = 1.0, 0.05  # between two looks, seconds
SUSPICION = 5  # lease of a suspicion, seconds; it is renewed while it holds
RENEWED = 2.0
# How long nobody fences the same holder again after a fence, beyond the fence's own time: longer than any ttl.
AFTERMATH = 120
PLACED, MOVED = 10.0, 60.0  # how often it is looked where etcd's leader is, and moved at most


class Succession:
    """What is known, and what follows from it."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.me: str = config["member"]
        self.process = f"{self.me} {secrets.token_hex(8)}"
        self.base, self.own = f"/service/{config['scope']}/", f"/pgtier/{config['scope']}/"
        self.tls: str = config["tls_directory"]
        self.etcd = Etcd(config["etcd"], self.tls)
        self.command: list[str] = config["fence_command"]
        self.listener = Listener(config["silence_seconds"], bool(self.tls), config["calm_seconds"])
        self.fence: Fence | None = None
        self.run: Run | None = None
        self.suspected = self.place_at = 0.0
        self.attended = self.said = ""

    def turn(self, now: float) -> float:
        """One look and what follows; how long until the next one."""
        self._attend_fence(now)
        try:
            view = decide.read(self.base, self.own, self.etcd.pairs(self.base, self.own))
            self._listen(view)
            self._step(view, now)
            if view.leader and view.leader.name == self.me and now >= self.place_at:
                self.place_at = now + (MOVED if self._keep_apart() else PLACED)
        except Unavailable as error:
            self._say(f"etcd does not answer, so nothing is done: {error}")
        hurry = self.command and (self.listener.uneasy or self.fence)
        return UNEASY if hurry else CALM

    def _listen(self, view: View) -> None:
        leader = view.leader
        elsewhere = leader is not None and leader.name != self.me
        self.listener.to(view.members.get(leader.name) if leader and elsewhere else None)

    def _step(self, view: View, now: float) -> None:
        step = decide.step(view, self.me, self.process, self.listener.silent, self.run, bool(self.command))
        leader, entry = view.leader, view.entry
        if not self.listener.silent:
            self.attended = ""
        if step is Step.WITHDRAW:
            self._say("nobody is taken for dead any more")
            # What was confirmed of a host that answers is worth nothing any more.
            if self.run and self.run.confirmed:
                self.run = self.run._replace(confirmed=False)
            self.etcd.transaction([], [etcd.delete(f"{self.own}suspects/{self.me}")])
            return
        elif step is Step.FORGET and self.run:
            mine = etcd.value_is(self._lock(self.run.revision), self.process)
            self.etcd.transaction([mine], [etcd.delete(self._lock(self.run.revision))])
            self.run = None
        if leader is None:
            return
        if step is Step.SUSPECT:
            self._say(f"nothing on the host of {leader.name}, the leader, answers")
            self._suspect(leader, now)
            return
        if self.me in view.suspects and now - self.suspected > RENEWED:
            self._suspect(leader, now)
        if step is Step.TAKE:
            self._take(leader)
        elif step is Step.FENCE:
            self._start_fence(leader, now)
        elif step is Step.RELEASE:
            self._release(leader)
        elif step is Step.UNLIST and entry and self.attended != leader.revision:
            # Once in each silence, by whichever member: who lists himself again is alive, and is left alone.
            if entry.listed:
                self._unlist(leader, entry)
            self.attended = leader.revision
        elif step is Step.RELIST and entry and self.listener.heard:
            self._relist(leader, entry)

    def _lock(self, revision: str) -> str:
        return f"{self.own}fences/{revision}"

    def _suspect(self, leader: Leader, now: float) -> None:
        lease = self.etcd.grant(SUSPICION)
        self.etcd.transaction([], [etcd.put(f"{self.own}suspects/{self.me}", leader.revision, lease)])
        self.suspected = now

    def _untouched(self, leader: Leader) -> list[dict[str, Any]]:
        key = f"{self.base}leader"
        return [etcd.value_is(key, leader.name), etcd.revision_is(key, leader.revision)]

    def _take(self, leader: Leader) -> None:
        lock = self._lock(leader.revision)
        lease = self.etcd.grant(self.config["fence_timeout_seconds"] + AFTERMATH)
        free = [*self._untouched(leader), etcd.revision_is(lock, "0")]
        self.etcd.transaction(free, [etcd.put(lock, self.process, lease)])

    # The fence

    def _start_fence(self, leader: Leader, now: float) -> None:
        words = decide.command(self.command, leader.name, self.listener.member.address if self.listener.member else "")
        self._say(f"most members find {leader.name} silent; fencing it: {' '.join(words)}")
        self.run = Run(leader.revision)
        self.fence = Fence(words, self.config["fence_timeout_seconds"], now)

    def _attend_fence(self, now: float) -> None:
        outcome = self.fence.outcome(now) if self.fence else None
        if outcome is None or self.run is None:
            return
        self.fence, self.run = None, self.run._replace(confirmed=outcome.confirmed)
        self._say(outcome.why if outcome.confirmed else f"{outcome.why}; the lease decides")

    def _release(self, leader: Leader) -> None:
        """The holder is dead. Its member key is replaced by one that says how it is reached no more, or Patroni's race
        for the lead would spend two seconds on asking it; and its lease is ended, so that if the fence has lied, its
        Patroni does not take the renewal of that lease for the lead."""
        gone = json.dumps({"state": "stopped", "role": "replica"})
        lease = self.etcd.grant(self.config["ttl"])
        done = self.etcd.transaction(
            [*self._untouched(leader), etcd.value_is(self._lock(leader.revision), self.process)],
            [etcd.delete(f"{self.base}leader"), etcd.put(f"{self.base}members/{leader.name}", gone, lease)],
        )
        self.run = Run(leader.revision, False)
        if not done:
            return self._say("the leader key has changed meanwhile, and stays")
        self._say(f"{leader.name} is off, and its leader key is given up")
        self.etcd.call("lease/revoke", {"ID": leader.lease})

    def _unlist(self, leader: Leader, entry: Entry) -> None:
        """Patroni's race for the lead asks everybody who has an address, for two seconds, a former leader whose lease
        has run out too. This one is silent, so it shall not be asked: its member key is held without an address until
        then. If it is alive it writes its key anew in the next round of its loop, and whoever hears it does before."""
        if self._change(leader, entry, decide.unlisted(entry.value)):
            self._say(f"most members find {leader.name} silent; no race for the lead will wait for its answer")

    def _relist(self, leader: Leader, entry: Entry) -> None:
        if self._change(leader, entry, decide.relisted(entry.value)):
            self._say(f"{leader.name} answers, and is listed again")

    def _change(self, leader: Leader, entry: Entry, value: str) -> bool:
        """Write the leader's member key, if nobody has touched it since. It outlives the leader key: replicas follow a
        leader by it."""
        key, lease = f"{self.base}members/{leader.name}", self.etcd.grant(2 * self.config["ttl"])
        untouched = [*self._untouched(leader), etcd.revision_is(key, entry.revision)]
        return self.etcd.transaction(untouched, [etcd.put(key, value, lease)])

    # etcd's leader

    def _keep_apart(self) -> bool:
        """Have another etcd member lead if the one on this host, the primary's, does: lost together they would cost an
        election, which renews every lease, on top of the failover. Whether one was asked to."""
        if not self.config["etcd_here"]:
            return False
        with etcd.at(self.config["etcd_here"], self.tls) as here:
            number = here.call("maintenance/status")["header"]["member_id"]
            listed = here.call("cluster/member/list")["members"]
            other = decide.successor(number, [self._etcd_member(one) for one in listed])
            if other:
                here.call("maintenance/transfer-leadership", {"targetID": other})
                names = {one["ID"]: one.get("name", "") for one in listed}
                self._say(f"etcd's leader is {names[other]}, away from the primary")
        return bool(other)

    def _etcd_member(self, listed: dict[str, Any]) -> EtcdMember:
        try:
            with etcd.at(listed["clientURLs"][0], self.tls) as member:
                said = member.call("maintenance/status")
        except (Unavailable, LookupError):
            return EtcdMember(listed["ID"], "")
        leader = "" if said.get("errors") else said.get("leader", "")
        return EtcdMember(listed["ID"], leader, bool(said.get("isLearner")), int(said.get("raftIndex", 0)))

    def _say(self, what: str) -> None:
        if what != self.said:
            self.said = what
            print(what, flush=True)


def notify(message: str) -> None:
    """Tell systemd (sd_notify): ready, or alive."""
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.sendto(message.encode(), path.replace("@", "\0", 1))


def main(path: str, *words: str) -> None:
    config = json.loads(Path(path).read_text())
    if words == ("ended",):
        if ended.alive(config["data_directory"]):
            return
        try:
            store = Etcd(config["etcd"], config["tls_directory"], 0.5)
            if ended.release(store, f"/service/{config['scope']}/", f"/pgtier/{config['scope']}/", config["member"]):
                print("PostgreSQL is stopped and Patroni has ended: the leader key is given up", flush=True)
        except Unavailable as error:
            print(f"etcd does not answer, so the lease decides: {error}", flush=True)
        return
    succession = Succession(config)
    succession.listener.start()
    notify("READY=1")
    while True:
        pause = succession.turn(time.monotonic())
        notify("WATCHDOG=1")
        time.sleep(pause)


if __name__ == "__main__":
    main(*sys.argv[1:])
