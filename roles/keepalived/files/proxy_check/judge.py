# SPDX-License-Identifier: Apache-2.0
"""By how much this proxy is worse than a sound one: decisions without I/O.

Penalties only count against those of the other proxies. What is wrong with all alike - there is no primary, the pools
are held back for a switchover - is no reason to move the address, but proxies notice it at slightly different moments.
So the one that has the address is the last to be judged, and is believed first: the others are sooner penalised, and
have to be well for a while before they are taken for sound again. In between nobody looks better than it without
being so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

# How long a proxy that has not got the address has to be well before it counts as sound.
PROBATION = 5.0


# What is said of a check without an answer. Any other error is an answer.
SILENT = "it does not answer"


class Patience(NamedTuple):
    """How long it may be since a check was passed, in seconds: on the proxy that has the address, and on another."""

    here: float
    elsewhere: float


class Kind(NamedTuple):
    """What a check tells about. Penalties of different kinds add up to less than keepalived's priority. `refused` is
    for a `no`, and for a process that was stopped; `silent` for everybody who only says nothing yet, which may be for
    want of a processor: their own, or that of the one who asks."""

    penalty: int
    refused: Patience
    silent: Patience


# A process of this host. With hundreds of clients and a thirtieth of a core PgBouncer takes 1-2 s for a login.
SERVICE = Kind(100, refused=Patience(0.8, 0.8), silent=Patience(5.0, 5.0))
# A query to the primary: a failover takes a moment, and all proxies find it the same.
PATH = Kind(50, refused=Patience(3.0, 2.0), silent=Patience(5.0, 4.0))
# Asked to give the address up. Not to one that does not serve.
DRAINED = 30
# Who got the address in the last minutes is preferred to one that only believes to have it: a host that was frozen.
NEWLY = 10
NEWLY_SECONDS = 600.0


class Verdict(NamedTuple):
    """What keepalived adds to the priority, and what there is against this proxy."""

    weight: int
    reasons: list[str]


class Judge:
    def __init__(self, checks: dict[str, Kind], now: float) -> None:
        self.checks = checks
        # With the benefit of the doubt, and on probation.
        self.last_passed = dict.fromkeys(checks, now)
        self.failed = dict.fromkeys(checks, now)
        self.errors = dict.fromkeys(checks, SILENT)
        # Whose process was stopped, so that its silence is a `no`.
        self.stopped: frozenset[str] = frozenset()
        self.got_address: float | None = None

    def passed(self, name: str, now: float) -> None:
        self.last_passed[name] = now
        self.errors[name] = SILENT

    def verdict(self, now: float, has_address: bool, drained: bool) -> Verdict:
        reasons = {name: found for name in self.checks if (found := self._problem(name, now, has_address))}
        penalty = sum({self.checks[name].penalty for name in reasons}) + (DRAINED if drained else 0)
        if not has_address:
            self.got_address = None
        elif self.got_address is None:
            self.got_address = now
        newly = self.got_address is not None and now - self.got_address < NEWLY_SECONDS
        return Verdict(
            (NEWLY if newly else 0) - penalty,
            [*(f"{name}: {reason}" for name, reason in reasons.items()), *(["it is drained"] if drained else [])],
        )

    def _patience(self, name: str, has_address: bool) -> float:
        kind = self.checks[name]
        is_silent = self.errors[name] == SILENT and name not in self.stopped
        patience = kind.silent if is_silent else kind.refused
        return patience.here if has_address else patience.elsewhere

    def _problem(self, name: str, now: float, has_address: bool) -> str:
        if now - self.last_passed[name] > self._patience(name, has_address):
            self.failed[name] = now
            return "it was stopped" if name in self.stopped else self.errors[name]
        return "" if has_address or now - self.failed[name] > PROBATION else "it has not been well for long"


def password(lines: Iterable[str], user: str) -> str:
    """A user's in PgBouncer's file of users: `"user" "password"`, quotes doubled."""
    for line in lines:
        if line.startswith(f'"{user}" "'):
            return line.strip()[len(user) + 4 : -1].replace('""', '"')
    raise ValueError(f"no password of {user}")
