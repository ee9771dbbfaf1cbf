"""6442: reads go to the replicas, evenly; one that stops leaves within seconds; without any, the primary answers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psycopg
import pytest
from tier import Tier, join, wait_until

WHO = "SELECT host(inet_server_addr()), pg_is_in_recovery()"
# Far fewer clients than pooled connections: each connection takes its turn. With as many, all of them are busy on a
# computer that all hosts share, and the replica that happens to be quicker answers more.
CLIENTS = 2
QUERIES_PER_CLIENT = 2000
READERS = 6
# How long a stopped replica may go on to be asked: two checks of HAProxy and what a busy machine adds.
LEAVES_WITHIN_SECONDS = 8
RETURNS_WITHIN_SECONDS = 60
# pgbouncer_replica_max_lag_seconds, which this scenario leaves as it is.
MAX_LAG_SECONDS = 10
# PgBouncer opens a pool one connection after the other, some seconds long, and with an odd number of them one replica
# has one more: pgbouncer_pool_size of the read pool is kept open from then on.
POOL = 20


@dataclass
class Answers:
    """Who answered, and when a query failed (on the clock of time.monotonic)."""

    servers: list[tuple[float, str, bool]] = field(default_factory=list)
    errors: list[tuple[float, str]] = field(default_factory=list)

    def since(self, begin: float) -> Counter[str]:
        return Counter(server for moment, server, _ in self.servers if moment >= begin)

    def errors_since(self, begin: float) -> list[str]:
        return [error for moment, error in self.errors if moment >= begin]


def reader(tier: Tier, endpoint: str, proxy: int, go_on: Callable[[int], bool], answers: Answers) -> None:
    """One client: it keeps its connection, and connects again when it lost it, as an application does."""
    conninfo = tier.conninfo(endpoint, proxy=proxy)
    connection: psycopg.Connection[tuple[str, bool]] | None = None
    number = 0
    while go_on(number):
        number += 1
        try:
            if connection is None or connection.closed:
                connection = psycopg.connect(conninfo, autocommit=True)
            row = connection.execute(WHO).fetchone()
            assert row is not None
            answers.servers.append((time.monotonic(), *row))
        except psycopg.Error as error:
            answers.errors.append((time.monotonic(), str(error)))
            if connection is not None:
                connection.close()
            time.sleep(0.05)
    if connection is not None:
        connection.close()


def bounded_run(tier: Tier, endpoint: str, proxy: int) -> Answers:
    answers = Answers()
    threads = [
        threading.Thread(
            target=reader,
            args=(tier, endpoint, proxy, lambda number: number < QUERIES_PER_CLIENT, answers),
            daemon=True,
        )
        for _ in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    join(threads)
    return answers


def backends(tier: Tier, proxy: int) -> set[tuple[str, int]]:
    """The backends that one client meets in three turns around an idle pool."""
    with tier.connect("replica", proxy=proxy) as connection:
        rows = [
            connection.execute("SELECT host(inet_server_addr()), pg_backend_pid()").fetchone() for _ in range(3 * POOL)
        ]
    return {(row[0], row[1]) for row in rows if row is not None}


@contextmanager
def steady_readers(tier: Tier, clients: int = READERS) -> Iterator[Answers]:
    """Clients that read all the time, some dozens of queries a second, until the block is left."""
    answers = Answers()
    over = threading.Event()

    def go_on(_number: int) -> bool:
        return not over.wait(0.05)

    proxies = len(tier.groups["proxy"])
    threads = [
        threading.Thread(target=reader, args=(tier, "replica", number % proxies, go_on, answers), daemon=True)
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        join(threads)


@contextmanager
def stopped(tier: Tier, *names: str) -> Iterator[None]:
    """PostgreSQL and Patroni stopped on these hosts, as for maintenance of the host."""
    try:
        for name in names:
            tier.host(name).check_output("systemctl stop patroni")
        yield
    finally:
        for name in names:
            tier.host(name).check_output("systemctl start patroni")


@pytest.mark.parametrize("endpoint", ["replica", "replica_session", "replica_direct"])
def test_only_replicas_answer(tier: Tier, endpoint: str) -> None:
    replicas = {tier.address(name) for name in tier.replicas()}
    for proxy in range(len(tier.groups["proxy"])):
        for _ in range(10):
            with tier.connect(endpoint, proxy=proxy) as connection:
                row = connection.execute(WHO).fetchone()
                assert row is not None and row[0] in replicas and row[1]


@pytest.mark.parametrize("proxy", [0, 1])
def test_reads_are_spread_within_five_percent_of_even(tier: Tier, proxy: int) -> None:
    # One user's pool, opened from nothing: HAProxy counts the connections of all users together, so what users of other
    # tests have left open could tilt this one's.
    tier.host(tier.groups["proxy"][proxy]).check_output("systemctl restart pgbouncer@replica")
    with tier.connect("replica", proxy=proxy):  # a pool without clients does not grow
        wait_until("the pool is open", 30, lambda: len(backends(tier, proxy)) == POOL)
    answers = bounded_run(tier, "replica", proxy)
    replicas = {tier.address(name) for name in tier.replicas()}
    spread = answers.since(0)
    assert answers.errors == []
    assert set(spread) == replicas
    total = CLIENTS * QUERIES_PER_CLIENT
    assert spread.total() == total
    even = total / len(replicas)
    assert all(abs(number - even) <= 0.05 * even for number in spread.values()), dict(spread)


def test_a_stopped_replica_leaves_and_returns(tier: Tier) -> None:
    gone, stays = tier.replicas()
    with steady_readers(tier) as answers:
        wait_until("both replicas answer", 20, lambda: len(answers.since(0)) == 2)
        with stopped(tier, gone):
            begin = time.monotonic()
            # Nothing more is sent to it, and no query fails, from here on.
            time.sleep(LEAVES_WITHIN_SECONDS)
            settled = time.monotonic()
            time.sleep(5)
            assert answers.errors_since(settled) == []
            assert set(answers.since(settled)) == {tier.address(stays)}
        wait_until(
            "the replica is asked again",
            RETURNS_WITHIN_SECONDS,
            lambda: tier.address(gone) in answers.since(time.monotonic() - 1),
        )
        back = time.monotonic()
        time.sleep(3)
        assert answers.errors_since(back) == []
    last = max((moment for moment, _ in answers.errors), default=begin)
    print(f"{len(answers.errors)} errors, the last {last - begin:.1f} s after the stop")
    assert last - begin < LEAVES_WITHIN_SECONDS


@contextmanager
def replay_held(tier: Tier, name: str, table: str) -> Iterator[None]:
    """A replica that receives and does not apply, because a report on it reads a table that the primary then locks:
    hardly behind in bytes, further and further in time. PostgreSQL ends the report after max_standby_streaming_delay,
    30 seconds."""
    report = f"BEGIN; SELECT count(*) FROM {table}; SELECT pg_sleep(60)"
    backend = f"FROM pg_stat_activity WHERE query LIKE 'BEGIN; SELECT count(*) FROM {table};%'"

    def read() -> None:
        with suppress(psycopg.Error):  # it is to be ended
            tier.psql(name, report, "app")

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        wait_until("the report reads", 10, lambda: tier.psql(name, f"SELECT count(*) {backend}") == [["1"]])
        with tier.connect("primary") as connection:
            connection.execute(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; COMMIT")
        yield
    finally:
        tier.psql(name, f"SELECT pg_terminate_backend(pid) {backend}")
        join([thread])


def test_a_replica_behind_in_time_leaves_without_a_failed_query_and_returns(tier: Tier, table: str) -> None:
    behind, stays = tier.replicas()
    over = threading.Event()
    held = f"{table}_held"
    with tier.connect("primary") as connection:
        connection.execute(f"CREATE TABLE {held} (n int)")
    tier.wait_for_rows(behind, f"SELECT count(*) FROM {held}", [["0"]])

    def write() -> None:
        with tier.connect("primary") as connection:
            for number in range(10_000):
                if over.wait(0.1):
                    return
                connection.execute(f"INSERT INTO {table} VALUES (%s, 'a few bytes')", [number])

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        with steady_readers(tier) as answers:
            wait_until("both replicas answer", 20, lambda: len(answers.since(0)) == 2)
            with replay_held(tier, behind, held):
                begin = time.monotonic()
                # The bound, a sample, and what a busy machine adds; not before the bound.
                wait_until(
                    "it is asked no more",
                    2 * MAX_LAG_SECONDS + LEAVES_WITHIN_SECONDS,
                    lambda: set(answers.since(time.monotonic() - 2)) == {tier.address(stays)},
                )
                assert time.monotonic() - begin >= MAX_LAG_SECONDS
            wait_until(
                "it is asked again",
                RETURNS_WITHIN_SECONDS,
                lambda: tier.address(behind) in answers.since(time.monotonic() - 1),
            )
            assert answers.errors == []
    finally:
        over.set()
        join([writer])
        with tier.connect("primary") as connection:
            connection.execute(f"DROP TABLE {held}")


def test_a_frozen_replica_holds_up_readers_no_longer_than_the_checks(tier: Tier) -> None:
    """Whoever had asked it waits, and gets an error once it is known to be gone; the other replica's readers go on."""
    frozen, stays = tier.replicas()
    with steady_readers(tier) as answers:
        wait_until("both replicas answer", 20, lambda: len(answers.since(0)) == 2)
        tier.playbook("playbooks/lab_fault.yml", "-e", f"host={frozen}", "-e", "fault=frozen")
        try:
            begin = time.monotonic()
            time.sleep(LEAVES_WITHIN_SECONDS)
            settled = time.monotonic()
            time.sleep(3)
            assert answers.errors_since(settled) == []
            assert set(answers.since(settled)) == {tier.address(stays)}
            # A statement of each reader, and once more if it came back while a login to that server hung.
            assert len(answers.errors_since(begin - 2)) <= 2 * READERS
        finally:
            tier.playbook("playbooks/lab_fault.yml", "-e", f"host={frozen}", "-e", "fault=thawed")


