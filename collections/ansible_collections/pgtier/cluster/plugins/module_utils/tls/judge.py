# SPDX-License-Identifier: Apache-2.0
"""Whether a certificate is what is wanted, why not, and how long it lasts. Pure: it sees facts, never a certificate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict

from ansible_collections.pgtier.cluster.plugins.module_utils.tls.request import Host

RENEW_HOST = "Renew it: ansible-playbook playbooks/rotate_certificates.yml"
RENEW_CA = (
    "Replace the CA, with an overlap in which both are trusted: "
    "ansible-playbook playbooks/rotate_certificates.yml -e rotate_ca=begin, then with switch, then with finish"
)
RENEW_GIVEN = "You gave it, so replace what you gave by a newer one"


@dataclass(frozen=True)
class Facts:
    """What a certificate says of itself. Times are UTC. `names` are in lower case, `addresses` in canonical form."""

    names: frozenset[str]
    addresses: frozenset[str]
    server: bool
    client: bool
    not_before: datetime
    not_after: datetime


class ExpiryRow(TypedDict):
    """One line of the list of certificates. `days_left` is rounded down: -1 has expired within the last day."""

    what: str
    not_after: str
    days_left: int


def why_reissue(host: Host, facts: Facts) -> str | None:
    """Why a stored certificate is not the one that `host` wants; None when it is. Its age is no reason."""
    wanted, stored = host.names | host.addresses, facts.names | facts.addresses
    if wanted != stored:
        changes = [f"+{name}" for name in sorted(wanted - stored)] + [f"-{name}" for name in sorted(stored - wanted)]
        return f"names or addresses changed: {', '.join(changes)}"
    if not facts.server:
        return "it is not for a server"
    if host.client != facts.client:
        return "it is to serve as a client certificate too" if host.client else "it is to serve no longer as a client"
    return None


def shortcomings(host: Host, facts: Facts) -> list[str]:
    """What `host` needs and a certificate that the user gave does not have. It may be good for more than is needed."""
    found = [f"it is not made out to {name}" for name in sorted(host.names) if not _covers(facts.names, name)]
    found += [f"it is not made out to {address}" for address in sorted(host.addresses - facts.addresses)]
    if not facts.server:
        found.append("its extended key usage lacks serverAuth")
    if host.client and not facts.client:
        found.append("its extended key usage lacks clientAuth")
    return found


def _covers(names: Iterable[str], wanted: str) -> bool:
    """A wildcard stands for exactly one label, the first (RFC 6125)."""
    _first, dot, rest = wanted.partition(".")
    return wanted in names or (dot != "" and f"*.{rest}" in names)


def expiry_row(what: str, facts: Facts, now: datetime) -> ExpiryRow:
    return {"what": what, "not_after": _iso(facts.not_after), "days_left": (facts.not_after - now).days}


def expiry_problem(what: str, facts: Facts, now: datetime, refuse_days: int, remedy: str) -> str | None:
    """Why a run should be refused; None while at least `refuse_days` are left."""
    left = facts.not_after - now
    if facts.not_before > now:
        return f"{what} is not valid before {_iso(facts.not_before)}, and now it is {_iso(now)}: correct the clock"
    if left <= timedelta(0):
        return f"{what} expired on {_iso(facts.not_after)}. {remedy}"
    if left < timedelta(days=refuse_days):
        return f"{what} expires on {_iso(facts.not_after)}, within {refuse_days} days. {remedy}"
    return None


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
