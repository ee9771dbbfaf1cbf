# SPDX-License-Identifier: Apache-2.0
"""Whether a leader is taken for dead, who fences it, and where etcd's leader belongs: decisions without I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple

# Entries of the log that an etcd member may lack and still take over at once.
CLOSE = 1000
# Under which the address of an unlisted member is kept: it is still listened to.
UNLISTED = "unlisted_api_url"


class Leader(NamedTuple):
    """Patroni's leader key. Its `revision` is that of its last change: a renewed lease leaves it, whatever else happens
    to the key (a new holder, the same one with a new lease after a restart) does not."""

    name: str
    revision: str
    lease: str


class Member(NamedTuple):
    """A member of Patroni that may lead."""

    address: str
    restapi_port: int
    port: int


class Entry(NamedTuple):
    """A member key, of this revision. `listed` is whether it names the address of the member's Patroni."""

    value: str
    revision: str
    listed: bool


class View(NamedTuple):
    """What etcd's majority held at one moment. `entry` is the leader's member key, `suspects` are the revisions that
    members take for dead, `fence` is who fences the holder of the leader key's revision."""

    leader: Leader | None = None
    entry: Entry | None = None
    members: Mapping[str, Member] = {}
    paused: bool = False
    suspects: Mapping[str, str] = {}
    fence: str = ""


class Run(NamedTuple):
    """The fence that this process runs, or has run. `confirmed` is None while it runs."""

    revision: str
    confirmed: bool | None = None


class Step(Enum):
    NOTHING = "nothing"
    SUSPECT = "suspect"  # say in etcd that the leader is silent
    WITHDRAW = "withdraw"  # say that it is not
    TAKE = "take"  # be the one that fences, if nobody else is
    FENCE = "fence"
    FORGET = "forget"  # the leader answers after a fence that failed: another silence is another case
    RELEASE = "release"  # give up the leader key for the dead holder
    UNLIST = "unlist"  # keep its member key, without the address at which a race for the lead would wait for it
    RELIST = "relist"  # it answers: it shall be asked


def step(view: View, me: str, process: str, silent: bool, run: Run | None, fences: bool) -> Step:
    """What to do next. `process` is this process's name in `fence`, its own, so that nobody goes on with a fence whose
    outcome it has not seen. `silent` says whether the leader has not answered this member for long enough. Where
    nobody `fences`, or that was of no use, the lease decides, and there will be a race for the lead.

    No view - etcd's majority is not reached - no step: who is cut off himself suspects and fences nobody.
    """
    leader = view.leader
    if leader is None or view.paused or me not in view.members or leader.name == me or not silent:
        if me in view.suspects:
            return Step.WITHDRAW
        answers = leader is not None and not silent
        if answers and leader.name != me and view.entry and not view.entry.listed:
            return Step.RELIST
        return Step.FORGET if answers and run is not None and run.confirmed is not None else Step.NOTHING
    if view.suspects.get(me) != leader.revision:
        return Step.SUSPECT
    if not agreed(view, leader):
        return Step.NOTHING
    if not fences:
        return Step.UNLIST
    tried = run is not None and run.revision == leader.revision
    if view.fence == process:
        if not tried:
            return Step.FENCE
        if run is None or run.confirmed is None:
            return Step.NOTHING
        return Step.RELEASE if run.confirmed else Step.UNLIST
    return Step.UNLIST if view.fence or tried else Step.TAKE


def agreed(view: View, leader: Leader) -> bool:
    """Whether more than half of all that may lead, the suspect counted, find this very holder silent."""
    everybody = view.members.keys() | {leader.name}
    witnesses = [name for name in everybody - {leader.name} if view.suspects.get(name) == leader.revision]
    return 2 * len(witnesses) > len(everybody)


def read(base: str, own: str, pairs: Iterable[Mapping[str, str]]) -> View:
    """A view of etcd's keys: those of Patroni begin with `base`, ours with `own`. Each has key, value, mod_revision and
    lease."""
    found = {pair["key"]: pair for pair in pairs}
    leader = None
    if key := found.get(f"{base}leader"):
        leader = Leader(key["value"], key["mod_revision"], key.get("lease", "0"))
    members = {}
    entry = found.get(f"{base}members/{leader.name}") if leader else None
    for name, pair in found.items():
        if name.startswith(f"{base}members/") and (one := member(pair["value"])):
            members[name.removeprefix(f"{base}members/")] = one
    suspects = {
        name.removeprefix(f"{own}suspects/"): pair["value"]
        for name, pair in found.items()
        if name.startswith(f"{own}suspects/")
    }
    fence = found.get(f"{own}fences/{leader.revision}") if leader else None
    return View(
        leader,
        Entry(entry["value"], entry["mod_revision"], UNLISTED not in _data(entry["value"])) if entry else None,
        members,
        _paused(found.get(f"{base}config")),
        suspects,
        fence["value"] if fence else "",
    )


def member(value: str) -> Member | None:
    """Of what Patroni writes about a member, if it may lead and says how it is reached."""
    try:
        data = _data(value)
        if data.get("tags", {}).get("nofailover"):
            return None
        address, restapi_port = _host_port(data.get("api_url") or data[UNLISTED])
        return Member(address, restapi_port, _host_port(data["conn_url"])[1])
    except (ValueError, KeyError, AttributeError):
        return None


def unlisted(value: str) -> str:
    """The same member key without the address of its Patroni. Replicas go on following the rest."""
    return _renamed(value, "api_url", UNLISTED)


def relisted(value: str) -> str:
    """What `unlisted` was made of."""
    return _renamed(value, UNLISTED, "api_url")


def _renamed(value: str, old: str, new: str) -> str:
    return json.dumps({new if name == old else name: what for name, what in _data(value).items()})


def _data(value: str) -> dict[str, Any]:
    """What a member key says; nothing if that cannot be read."""
    try:
        data = json.loads(value)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _host_port(url: str) -> tuple[str, int]:
    host, _, port = url.partition("://")[2].partition("/")[0].rpartition(":")
    return host.strip("[]"), int(port)


def _paused(config: Mapping[str, str] | None) -> bool:
    """Whether the cluster is in maintenance mode. A configuration that cannot be read is no licence to act."""
    try:
        return bool(json.loads(config["value"]).get("pause")) if config else False
    except (ValueError, AttributeError):
        return True


def command(words: Iterable[str], name: str, address: str) -> list[str]:
    """The fence's command for this member. On a host there is one member, so both have one name."""
    values = {"{host}": name, "{member}": name, "{address}": address}
    done = []
    for word in words:
        for placeholder, value in values.items():
            word = word.replace(placeholder, value)
        done.append(word)
    return done


class EtcdMember(NamedTuple):
    """A member of etcd by its own word; `leader` is whom it follows, empty if it does not answer or complains."""

    number: str
    leader: str
    learner: bool = False
    applied: int = 0


def successor(here: str, members: Iterable[EtcdMember]) -> str:
    """To whom the etcd member `here`, on the primary's host, hands etcd's lead; empty if it does not lead, or not all
    are well: then there is enough to do."""
    members = list(members)
    if any(member.leader != here for member in members):
        return ""
    newest = max((member.applied for member in members), default=0)
    fit = [m for m in members if m.number != here and not m.learner and newest - m.applied <= CLOSE]
    return max(fit, key=lambda m: (m.applied, m.number)).number if fit else ""
