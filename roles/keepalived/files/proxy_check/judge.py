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


class Kind(NamedTuple):
    """What a check tells about. Penalties of different kinds add up to less than keepalived's priority. `patience` is
    how long it may be since the check was passed, `patience_elsewhere` while another proxy has the address."""

    penalty: int
    patience: float
    patience_elsewhere: float


# A process of this host: nothing but itself can hold up its answer.
SERVICE = Kind(100, 0.8, 0.8)
# A query to the primary: a failover takes a moment, and all proxies find it the same.
PATH = Kind(50, 3.0, 2.0)
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
        self.passed = dict.fromkeys(checks, now)
        self.failed = dict.fromkeys(checks, now)
        self.errors = dict.fromkeys(checks, "it does not answer")
        self.got_address: float | None = None

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

    def _problem(self, name: str, now: float, has_address: bool) -> str:
        kind = self.checks[name]
        if now - self.passed[name] > (kind.patience if has_address else kind.patience_elsewhere):
            self.failed[name] = now
            return self.errors[name]
        return "" if has_address or now - self.failed[name] > PROBATION else "it has not been well for long"


def password(lines: Iterable[str], user: str) -> str:
    """A user's in PgBouncer's file of users: `"user" "password"`, quotes doubled."""
    for line in lines:
        if line.startswith(f'"{user}" "'):
            return line.strip()[len(user) + 4 : -1].replace('""', '"')
    raise ValueError(f"no password of {user}")
