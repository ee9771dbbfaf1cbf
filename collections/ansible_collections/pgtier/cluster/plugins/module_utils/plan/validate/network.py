"""Ports that clash, and networks and pg_hba rules that nothing could be made of."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from ..hba import connection
from ..hosts import ports as ports_of
from ..logins import SERVICE_USERS, SUPERUSER
from ..mistakes import Mistake, show
from ..topology import parse_address
from .subject import Subject

_DNS_NAME = re.compile(
    r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.I
)
_COMMENT = re.compile(r"[^\"\\\n]{1,100}")
_TOKEN = re.compile(r"[^\s\"#]+")


def ports(subject: Subject) -> Iterator[Mistake]:
    """One mistake for each two variables, however many hosts they meet on."""
    clashes: dict[tuple[str, str, int], list[str]] = {}
    for host in subject.inventory.hosts:
        owner: dict[int, str] = {}
        for port in ports_of(subject.settings, subject.topology, host):
            number, variable = port["port"], port["variable"]
            if number in owner:
                clashes.setdefault((variable, owner[number], number), []).append(host)
            owner.setdefault(number, variable)
    for (variable, other, number), hosts in clashes.items():
        yield Mistake(
            f"host{'s' if len(hosts) > 1 else ''} {', '.join(hosts)}",
            variable,
            show(number),
            f"is the port of {other} too, on the same host",
            f"Set {variable} or {other} to a port that is free.",
        )


def tls_names(subject: Subject) -> Iterator[Mistake]:
    for index, name in enumerate(subject.settings["tls_names"]):
        if parse_address(name) is None and not _DNS_NAME.fullmatch(name):
            yield Mistake(
                "cluster",
                f"tls_names[{index}]",
                show(name),
                "is neither a name that DNS could have nor an IP address",
                "Use one such as db.example.com, without a port.",
            )


def client_networks(subject: Subject) -> Iterator[Mistake]:
    yield from _networks("cluster", "postgresql_client_networks", subject.settings["postgresql_client_networks"])


def firewall(subject: Subject) -> Iterator[Mistake]:
    settings = subject.settings
    admin = settings["firewall_admin_networks"]
    yield from _networks("cluster", "firewall_admin_networks", admin)
    for host in subject.inventory.hosts:
        client = parse_address(subject.facts[host].ssh_client) if host in subject.facts else None
        if settings["firewall_enabled"] and admin and client and not any(_within(client, value) for value in admin):
            yield Mistake(
                f"host {host}",
                "firewall_admin_networks",
                show(", ".join(admin)),
                f"would lock Ansible out, which comes from {client}",
                "Add a network that this address is in.",
            )
        own = {port["port"]: port["variable"] for port in ports_of(settings, subject.topology, host)}
        for index, extra in enumerate(settings.of(host, "firewall_extra")):
            path = f"firewall_extra[{index}]"
            yield from _networks(f"host {host}", f"{path}.networks", extra["networks"])
            if not extra["networks"]:
                yield Mistake(
                    f"host {host}",
                    f"{path}.networks",
                    "",
                    "is empty, so that nobody could reach the port",
                    "List who may reach it, such as 10.1.2.0/24.",
                )
            if not _COMMENT.fullmatch(extra["purpose"]):
                yield Mistake(
                    f"host {host}",
                    f"{path}.purpose",
                    show(extra["purpose"]),
                    "cannot be a comment in nftables",
                    "Use up to 100 characters without quotes, backslashes and line breaks.",
                )
            if extra["protocol"] == "tcp" and extra["port"] in own:
                yield Mistake(
                    f"host {host}",
                    f"{path}.port",
                    show(extra["port"]),
                    f"is a port of the cluster ({own[extra['port']]}), which is open to whom it has to be",
                    "Applications belong in postgresql_client_networks.",
                )


def hba_rules(subject: Subject) -> Iterator[Mistake]:
    kind = connection(subject.settings)
    for index, rule in enumerate(subject.settings["postgresql_hba"]):
        path = f"postgresql_hba[{index}]"
        if rule["type"] not in (None, kind):
            yield Mistake(
                "cluster",
                f"{path}.type",
                show(rule["type"]),
                "would let in what is not encrypted" if kind == "hostssl" else "can never match: tls_enabled is false",
                f"Leave it out, which means {kind}.",
            )
        for key in ("database", "user"):
            if rule[key] and not _TOKEN.fullmatch(rule[key]):
                yield Mistake(
                    "cluster",
                    f"{path}.{key}",
                    show(rule[key]),
                    "would break the line of pg_hba",
                    "Separate names by commas alone, without blanks, quotes or #.",
                )
        for user in {SUPERUSER, *SERVICE_USERS} & {*rule["user"].split(",")}:
            yield Mistake(
                "cluster",
                f"{path}.user",
                show(rule["user"]),
                f"names {user}, which an earlier rule refuses from everywhere but the cluster's hosts",
                "Make a user of your own in databases_users for it.",
            )
        if rule["address"]:
            yield from _network("cluster", f"{path}.address", rule["address"])


def _networks(where: str, path: str, values: list[str]) -> Iterator[Mistake]:
    for index, value in enumerate(values):
        yield from _network(where, f"{path}[{index}]", value)
        if value in values[:index]:
            yield Mistake(where, f"{path}[{index}]", show(value), "is listed twice", "Remove one.")


def _network(where: str, path: str, value: str) -> Iterator[Mistake]:
    try:
        loose = ipaddress.ip_network(value, strict=False)
    except ValueError:
        yield Mistake(where, path, show(value), "is not a network", "Use CIDR notation, such as 10.1.2.0/24.")
        return
    if "/" not in value:
        yield Mistake(where, path, show(value), "has no mask", f"Did you mean {loose}?")
    elif str(loose.network_address) != str(ipaddress.ip_interface(value).ip):
        yield Mistake(where, path, show(value), "has bits set right of its mask", f"Did you mean {loose}?")


def _within(address: ipaddress.IPv4Address | ipaddress.IPv6Address, network: str) -> bool:
    """A network that cannot be read is another mistake."""
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return True
