# SPDX-License-Identifier: Apache-2.0
"""What must not happen, whatever fails, found in a ledger. Pure.

The checker proves: it says that something happened only if no order of events explains what the clients saw. What
nobody can know, because an answer was lost, it does not hold against the tier.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ansible_collections.pgtier.cluster.plugins.module_utils.drill.ledger import Ledger, Look, Token, Write, halves

# `pgbouncer_replica_max_lag_seconds` as it is by default, and what the gate needs to notice.
OLDEST_READ_SECONDS = 11.0


class Anomaly(NamedTuple):
    kind: str
    number: int
    text: str

    def __str__(self) -> str:
        return self.text


# In the order in which they are told.
KINDS = {
    "lost": "acknowledged writes are lost, or a part of them is",
    "duplicated": "writes are there more than once",
    "contradicted": "writes are there whose clients were told that they failed",
    "torn": "transactions are there in half",
    "unknown": "writes are there that no client made",
    "overlap": "times two members committed at once, or an older timeline after a newer one",
    "backwards": "times a client saw its own newest write go away",
}


def check(ledger: Ledger) -> list[Anomaly]:
    """Everything that no failure may bring about; empty if all is well."""
    found: dict[str, Sequence[object]] = {
        **_rows(ledger),
        "overlap": overlaps(ledger.writes),
        "backwards": backwards(ledger.writes, ledger.looks),
    }
    return [
        Anomaly(kind, len(found[kind]), f"{len(found[kind])} {meaning}, such as {', '.join(map(str, found[kind][:3]))}")
        for kind, meaning in KINDS.items()
        if found[kind]
    ]


def lost(ledger: Ledger) -> int:
    return len(_rows(ledger)["lost"])


def problems(ledger: Ledger, oldest_read: float = OLDEST_READ_SECONDS) -> list[str]:
    """Everything that an operation without the application's notice must not leave: any failure counts as well."""
    errors = Counter(f"{failure.what}: {failure.error}" for failure in ledger.failures)
    found = [f"{number} x {error}" for error, number in errors.items()]
    if not ledger.writes or not ledger.reads or not ledger.ticks:
        found.append(f"no load: {len(ledger.writes)} writes, {len(ledger.reads)} reads, {len(ledger.ticks)} ticks")
    found += [anomaly.text for anomaly in check(ledger)]
    if (age := ledger.oldest_read) > oldest_read:
        found.append(f"a read was {age:.1f} s old, and {oldest_read:g} s are allowed")
    return found


def _rows(ledger: Ledger) -> dict[str, list[Token]]:
    """Writes that are there, or not, against what their clients were told."""
    acknowledged = {write.token for write in ledger.writes}
    failed = {failure.token for failure in ledger.failures if not failure.indeterminate}
    told = acknowledged | {failure.token for failure in ledger.failures}
    there: defaultdict[Token, set[int]] = defaultdict(set)
    for client, sequence, half in ledger.rows:
        there[client, sequence].add(half)
    return {
        "lost": sorted(token for token in acknowledged if not there.get(token, set()).issuperset(halves(token))),
        "duplicated": sorted({row[:2] for row, number in ledger.rows.items() if number > 1}),
        "contradicted": sorted(token for token in there if token in failed),
        # Of an acknowledged write, a missing half is a loss.
        "torn": sorted(
            token for token, seen in there.items() if token not in acknowledged and seen != set(halves(token))
        ),
        "unknown": sorted(token for token in there if token not in told),
    }


@dataclass(frozen=True)
class Reign:
    """The acknowledged writes of one server on one timeline.

    `latest_begin`: it surely committed at this moment or later, as that write was not asked for before. `earliest_end`:
    it surely committed at this moment or before, as that write was acknowledged then.
    """

    timeline: int
    server: str
    latest_begin: float
    earliest_end: float
    last: float

    def __str__(self) -> str:
        return f"{self.server} on timeline {self.timeline}"


def reigns(writes: Iterable[Write]) -> list[Reign]:
    """Who committed, in order of the timelines. Writes that do not say who took them are left out."""
    by_reign: defaultdict[tuple[int, str], list[Write]] = defaultdict(list)
    for write in writes:
        if write.timeline:
            by_reign[write.timeline, write.server].append(write)
    return [
        Reign(
            timeline,
            server,
            max(write.begin for write in taken),
            min(write.end for write in taken),
            max(write.end for write in taken),
        )
        for (timeline, server), taken in sorted(by_reign.items())
    ]


def overlaps(writes: Iterable[Write]) -> list[str]:
    """Pairs of reigns of which the older surely committed after the younger had.

    Each promotion begins a timeline, so a timeline has one server, and all of its commits come before those of the
    next. When a commit happens is known only to lie between its begin and its end, so the older one is convicted if
    a write of its began after one of the younger one's was acknowledged.
    """
    return [
        f"{older} and {younger}"
        for older, younger in itertools.combinations(reigns(writes), 2)
        if older.timeline == younger.timeline or older.latest_begin > younger.earliest_end
    ]


def backwards(writes: Iterable[Write], looks: Iterable[Look]) -> list[str]:
    """Looks that show less than their client had been told or shown before. A client does one thing after the other."""
    return list(_backwards(sorted([*writes, *looks], key=lambda one: one.end)))


def _backwards(events: Iterable[Write | Look]) -> Iterator[str]:
    known: defaultdict[int, int] = defaultdict(int)
    for event in events:
        if isinstance(event, Look) and event.sequence < known[event.client]:
            yield f"client {event.client} from {known[event.client]} to {event.sequence}"
        known[event.client] = max(known[event.client], event.sequence)
