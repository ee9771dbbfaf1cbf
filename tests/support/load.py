"""A load on the pooled endpoints that keeps a ledger: clients that write and that read, in processes of their own.

    with load.running(tier) as under_load:
        tier.playbook("playbooks/switchover.yml")
    assert under_load.report.problems() == []

Every write has a token that nobody else writes, and is written down when its client is told what became of it:
acknowledged, failed (it is not there), or indeterminate (the connection went before the answer came, or the commit came
with a warning). Half of the writers commit one statement, half a transaction of two.

One more client, the clock, counts up a number in the database. A reader that sees the number n is as old as the moment
at which n + 1 was acknowledged, on this computer's one monotonic clock; so a read's age is known without any clock of a
server, and is never overstated.

Run as a program, it is the clients: the parent says what to do on standard input and ends them by closing it.
"""

from __future__ import annotations

import asyncio
import bisect
import itertools
import json
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from tier import Tier

CLIENTS = 50
# Between two of a client's transactions: an application that thinks. 100 clients are about 400 transactions a second,
# which leaves two cores that hosts, clients and Ansible share something to work with.
PAUSE_SECONDS = 0.25
# `pgbouncer_replica_max_lag_seconds` as it is by default, and what the gate needs to notice.
OLDEST_READ_SECONDS = 11.0
# Of a connection that was lost, or that a pooler lost: nobody knows what became of the statement.
_LOST = ("08", "57P")

Token = tuple[int, int]


@dataclass(frozen=True)
class Failure:
    """`what` is connect, write, clock or read. `token` is that of the write, if it is one."""

    moment: float
    what: str
    error: str
    token: Token | None
    indeterminate: bool


