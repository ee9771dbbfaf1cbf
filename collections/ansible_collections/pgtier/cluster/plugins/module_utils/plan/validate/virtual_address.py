"""A virtual address that no proxy could take, or that somebody has already."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from ..keepalived import interface
from ..mistakes import Mistake, show
from ..topology import parse_address
from .subject import Subject

_VARIABLE = "keepalived_address"
_INTERFACE = re.compile(r"[^\s/\"'{}#!]{1,15}")


def address(subject: Subject) -> Iterator[Mistake]:
    written = subject.settings[_VARIABLE]
    if written is None:
        return
    proxies = subject.topology.proxies
    virtual = parse_address(written)
    if virtual is None:
        yield _wrong(written, "is not an IP address", "Use one without a prefix length, such as 192.0.2.10.")
    elif virtual.is_unspecified or virtual.is_multicast or virtual.is_loopback or virtual.is_link_local:
        yield _wrong(
            written, "is not an address at which clients can reach a proxy", "Use one of the proxies' network."
        )
    else:
        for host, own in subject.topology.addresses.items():
            if str(virtual) == own:
                yield _wrong(written, f"is the address of host {host} too", "Use one that nobody has.")
        for host in proxies:
            own = subject.topology.addresses.get(host, "")
            if own and ipaddress.ip_address(own).version != virtual.version:
                yield _wrong(
                    written,
                    f"is of another family than the address of {host}, {own}",
                    "Proxies speak to each other about it by their own addresses: use the same family.",
                )
                break
    if len(proxies) == 1:
        yield _wrong(
            written,
            f"has one proxy to be on, {proxies[0]}: it could not move",
            "Add a host to the group proxy, or remove the variable.",
        )


def interfaces(subject: Subject) -> Iterator[Mistake]:
    """What can only be told when the hosts have been asked comes in the second plan of a run."""
    settings = subject.settings
    virtual = parse_address(settings[_VARIABLE])
    for host in subject.inventory.hosts:
        named = settings.of(host, "keepalived_interface")
        if named is not None and not _INTERFACE.fullmatch(named):
            yield Mistake(
                f"host {host}",
                "keepalived_interface",
                show(named),
                "is not the name of a network interface",
                "Use a name that `ip link` shows, such as eth0.",
            )
        facts = subject.facts.get(host)
        if virtual is None or host not in subject.topology.proxies or facts is None:
            continue
        if not interface(settings, subject.facts, host):
            yield Mistake(
                f"host {host}",
                "keepalived_interface",
                "",
                f"is not set, and no interface has the host's address {subject.topology.addresses.get(host, '')}",
                "Set pgtier_address to the address that the host has itself, or name the interface.",
            )
        elif named is None and facts.network and not _takes(facts.network, virtual):
            yield Mistake(
                f"host {host}",
                _VARIABLE,
                show(str(virtual)),
                f"is no host's address in the network of interface {facts.interface}, "
                f"{ipaddress.ip_interface(facts.network).network}",
                "Use a free one of that network, or name another interface in keepalived_interface.",
            )


def _takes(network: str, virtual: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    found = ipaddress.ip_interface(network).network
    ends = (found.network_address, found.broadcast_address) if found.version == 4 and found.prefixlen < 31 else ()
    return virtual in found and virtual not in ends


def _wrong(value: str, problem: str, remedy: str) -> Mistake:
    return Mistake("cluster", _VARIABLE, show(value), problem, remedy)
