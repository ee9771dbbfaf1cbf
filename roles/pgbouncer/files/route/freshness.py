# SPDX-License-Identifier: Apache-2.0
"""How far behind a replica is in seconds, from positions in the WAL. Pure but for the caller's clock.

The primary's position is sampled. A replica that has replayed a sampled position shows everything that was committed up
to the moment of that sample, so it is behind by the time since then, at most. No clock but this host's is compared, and
a primary that nobody writes to leaves nobody behind. A replica is judged by samples, so the judgement is late by one
interval of sampling and the time that an answer takes.

While the primary cannot be sampled, or a replica does not answer, nothing is decided: that is the health check's.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

KEPT = 1000  # samples of the primary: some minutes
TRUSTED = 5.0  # seconds for which a sample says something


class Sample(NamedTuple):
    """A position in the WAL, in bytes, at or after a moment."""

    moment: float
    position: int


class Gate:
    """Who is stale: behind by more than `limit` seconds, until not behind by more than half of it. 0: nobody is."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._leader = ""
        self._timeline = 0
        self._written: deque[Sample] = deque(maxlen=KEPT)
        self._replayed: dict[str, Sample] = {}
        self._stale: set[str] = set()

    def leader(self, now: float) -> str:
        """The address of who was the last to say that it leads, on the newest timeline; empty while nobody does."""
        with self._lock:
            return self._leader if self._written and now - self._written[-1].moment <= TRUSTED else ""

    def leads(self, address: str, moment: float, position: int, timeline: int = 1) -> None:
        """The primary had written this much at `moment` or later. A former one that wakes up is not listened to while
        the new one is heard; after that, for a cluster may be made anew."""
        with self._lock:
            if timeline < self._timeline and moment - self._written[-1].moment <= TRUSTED:
                return
            self._timeline = timeline
            if address != self._leader:
                self._leader = address
                self._written.clear()
            self._written.append(Sample(moment, position))
            self._replayed.pop(address, None)

    def follows(self, address: str, moment: float, position: int) -> None:
        """A replica had replayed this much at `moment` or later."""
        with self._lock:
            self._replayed[address] = Sample(moment, position)

    def lag(self, address: str, now: float) -> float | None:
        """Seconds that the replica is behind, at most; None while that is not known."""
        with self._lock:
            return self._lag(address, now)

    def stale(self, now: float) -> set[str]:
        if not self.limit:
            return set()
        with self._lock:
            for address in self._replayed:
                lag = self._lag(address, now)
                if lag is None:
                    continue
                if lag > self.limit:
                    self._stale.add(address)
                elif lag <= self.limit / 2:
                    self._stale.discard(address)
            return set(self._stale)

    def _lag(self, address: str, now: float) -> float | None:
        replayed = self._replayed.get(address)
        if replayed is None or not self._written:
            return None
        if now - replayed.moment > TRUSTED or now - self._written[-1].moment > TRUSTED:
            return None
        # The newest position that it has replayed; of equal ones the newest, for nothing was written in between.
        for sample in reversed(self._written):
            if sample.position <= replayed.position:
                return max(0.0, replayed.moment - sample.moment)
        return replayed.moment - self._written[0].moment