def lookups_at(tier: Tier, proxy: int, name: str) -> None:
    """Have the read pool of this proxy look up passwords at this replica: HAProxy takes them in turn."""

    def newest(replica: str) -> float:
        begun = "SELECT coalesce(max(extract(epoch FROM backend_start)), 0) FROM pg_stat_activity"
        return float(tier.psql(replica, f"{begun} WHERE usename = 'pgbouncer_auth'")[0][0])

    for _ in range(10):
        tier.host(tier.groups["proxy"][proxy]).check_output("systemctl restart pgbouncer@replica")
        tier.ask("replica", "SELECT 1", proxy=proxy)
        if max(tier.replicas(), key=newest) == name:
            return
    raise AssertionError(f"passwords are never looked up at {name}")


def test_a_login_that_hangs_at_a_frozen_replica_is_given_up_with_it(tier: Tier) -> None:
    """A pool opens one connection at a time: whoever comes would wait until PgBouncer gives that one up, 30 s."""
    # Of replicas with equally many connections, HAProxy's first is asked first.
    frozen, stays = sorted(tier.replicas())
    lookups_at(tier, 1, stays)
    console = "cd /; sudo -u postgres psql -h /run/pgbouncer/replica -p 6442 -U pgbouncer -Atc %s pgbouncer"
    proxy = tier.host(tier.groups["proxy"][1])
    proxy.check_output(console, "RECONNECT app")
    wait_until("the pool is empty", 10, lambda: "|app|app|" not in proxy.check_output(console, "SHOW SERVERS"))
    tier.playbook("playbooks/lab_fault.yml", "-e", f"host={frozen}", "-e", "fault=frozen")
    try:
        begin = time.monotonic()
        answered = tier.ask("replica", "SELECT host(inet_server_addr())", proxy=1, connect_timeout=60)
        took = time.monotonic() - begin
    finally:
        tier.playbook("playbooks/lab_fault.yml", "-e", f"host={frozen}", "-e", "fault=thawed")
    print(f"the first reader was let in after {took:.1f} s")
    assert answered == tier.address(stays)
    assert took < 2 * LEAVES_WITHIN_SECONDS


