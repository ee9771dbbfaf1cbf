"""The primary's postmaster is killed under a light write load: writes go on, and no acknowledged row is lost."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise

import psycopg
import pytest
from tier import Tier, join, wait_until

WRITERS = 5
# Generous for a busy machine; what was measured is printed. A tier that waits out Patroni's ttl (20 s) fails this.
WRITES_AGAIN_WITHIN_SECONDS = 15
WHOLE_AGAIN_WITHIN_SECONDS = 90


@dataclass
class Log:
    """What a writer was told, written down when it was told: the acknowledged keys, their moments, the errors."""

    acknowledged: list[tuple[float, int]] = field(default_factory=list)
    errors: list[tuple[float, str]] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)


def write(tier: Tier, table: str, writer: int, over: threading.Event, log: Log) -> None:
    """One row after the other, each with a key of its own; after an error the next key, as the row's fate is unknown.

    A commit that came with a warning (the wait for the standby was cancelled) does not count as acknowledged.
    """
    conninfo = tier.conninfo("primary", proxy=writer % len(tier.groups["proxy"]))
    connection: psycopg.Connection[tuple[object, ...]] | None = None
    warned = threading.Event()
    key = writer
    while not over.wait(0.02):
        key += WRITERS
        try:
            if connection is None or connection.closed:
                connection = psycopg.connect(conninfo, autocommit=True)
                connection.add_notice_handler(lambda notice: warned.set())
            warned.clear()
            connection.execute(f"INSERT INTO {table} VALUES (%s, 'acknowledged')", [key])
            if warned.is_set():
                log.doubtful.append(str(key))
            else:
                log.acknowledged.append((time.monotonic(), key))
        except psycopg.Error as error:
            log.errors.append((time.monotonic(), str(error).strip()))
            if connection is not None:
                connection.close()
    if connection is not None:
        connection.close()


def longest_gap(moments: list[float]) -> float:
    return max(later - earlier for earlier, later in pairwise(moments))


@pytest.fixture
def killed(tier: Tier, table: str) -> tuple[str, list[Log], float]:
    """The name of the primary whose postmaster was killed, what the writers were told, and when it happened."""
    leader = tier.leader()
    logs = [Log() for _ in range(WRITERS)]
    over = threading.Event()
    threads = [
        threading.Thread(target=write, args=(tier, table, number, over, log), daemon=True)
        for number, log in enumerate(logs)
    ]
    for thread in threads:
        thread.start()
    try:
        wait_until("every writer writes", 15, lambda: all(len(log.acknowledged) > 20 for log in logs))
        before = time.monotonic()
        tier.host(leader).check_output("kill -9 $(head -n 1 /var/lib/postgresql/*/main/postmaster.pid)")
        wait_until(
            "every writer writes again",
            60,
            lambda: all(log.acknowledged[-1][0] > before + 1 for log in logs) and tier.leader() != leader,
        )
        time.sleep(2)
    finally:
        over.set()
        join(threads)
    return leader, logs, before


def test_a_killed_primary_costs_seconds_and_no_acknowledged_row(
    tier: Tier, table: str, killed: tuple[str, list[Log], float]
) -> None:
    old, logs, moment = killed
    acknowledged = sorted(key for log in logs for _, key in log.acknowledged)
    errors = [error for log in logs for _, error in log.errors]
    gap = longest_gap(sorted(told for log in logs for told, _ in log.acknowledged))
    print(f"{len(acknowledged)} rows acknowledged, {len(errors)} errors, longest time without a write {gap:.2f} s")

    new = wait_until("another member is the leader", 10, lambda: tier.leader() != old and tier.leader())
    assert gap < WRITES_AGAIN_WITHIN_SECONDS
    assert max(key_told for log in logs for key_told, _ in log.acknowledged) > moment

    rows = tier.psql(new, f"SELECT id FROM {table} ORDER BY id", "app")
    there = {int(row[0]) for row in rows}
    assert [key for key in acknowledged if key not in there] == []

    wait_until("the old primary is back as a replica", WHOLE_AGAIN_WITHIN_SECONDS, tier.whole)
    assert old in tier.replicas()
    # It has thrown away what the others never had: every member holds the same rows.
    for name in tier.replicas():
        tier.wait_for_rows(name, f"SELECT id FROM {table} ORDER BY id", rows)


def test_nothing_is_left_to_change_after_the_failover(tier: Tier) -> None:
    """site.yml does not mind who leads: a run after a failover would change nothing."""
    recap = tier.playbook("site.yml", "--check", "--diff")
    assert {host: numbers["changed"] for host, numbers in recap.items() if numbers["changed"]} == {}
