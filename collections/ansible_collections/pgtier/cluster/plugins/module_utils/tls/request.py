# SPDX-License-Identifier: Apache-2.0
"""What a run wants of the certificate authority, read from a task's arguments. Pure; finds every mistake at once."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ROTATION = ("none", "begin", "switch", "finish")

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_DNS_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_FILE_NAME = re.compile(r"[^/\x00-\x1f\x7f.][^/\x00-\x1f\x7f]{0,199}")


class CertificatesError(ValueError):
    """What was asked for, given or stored cannot be used. The text says what, where and what to do; never a key."""


@dataclass(frozen=True)
class Host:
    """What the certificate of a host has to be good for. DNS names are in lower case, addresses in canonical form."""

    name: str
    names: frozenset[str]
    addresses: frozenset[str]
    client: bool = False


@dataclass(frozen=True)
class Given:
    """A certificate that the user chose, in PEM. It is used as it is, and its key is never stored."""

    certificate: str
    private_key: str | None


@dataclass(frozen=True)
class Request:
    """All that a run wants. Lifetimes are in days."""

    scope: str
    hosts: Mapping[str, Host]
    ca_days: int = 3650
    days: int = 365
    refuse_days: int = 14
    renew: frozenset[str] = frozenset()
    ca_rotation: str = "none"
    given_ca: Given | None = None
    given: Mapping[str, Given] = field(default_factory=dict)


def read(args: Mapping[str, Any]) -> Request:
    """Raises CertificatesError with all mistakes in `args`, which has been checked for types one level deep."""
    mistakes: list[str] = []
    hosts = {name: _host(name, wanted, mistakes) for name, wanted in args["hosts"].items()}
    given_ca = _given_ca(args["given_ca"], mistakes)
    given = {
        name: one
        for name, value in args["given"].items()
        if (one := _given(f"given for {name}", value, mistakes, True))
    }
    if args["given"] and given_ca is None:
        mistakes.append(
            "certificates are given for hosts without the CA that signed them: put that in `given_ca.certificate`"
        )
    for name in sorted(set(args["given"]) - set(hosts)):
        mistakes.append(f"a certificate is given for {name}, which is not a host of the cluster: correct the name")
    renew = _renew(args["renew"], set(hosts), set(args["given"]), mistakes)
    if args["ca_rotation"] != "none" and given_ca is not None:
        mistakes.append(
            "the CA is given, so its rotation is yours: give the old and the new certificate together in "
            "`given_ca.certificate`, then the new private key, then the new certificate alone, with a run after each"
        )
    for name in ("days", "ca_days"):
        if args[name] <= args["refuse_days"]:
            mistakes.append(
                f"`{name}` is {args[name]} and `refuse_days` is {args['refuse_days']}: a certificate made now would be "
                f"refused at once. Make `{name}` the greater one"
            )
    if args["refuse_days"] < 0:
        mistakes.append(f"`refuse_days` is {args['refuse_days']}: it has to be 0 or more")
    if mistakes:
        raise CertificatesError("; ".join(mistakes) + ".")
    return Request(
        scope=args["scope"],
        hosts=hosts,
        ca_days=args["ca_days"],
        days=args["days"],
        refuse_days=args["refuse_days"],
        renew=renew,
        ca_rotation=args["ca_rotation"],
        given_ca=given_ca,
        given=given,
    )


def _host(name: str, wanted: object, mistakes: list[str]) -> Host:
    if not isinstance(name, str) or not _FILE_NAME.fullmatch(name):
        mistakes.append(f"host {name!r} cannot be the name of a file: rename it in the inventory")
    if not isinstance(wanted, Mapping) or set(wanted) - {"names", "addresses", "client"}:
        mistakes.append(f"host {name}: it has to be a dict of `names`, `addresses` and `client`")
        return Host(name, frozenset(), frozenset())
    client = wanted.get("client", False)
    if not isinstance(client, bool):
        mistakes.append(f"host {name}: `client` has to be true or false, not {client!r}")
    names = {_dns_name(name, value, mistakes) for value in _texts(name, wanted, "names", mistakes)}
    addresses = {_address(name, value, mistakes) for value in _texts(name, wanted, "addresses", mistakes)}
    if not names and not addresses:
        mistakes.append(f"host {name}: without names and addresses no client could verify it. Name at least one")
    return Host(str(name), frozenset(names), frozenset(addresses), bool(client))


def _texts(host: str, wanted: Mapping[str, object], key: str, mistakes: list[str]) -> Sequence[str]:
    values = wanted.get(key, [])
    if isinstance(values, str) or not isinstance(values, Sequence) or not all(isinstance(v, str) for v in values):
        mistakes.append(f"host {host}: `{key}` has to be a list of texts, not {values!r}")
        return []
    return values


def _dns_name(host: str, value: str, mistakes: list[str]) -> str:
    name = str(value).lower()
    if _is_address(name):
        mistakes.append(f"host {host}: {value} in `names` is an address: move it to `addresses`")
    elif len(name) > 253 or not _DNS_NAME.fullmatch(name):
        mistakes.append(
            f"host {host}: {value!r} in `names` is no DNS name (letters, digits, hyphens, dots): correct it"
        )
    return name


def _address(host: str, value: str, mistakes: list[str]) -> str:
    # `fe80::1%eth0` parses, but a certificate has no place for the interface.
    if not _is_address(value) or "%" in value:
        mistakes.append(f"host {host}: {value!r} in `addresses` is no IPv4 or IPv6 address: correct it")
        return value
    return str(ipaddress.ip_address(str(value)))


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _given_ca(value: Mapping[str, object] | None, mistakes: list[str]) -> Given | None:
    return _given("given_ca", value, mistakes, False) if value else None


def _given(what: str, value: object, mistakes: list[str], key_needed: bool) -> Given | None:
    if not isinstance(value, Mapping) or set(value) - {"certificate", "private_key"}:
        mistakes.append(f"{what}: it has to be a dict of `certificate` and `private_key`")
        return None
    texts = {key: value.get(key) or None for key in ("certificate", "private_key")}
    for key, text in texts.items():
        if text is not None and not isinstance(text, str):
            mistakes.append(f"{what}: `{key}` has to be PEM text")
        elif text is None and (key_needed or key == "certificate"):
            other = "private_key" if key == "certificate" else "certificate"
            mistakes.append(f"{what}: `{key}` is missing; it belongs to `{other}`, so give both")
    certificate, private_key = texts["certificate"], texts["private_key"]
    if not isinstance(certificate, str) or not isinstance(private_key, str | None):
        return None
    return Given(certificate, private_key)


def _renew(renew: Sequence[str], hosts: set[str], given: set[str], mistakes: list[str]) -> frozenset[str]:
    if "all" in renew:
        return frozenset(hosts - given)
    for name in sorted(set(renew) - hosts):
        mistakes.append(f"`renew` names {name}, which is not a host of the cluster: correct the name")
    for name in sorted(set(renew) & given):
        mistakes.append(f"`renew` names {name}, whose certificate is given: replace what you gave instead")
    return frozenset(str(name) for name in renew)
