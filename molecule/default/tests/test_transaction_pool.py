"""6432: many clients on few backends, and nothing of one client is seen by the next."""

from __future__ import annotations

import asyncio
import resource
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from tier import Tier, wait_until

CLIENTS = 2000
BACKENDS = 20
QUERIES_PER_CLIENT = 3


def backend(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def test_one_backend_serves_two_clients_in_turn(tier: Tier) -> None:
    with tier.connect("primary", proxy=0) as one, tier.connect("primary", proxy=0) as other:
        assert backend(one) == backend(other) == backend(one) == backend(other)


@dataclass
class Crowd:
    """What 2,000 clients saw."""

    connected: int = 0
    pids: set[int] = field(default_factory=set)
    answers: int = 0
    errors: list[str] = field(default_factory=list)


async def crowd(conninfo: str) -> Crowd:
    """Connect all and let them work only when the last one is in: they are concurrent by construction."""
    seen = Crowd()
    all_are_in = asyncio.Event()
    # The network's queue of new connections is what a crowd that comes in one instant would overrun, not the pool.
    door = asyncio.Semaphore(50)

    async def client(number: int) -> None:
        try:
            async with door:
                connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
        except psycopg.Error as error:
            seen.errors.append(f"client {number} did not get in: {error}")
            all_are_in.set()
            return
        seen.connected += 1
        if seen.connected == CLIENTS:
            all_are_in.set()
        try:
            await all_are_in.wait()
            for _ in range(QUERIES_PER_CLIENT):
                cursor = await connection.execute("SELECT pg_backend_pid(), pg_sleep(0.005)")
                row = await cursor.fetchone()
                seen.pids.add(row[0] if row else 0)
                seen.answers += 1
        except psycopg.Error as error:
            seen.errors.append(f"client {number}: {error}")
        finally:
            await connection.close()

    await asyncio.wait_for(asyncio.gather(*(client(number) for number in range(CLIENTS))), 180)
    return seen


def test_two_thousand_clients_are_served_by_twenty_backends(tier: Tier) -> None:
    # Each client is an open file of this process, and shells allow 1,024 unless asked.
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(allowed, min(most, 2 * CLIENTS)), most))
    leader = tier.leader()
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'crowd'"
    samples: list[int] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(0.5):
            samples.append(int(tier.psql(leader, count)[0][0]))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        seen = asyncio.run(crowd(tier.conninfo("primary", proxy=0, application_name="crowd", connect_timeout=60)))
    finally:
        over.set()
        sampler.join()

    assert seen.errors[:5] == []
    assert seen.connected == CLIENTS
    assert seen.answers == CLIENTS * QUERIES_PER_CLIENT
    assert 1 < len(seen.pids) <= BACKENDS
    # The server's own count, to be believed because it saw the crowd at all.
    assert 1 < max(samples) <= BACKENDS


# What a client may leave behind on a backend: how it does that, and how the next one would see it.
LEFTOVERS = {
    "SET": ("SET statement_timeout = '77s'", "SELECT current_setting('statement_timeout') = '77s'"),
    "SET of the search path": ("SET search_path = pg_catalog", "SELECT current_setting('search_path') = 'pg_catalog'"),
    "temporary table": (
        "CREATE TEMPORARY TABLE leftover (n int)",
        "SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'leftover' AND relpersistence = 't' "
        "AND relnamespace = pg_my_temp_schema())",
    ),
    "advisory lock": (
        "SELECT pg_advisory_lock(4711)",
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())",
    ),
    "LISTEN": ("LISTEN leftover", "SELECT EXISTS (SELECT FROM pg_listening_channels())"),
    "SQL PREPARE": (
        "PREPARE leftover AS SELECT 1",
        "SELECT EXISTS (SELECT FROM pg_prepared_statements WHERE name = 'leftover')",
    ),
    "SET ROLE": ("SET ROLE app", "SELECT current_setting('role') = 'app'"),
}


@pytest.mark.parametrize(("leave", "look"), LEFTOVERS.values(), ids=LEFTOVERS.keys())
def test_nothing_of_a_client_is_left_for_the_next(tier: Tier, leave: str, look: str) -> None:
    with tier.connect("primary", proxy=0) as one, tier.connect("primary", proxy=0) as other:
        for _ in range(20):
            # Two statements in one message are one transaction: both run on the backend whose number comes back.
            cursor = one.execute(f"{leave}; SELECT pg_backend_pid()")
            while cursor.nextset():
                pass
            left_on = cursor.fetchone()
            # The backend that was given back last is the next to be used, once it has been reset.
            time.sleep(0.1)
            row = other.execute(f"SELECT pg_backend_pid(), ({look})").fetchone()
            assert left_on is not None and row is not None
            if row[0] == left_on[0]:
                assert row[1] is False
                return
    raise AssertionError("the second client met another backend each time: this run says nothing")


def test_statements_prepared_by_the_protocol_work_on_any_backend(tier: Tier) -> None:
    """A client's next execution may meet a backend that has never seen its statement."""
    with ExitStack() as stack:
        holder, *clients = [stack.enter_context(tier.connect("primary", proxy=0)) for _ in range(5)]
        pids: list[set[int]] = [set() for _ in clients]
        for turn in range(20):
            # An open transaction keeps the backend that was used last, so that the clients move on to another one.
            held = turn % 2 == 1
            if held:
                holder.execute("BEGIN")
            for connection, seen in zip(clients, pids, strict=True):
                connection.prepare_threshold = 0
                row = connection.execute("SELECT pg_backend_pid(), %s::int + 1", [turn]).fetchone()
                assert row is not None
                seen.add(row[0])
                assert row[1] == turn + 1
            if held:
                holder.execute("COMMIT")
        assert all(len(seen) > 1 for seen in pids), f"a client never changed its backend, this run says nothing: {pids}"
        prepared = clients[0].execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
        assert prepared is not None and prepared[0] >= 1, "nothing was prepared on the server, this run says nothing"


def test_a_user_created_later_logs_in_at_once(tier: Tier) -> None:
    """PgBouncer asks PostgreSQL for passwords, so nobody has to run a playbook when a user is added by SQL."""
    tier.psql(
        tier.leader(),
        "CREATE ROLE came_later LOGIN PASSWORD 'of this test only'; GRANT CONNECT ON DATABASE app TO came_later",
    )
    login = {"user": "came_later", "password": "of this test only"}

    def log_in(endpoint: str) -> str:
        conninfo = tier.conninfo(endpoint, proxy=0)
        with psycopg.connect(psycopg.conninfo.make_conninfo(conninfo, **login), autocommit=True) as connection:
            row = connection.execute("SELECT current_user").fetchone()
            return str(row[0]) if row else ""

    try:
        assert log_in("primary") == "came_later"
        wait_until("the new user logs in on the replicas", 10, lambda: log_in("replica") == "came_later")
    finally:
        # Its pooled backends end first, they would hold the role.
        tier.psql(tier.leader(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'came_later'")
        tier.psql(tier.leader(), "DROP OWNED BY came_later; DROP ROLE came_later", "app")
