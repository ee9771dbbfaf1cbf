"""Groups, addresses and roles of hosts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..inventory import GROUPS, Unreadable
from ..mistakes import Mistake, show
from ..topology import parse_address, written_address
from .subject import Subject

_ETCD_AT_MOST = 7
_PURPOSE = {
    "etcd": "three hosts, which may be those of postgres",
    "postgres": "the database servers, three for a cluster that loses nothing",
    "proxy": "the hosts that applications connect to",
}


def groups(subject: Subject) -> Iterator[Mistake]:
    for group in GROUPS:
        if group not in subject.inventory.groups:
            yield Mistake(f"group {group}", "", "", "is missing", f"Add it with {_PURPOSE[group]}.")
        elif not subject.inventory.members(group):
            yield Mistake(f"group {group}", "", "", "has no hosts", f"Fill it with {_PURPOSE[group]}.")
    etcd = subject.topology.etcd
    if etcd and len(etcd) % 2 == 0:
        yield Mistake(
            "group etcd",
            "",
            "",
            f"has {len(etcd)} hosts, an even number: it survives no more losses than {len(etcd) - 1} would",
            f"Use {len(etcd) - 1} or {len(etcd) + 1} hosts.",
        )
    elif len(etcd) > _ETCD_AT_MOST:
        yield Mistake(
            "group etcd",
            "",
            "",
            f"has {len(etcd)} hosts: every write waits for a majority of them",
            f"Use {_ETCD_AT_MOST} hosts at most; five survive two losses.",
        )


def addresses(subject: Subject) -> Iterator[Mistake]:
    first_with: dict[str, str] = {}
    for host in subject.inventory.hosts:
        variable, value = written_address(subject.inventory, host)
        address = parse_address(value)
        if address is None:
            yield Mistake(
                f"host {host}",
                variable or "ansible_host",
                *_no_address(variable, value),
                "Set pgtier_address, or ansible_host, to the host's IP address: pg_hba and etcd go by it.",
            )
            continue
        if address.is_unspecified or address.is_multicast or (address.is_loopback and len(subject.inventory.hosts) > 1):
            yield Mistake(
                f"host {host}",
                variable,
                show(value),
                "is not an address at which other hosts can reach this one",
                "Use the address of the network that the hosts share.",
            )
        if str(address) in first_with:
            yield Mistake(
                f"host {host}",
                variable,
                show(value),
                f"is the address of host {first_with[str(address)]} too",
                "Give each host its own; a host in several groups is listed in each under one name.",
            )
        first_with.setdefault(str(address), host)


def _no_address(variable: str, value: object) -> tuple[str, str]:
    """What is shown of the value, and the problem."""
    if isinstance(value, Unreadable):
        return "", value.problem
    return (show(value), "is not an IP address") if variable else ("", "has no address")


def sources(subject: Subject) -> Iterator[Mistake]:
    """Who streams from whom has to end at the primary, whichever member that is at the time."""
    members, streams_from = subject.inventory.members("postgres"), subject.topology.sources
    for host in subject.inventory.hosts:
        source = subject.settings.of(host, "patroni_replicate_from")
        if source is None:
            continue
        if host not in members:
            problem, remedy = "is set on a host that is not in the group postgres", "Remove the variable."
        elif source == host:
            problem, remedy = "is the host itself", "Name another member, or leave it out."
        elif source not in members:
            problem, remedy = "is not a member", f"Use one of the hosts of the group postgres: {', '.join(members)}."
        elif host in (circle := _upstream(host, streams_from)):
            problem = f"goes in a circle: {' from '.join([host, *circle])}"
            remedy = "Leave it out on one of them, which then streams from the primary."
        else:
            continue
        yield Mistake(f"host {host}", "patroni_replicate_from", show(source), problem, remedy)


_FENCED_AT_LEAST = 3
_PLACEHOLDERS = ("{host}", "{address}", "{member}")


def fence(subject: Subject) -> Iterator[Mistake]:
    """What is run on a silent primary has to be found, to know whom it is about, and to have a majority behind it."""
    words: list[str] = subject.settings["patroni_fence_command"]
    if not words:
        return

    def wrong(problem: str, remedy: str) -> Mistake:
        return Mistake("cluster", "patroni_fence_command", show(words), problem, remedy)

    if not words[0].startswith("/"):
        yield wrong("does not begin with a path", "Name the program by its whole path on the members: /usr/local/bin/…")
    used = {found for word in words for found in re.findall(r"\{[a-z_]+\}", word)}
    if unknown := sorted(used - {*_PLACEHOLDERS}):
        yield wrong(f"has {unknown[0]}, which stands for nothing", f"Use {' or '.join(_PLACEHOLDERS[:2])}.")
    elif not used:
        yield wrong("does not say which host is to be switched off", "Add {host} or {address} to a word of it.")
    candidates = subject.topology.candidates
    if len(candidates) < _FENCED_AT_LEAST:
        yield wrong(
            f"asks more than half of all failover candidates, and there are {len(candidates)}",
            f"Have {_FENCED_AT_LEAST} candidates in the group postgres, or leave it out.",
        )


def _upstream(host: str, sources: Mapping[str, str]) -> list[str]:
    """Where a host's stream comes from, member by member, until it is the primary's or a member comes twice."""
    found: list[str] = []
    while host in sources and sources[host] not in found:
        host = sources[host]
        found.append(host)
    return found


def roles(subject: Subject) -> Iterator[Mistake]:
    candidates, analytics = subject.topology.candidates, subject.topology.analytics
    if analytics and not candidates:
        yield Mistake(
            "group postgres",
            "patroni_role",
            "analytics",
            "is set on every host, so none can become primary",
            "Leave it out on the hosts that serve the application.",
        )
    elif analytics and len(candidates) == 1:
        yield Mistake(
            f"host {analytics[0]}",
            "patroni_role",
            "analytics",
            f"is set on the only replica, so nothing takes over when {candidates[0]} is lost",
            "Add a host to the group postgres, or leave patroni_role out here.",
        )
    if subject.settings["patroni_recovery_point"] == "zero" and len(candidates) == 1:
        yield Mistake(
            "cluster",
            "patroni_recovery_point",
            "zero",
            "needs a second member to have each commit, and there is one failover candidate",
            "Add a host to the group postgres, or use async.",
        )
    for host in subject.inventory.hosts:
        if (
            host not in subject.inventory.members("postgres")
            and subject.settings.of(host, "patroni_role") == "analytics"
        ):
            yield Mistake(
                f"host {host}",
                "patroni_role",
                "analytics",
                "is set on a host that is not in the group postgres",
                "Add the host to the group, or remove the variable.",
            )
