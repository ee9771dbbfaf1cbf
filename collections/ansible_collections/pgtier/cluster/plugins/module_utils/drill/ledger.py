# SPDX-License-Identifier: Apache-2.0
"""What a load's clients were told, and what is there at the end. Pure.

Every write has a token that nobody else writes, and is written down when its client is told what became of it:
acknowledged, failed (it is not there), or indeterminate (the connection went before the answer came, or the commit came
with a warning: the wait for the standby was cancelled). Half of the writers commit one statement, half a transaction of
two. Every acknowledged write says which server took it, on which timeline.

Writers also look, over the endpoint that they write to, how far they have come themselves.

One more client, the clock, counts up a number in the database. A reader that sees the number n is as old as the moment
at which n + 1 was acknowledged, on the clients' one monotonic clock; so a read's age is known without any clock of a
server, and is never overstated.

Moments are those of time.monotonic where the clients ran.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Token = tuple[int, int]
"""Of a write: the client's number, and the number of the write among its own."""


class Write(NamedTuple):
    """An acknowledged one. `server` is the address of the member that committed it."""

    begin: float
    end: float
    client: int
    sequence: int
    server: str = ""
    timeline: int = 0

    @property
    def token(self) -> Token:
        return self.client, self.sequence


class Read(NamedTuple):
    begin: float
    end: float
    number: int
    server: str


class Look(NamedTuple):
    """A client saw on the primary endpoint that its newest write is `sequence`; 0 is none."""

    begin: float
    end: float
    client: int
    sequence: int


class Tick(NamedTuple):
    moment: float
    number: int


class Failure(NamedTuple):
    """`what` is connect, write, look, clock or read. The token is that of the write, if it is one."""

    moment: float
    what: str
    error: str
    client: int | None = None
    sequence: int | None = None
    indeterminate: bool = False

    @property
    def token(self) -> Token | None:
        return None if self.client is None or self.sequence is None else (self.client, self.sequence)


@dataclass
class Ledger:
    writes: list[Write] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    ticks: list[Tick] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    # What is there at the end: how often each half of each write.
    rows: Counter[tuple[int, int, int]] = field(default_factory=Counter)

    def add(self, seen: Mapping[str, Iterable[Sequence[Any]]]) -> None:
        """What one process of clients saw, as it comes out of JSON."""
        self.writes += [Write(*item) for item in seen.get("writes", ())]
        self.looks += [Look(*item) for item in seen.get("looks", ())]
        self.reads += [Read(*item) for item in seen.get("reads", ())]
        self.ticks += [Tick(*item) for item in seen.get("ticks", ())]
        self.failures += [Failure(*item) for item in seen.get("failures", ())]

    def between(self, begin: float, end: float) -> Ledger:
        """What ended in this time. The ticks stay, as reads are judged by them."""
        writes = [write for write in self.writes if begin <= write.end <= end]
        failures = [failure for failure in self.failures if begin <= failure.moment <= end]
        tokens = {write.token for write in writes} | {failure.token for failure in failures}
        return Ledger(
            writes,
            [look for look in self.looks if begin <= look.end <= end],
            [read for read in self.reads if begin <= read.end <= end],
            self.ticks,
            failures,
            Counter({row: number for row, number in self.rows.items() if row[:2] in tokens}),
        )

    @property
    def longest_stall(self) -> float:
        """Seconds in which no write at all was acknowledged."""
        moments = sorted(write.end for write in self.writes)
        return max((after - before for before, after in itertools.pairwise(moments)), default=float("inf"))

    @property
    def slowest_write(self) -> float:
        return max((write.end - write.begin for write in self.writes), default=0.0)

    @property
    def slowest_read(self) -> float:
        return max((read.end - read.begin for read in self.reads), default=0.0)

    @property
    def servers(self) -> Counter[str]:
        """Who answered the reads."""
        return Counter(read.server for read in self.reads)

    def ages(self) -> list[float]:
        """How old each read was when it was asked for: since when a newer number had been acknowledged."""
        numbers = [tick.number for tick in self.ticks]
        ages = []
        for read in self.reads:
            newer = bisect.bisect_right(numbers, read.number)
            known_since = self.ticks[newer].moment if newer < len(self.ticks) else read.begin
            ages.append(max(0.0, read.begin - known_since))
        return ages

    @property
    def oldest_read(self) -> float:
        return max(self.ages(), default=0.0)

    def __str__(self) -> str:
        return (
            f"{len(self.writes)} writes, longest stall {self.longest_stall:.2f} s, slowest {self.slowest_write:.2f} s; "
            f"{len(self.reads)} reads, slowest {self.slowest_read:.2f} s, oldest {self.oldest_read:.2f} s; "
            f"{len(self.failures)} failures"
        )


def halves(token: Token) -> range:
    """The rows of a write: of one statement, or of a transaction of two."""
    return range(1 + token[0] % 2)
