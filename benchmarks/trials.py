# SPDX-License-Identifier: Apache-2.0
"""One trial: clients write, something is struck, and the trial ends some seconds after writes have gone on again."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from ansible_collections.pgtier.cluster.plugins.module_utils.drill import checker, load, report
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.ledger import Ledger
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.logins import SETTINGS
from psycopg.conninfo import make_conninfo

# Those of the drill's clients, without the choice of a proxy at random: all are where it hurts.
CLIENT = {key: value for key, value in SETTINGS.items() if key != "load_balance_hosts"}
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Load:
    """What clients do: so many of them, with a pause between two transactions."""

    clients: int
    pause: float
    before: float = 3.0
    # Writes that have gone on for so long have gone on; and no trial lasts longer than the bound.
    after: float = 5.0
    bound: float = 120.0


@dataclass(frozen=True)
class Trial:
    ledger: Ledger
    struck: float
    end: float

    def figures(self) -> dict[str, object]:
        """As columns. Only what came after the strike is held against it."""
        failed = [failure for failure in self.ledger.failures if failure.moment >= self.struck]
        moments = (write.end for write in self.ledger.writes)
        return {
            "recovery_seconds": round(report.longest_gap(moments, self.struck, self.end), 3),
            "failed": len(failed),
            "cached": sum("cached error" in failure.error for failure in failed),
            "acknowledged": len(self.ledger.writes),
            "lost": checker.lost(self.ledger),
            "anomalies": sum(anomaly.number for anomaly in checker.check(self.ledger)),
            "seconds": round(self.end - self.struck, 1),
            "failed_by_kind": report.kinds(failed),
            "found": [str(anomaly) for anomaly in checker.check(self.ledger)],
        }


def go_on(moments: list[float], since: float, now: float, seconds: float) -> bool:
    """Whether progress was seen in each second of the last `seconds`, all of them after `since`. Pure."""
    if now - since < seconds:
        return False
    recent = [now - seconds, *(moment for moment in moments if moment >= now - seconds), now]
    return all(after - before <= 1.0 for before, after in itertools.pairwise(recent))


@contextmanager
def watched(conninfo: str, schema: str) -> Iterator[list[float]]:
    """The moments at which the clients' clock was seen to have advanced, by one more client on their way."""
    moments: list[float] = []
    over = threading.Event()

    def look() -> None:
        last = -1
        while not over.is_set():
            try:
                with psycopg.connect(conninfo, autocommit=True, prepare_threshold=None) as connection:
                    while not over.wait(0.2):
                        row = connection.execute(f"SELECT n FROM {schema}.clock").fetchone()
                        if row and row[0] > last:
                            last = row[0]
                            moments.append(time.monotonic())
            except psycopg.Error:
                over.wait(0.2)

    threading.Thread(target=look, daemon=True).start()
    try:
        yield moments
    finally:
        over.set()


def trial(conninfo: str, wanted: Load, strike: Callable[[], object], is_led: Callable[[], bool]) -> Trial:
    """Ends when writes go on *and* somebody says that it is the primary; what happens afterwards is nobody's."""
    way = make_conninfo(conninfo, **CLIENT)
    connections = load.Connections(way, [way] * wanted.clients, [])
    with (
        load.running(connections, pause=wanted.pause, patience=PATIENCE_SECONDS) as clients,
        watched(way, clients.schema) as moments,
    ):
        time.sleep(wanted.before)
        struck = time.monotonic()
        strike()
        done = time.monotonic()
        while (now := time.monotonic()) < done + wanted.bound:
            if go_on(moments, done, now, wanted.after) and is_led():
                break
            time.sleep(0.2)
        end = time.monotonic()
        clients.stop()
    return Trial(clients.report, struck, end)