def test_a_query_is_cancelled_by_whichever_process_is_asked(tier: Tier) -> None:
    """The kernel picks a process for each connection, so about half of the requests reach the other one."""
    reached: set[str] = set()
    for number in range(12):
        with tier.connect("replica_session", proxy=0) as connection:
            thread = threading.Timer(0.3, connection.cancel_safe)
            thread.start()
            begin = time.monotonic()
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute("SELECT pg_sleep(20)")
            assert time.monotonic() - begin < 10, f"cancelled too late, try {number}"
            thread.join()
    proxy = tier.host(tier.groups["proxy"][0])
    show = "cd /; sudo -u postgres psql -h /run/pgbouncer/%s -p 6443 -U pgbouncer -Atc 'SHOW CONFIG' pgbouncer"
    for name in ("replica_session", "replica_session.2"):
        (line,) = [line for line in proxy.check_output(show, name).splitlines() if line.startswith("peer_id|")]
        reached.add(line.split("|")[1])
    assert reached == {"1", "2"}, "there are no two processes: this run says nothing"


def test_without_a_replica_the_primary_answers_and_with_one_it_stops(tier: Tier) -> None:
    leader, replicas = tier.leader(), tier.replicas()
    primary = tier.address(leader)
    assert tier.ask("replica", "SELECT host(inet_server_addr())") != primary
    with stopped(tier, *replicas):
        begin = time.monotonic()
        wait_until(
            "the primary answers on the read endpoint",
            20,
            lambda: tier.ask("replica", "SELECT host(inet_server_addr())") == primary,
        )
        print(f"the primary answered after {time.monotonic() - begin:.1f} s")
        for proxy in range(len(tier.groups["proxy"])):
            assert tier.ask("replica", "SELECT host(inet_server_addr())", proxy=proxy) == primary
            assert tier.ask("replica_direct", "SELECT host(inet_server_addr())", proxy=proxy) == primary
    wait_until("the replicas stream again", 90, tier.whole)

    def only_replicas() -> bool:
        return all(
            tier.ask("replica", "SELECT host(inet_server_addr())", proxy=proxy) != primary
            for proxy in range(len(tier.groups["proxy"]))
            for _ in range(6)
        )

    wait_until("only replicas answer again", RETURNS_WITHIN_SECONDS, only_replicas)