@dataclass
class Report:
    """All that the clients saw; moments are those of time.monotonic. `writes` and `reads` are begin and end of each."""

    table: str
    writes: list[tuple[float, float, Token]] = field(default_factory=list)
    ticks: list[tuple[float, int]] = field(default_factory=list)
    reads: list[tuple[float, float, int, str]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    # What is there at the end: rows of each token.
    rows: Counter[Token] = field(default_factory=Counter)

    def between(self, begin: float, end: float) -> Report:
        """What ended in this time. The ticks stay, as reads are judged by them."""
        return Report(
            self.table,
            [write for write in self.writes if begin <= write[1] <= end],
            self.ticks,
            [read for read in self.reads if begin <= read[1] <= end],
            [failure for failure in self.failures if begin <= failure.moment <= end],
            self.rows,
        )

    @property
    def longest_stall(self) -> float:
        """Seconds in which no write at all was acknowledged."""
        return _longest_gap(sorted(end for _, end, _ in self.writes))

    @property
    def slowest_write(self) -> float:
        return max((end - begin for begin, end, _ in self.writes), default=0.0)

    @property
    def slowest_read(self) -> float:
        return max((end - begin for begin, end, _, _ in self.reads), default=0.0)

    @property
    def servers(self) -> Counter[str]:
        """Who answered the reads."""
        return Counter(server for *_, server in self.reads)

    def ages(self) -> list[float]:
        """How old each read was when it was asked for: since when a newer number had been acknowledged."""
        numbers = [number for _, number in self.ticks]
        ages = []
        for begin, _, number, _ in self.reads:
            newer = bisect.bisect_right(numbers, number)
            known_since = self.ticks[newer][0] if newer < len(self.ticks) else begin
            ages.append(max(0.0, begin - known_since))
        return ages

    @property
    def oldest_read(self) -> float:
        return max(self.ages(), default=0.0)

    def lost(self) -> list[Token]:
        """Acknowledged writes that are not there, or not all of a transaction."""
        return [token for _, _, token in self.writes if self.rows[token] != rows_of(token)]

    def ghosts(self) -> list[Token]:
        """Writes that are there although their client was told that they failed, and halves of transactions."""
        failed = {failure.token for failure in self.failures if failure.token and not failure.indeterminate}
        return [token for token, rows in self.rows.items() if token in failed or rows != rows_of(token)]

    def problems(self, oldest_read: float = OLDEST_READ_SECONDS) -> list[str]:
        """Everything that an operation without the application's notice must not leave: empty if there is nothing."""
        found = [
            f"{number} x {error}" for error, number in Counter(f"{f.what}: {f.error}" for f in self.failures).items()
        ]
        if not self.writes or not self.reads or not self.ticks:
            found.append(f"no load: {len(self.writes)} writes, {len(self.reads)} reads, {len(self.ticks)} ticks")
        if lost := self.lost():
            found.append(f"{len(lost)} acknowledged writes are lost, such as {lost[:3]}")
        if ghosts := self.ghosts():
            found.append(f"{len(ghosts)} writes are there that failed, or are there in half, such as {ghosts[:3]}")
        if (age := self.oldest_read) > oldest_read:
            found.append(f"a read was {age:.1f} s old, and {oldest_read:g} s are allowed")
        return found

    def __str__(self) -> str:
        return (
            f"{len(self.writes)} writes, longest stall {self.longest_stall:.2f} s, slowest {self.slowest_write:.2f} s; "
            f"{len(self.reads)} reads, slowest {self.slowest_read:.2f} s, oldest {self.oldest_read:.2f} s; "
            f"{len(self.failures)} failures"
        )


class Load:
    """Clients that run. `stop` ends them, each after what it is about; then `report` is what they saw."""

    def __init__(
        self, tier: Tier, table: str, writers: Sequence[str], readers: Sequence[str], pause: float, lifetime: float
    ) -> None:
        self.tier, self.table, self.report = tier, table, Report(table)
        common = {"table": table, "pause": pause, "lifetime": lifetime}
        self._processes = [
            _start({**common, "writers": list(writers), "readers": []}),
            _start({**common, "writers": [], "readers": list(readers)}),
        ]
        self._over = False

    def wait(self) -> None:
        """Until every client has done something."""
        for process in self._processes:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line == "all are at work\n", f"the clients did not get to work: {line!r}"

    def stop(self) -> None:
        if self._over:
            return
        self._over, report = True, self.report
        # Told to end at once, and read one after the other.
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in self._processes:
            assert process.stdout is not None
            seen = json.loads(process.stdout.read() or "{}")
            process.wait(timeout=90)
            report.writes += [
                (begin, end, (client, sequence)) for begin, end, client, sequence in seen.get("writes", [])
            ]
            report.ticks += [(moment, number) for moment, number in seen.get("ticks", [])]
            report.reads += [tuple(read) for read in seen.get("reads", [])]
            report.failures += [
                Failure(moment, what, error, (token[0], token[1]) if token else None, indeterminate)
                for moment, what, error, token, indeterminate in seen.get("failures", [])
            ]
        with self.tier.connect("primary") as connection:
            found = connection.execute(f"SELECT client, sequence, count(*) FROM {self.table} GROUP BY 1, 2").fetchall()
        report.rows.update({(client, sequence): number for client, sequence, number in found})

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


@contextmanager
def running(
    tier: Tier,
    writers: int = CLIENTS,
    readers: int = CLIENTS,
    pause: float = PAUSE_SECONDS,
    lifetime: float = float("inf"),
) -> Iterator[Load]:
    """A load on the endpoints `primary` and `replica`, spread over the proxies. Its table is gone
    afterwards. `lifetime` is after how many seconds a client makes a new connection, as pools of applications do."""
    table = f"load_{uuid.uuid4().hex[:12]}"
    proxies = len(tier.groups["proxy"])
    with tier.connect("primary") as connection:
        connection.execute(
            f"CREATE TABLE {table} (client int, sequence int, half int, PRIMARY KEY (client, sequence, half));"
            f"CREATE TABLE {table}_clock (n int); INSERT INTO {table}_clock VALUES (0)"
        )
    load = Load(
        tier,
        table,
        # The first is the clock.
        [tier.conninfo("primary", proxy=number % proxies, connect_timeout=60) for number in range(writers + 1)],
        [tier.conninfo("replica", proxy=number % proxies, connect_timeout=60) for number in range(readers)],
        pause,
        lifetime,
    )
    try:
        load.wait()
        yield load
        load.stop()
    finally:
        load.kill()
        with tier.connect("primary") as connection:
            connection.execute(f"DROP TABLE {table}, {table}_clock")


def rows_of(token: Token) -> int:
    """How many rows a write is."""
    return 1 + token[0] % 2


def _longest_gap(moments: Sequence[float]) -> float:
    return max((after - before for before, after in itertools.pairwise(moments)), default=float("inf"))


def _start(work: dict[str, Any]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdin is not None
    # By standard input: there are passwords in it.
    process.stdin.write(json.dumps(work) + "\n")
    process.stdin.flush()
    return process


# --- The clients ---------------------------------------------------------------------------------------------------


class Client:
    """Keeps its connection, and after an error connects anew, as an application does."""

    def __init__(self, conninfo: str, seen: dict[str, list[Any]], lifetime: float) -> None:
        self.conninfo = conninfo
        self.lifetime = lifetime
        self.made = 0.0
        self.seen = seen
        self.connection: psycopg.AsyncConnection[Any] | None = None
        self.warned = False

    async def connected(self) -> psycopg.AsyncConnection[Any] | None:
        if self.connection is not None and time.monotonic() - self.made > self.lifetime:
            await self.connection.close()
        if self.connection is None or self.connection.closed:
            try:
                self.connection = await psycopg.AsyncConnection.connect(self.conninfo, autocommit=True)
            except psycopg.Error as error:
                self.fail("connect", error)
                return None
            self.made = time.monotonic()
            self.connection.add_notice_handler(self._notice)
        return self.connection

    def _notice(self, _notice: psycopg.errors.Diagnostic) -> None:
        self.warned = True

    def fail(self, what: str, error: psycopg.Error | str, token: Token | None = None, decided: bool = False) -> None:
        """`decided`: whatever the error says, the transaction cannot have been committed."""
        state = "" if isinstance(error, str) else error.sqlstate or ""
        indeterminate = not decided and (not state or state.startswith(_LOST))
        self.seen["failures"].append((time.monotonic(), what, str(error).strip(), token, indeterminate))

    async def again(self) -> None:
        if self.connection is not None:
            await self.connection.close()
        await asyncio.sleep(0.1)


async def write(client: Client, table: str, token: Token) -> None:
    connection = await client.connected()
    if connection is None:
        return await asyncio.sleep(0.1)
    insert = f"INSERT INTO {table} VALUES (%s, %s, %s)"
    begin, client.warned, decided = time.monotonic(), False, False
    try:
        if rows_of(token) == 1:
            await connection.execute(insert, (*token, 0))
        else:
            decided = True
            await connection.execute("BEGIN")
            for half in range(rows_of(token)):
                await connection.execute(insert, (*token, half))
            decided = False
            await connection.execute("COMMIT")
    except psycopg.Error as error:
        client.fail("write", error, token, decided)
        return await client.again()
    if client.warned:
        client.fail("write", "the commit came with a warning", token)
    else:
        client.seen["writes"].append((begin, time.monotonic(), *token))


async def tick(client: Client, table: str, number: int) -> None:
    connection = await client.connected()
    if connection is None:
        return await asyncio.sleep(0.1)
    try:
        await connection.execute(f"UPDATE {table}_clock SET n = %s", (number,))
    except psycopg.Error as error:
        client.fail("clock", error)
        return await client.again()
    client.seen["ticks"].append((time.monotonic(), number))


async def read(client: Client, table: str) -> None:
    connection = await client.connected()
    if connection is None:
        return await asyncio.sleep(0.1)
    begin = time.monotonic()
    try:
        cursor = await connection.execute(f"SELECT n, host(inet_server_addr()) FROM {table}_clock")
        row = await cursor.fetchone()
    except psycopg.errors.UndefinedTable:
        # The replica has not got there yet: as old as the table, which is younger than any bound.
        return
    except psycopg.Error as error:
        client.fail("read", error)
        return await client.again()
    client.seen["reads"].append((begin, time.monotonic(), row[0] if row else 0, row[1] if row else ""))


async def clients(work: dict[str, Any], over: asyncio.Event) -> dict[str, list[Any]]:
    seen: dict[str, list[Any]] = {"writes": [], "ticks": [], "reads": [], "failures": []}
    table, at_work = work["table"], asyncio.Semaphore(0)

    async def turns(conninfo: str, number: int, kind: str) -> None:
        client = Client(conninfo, seen, work["lifetime"])
        # Not all in one instant.
        await asyncio.sleep(work["pause"] * number / 50)
        for sequence in itertools.count(1):
            if over.is_set():
                break
            if kind == "reader":
                await read(client, table)
            elif number == 0:
                await tick(client, table, sequence)
            else:
                await write(client, table, (number, sequence))
            if sequence == 1:
                at_work.release()
            await asyncio.sleep(work["pause"])
        if client.connection is not None:
            await client.connection.close()

    everybody = [
        (conninfo, number, kind[:-1]) for kind in ("writers", "readers") for number, conninfo in enumerate(work[kind])
    ]
    tasks = [asyncio.create_task(turns(*one)) for one in everybody]
    for _ in everybody:
        await at_work.acquire()
    print("all are at work", flush=True)
    await asyncio.gather(*tasks)
    return seen


async def program() -> None:
    work = json.loads(await asyncio.to_thread(sys.stdin.readline))
    over = asyncio.Event()
    running_clients = asyncio.create_task(clients(work, over))
    await asyncio.to_thread(sys.stdin.read)  # until the parent closes it, or is no more
    over.set()
    json.dump(await running_clients, sys.stdout)


if __name__ == "__main__":
    asyncio.run(program())
