# SPDX-License-Identifier: Apache-2.0
"""The clients of a load, as a program of its own: work comes as JSON on standard input, and its end is the end of it.

What they saw is written to standard output as JSON. Each keeps its connection, and after an error connects anew, as an
application does. docs of ledger.py say what they do and why.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

# load.py asks for it before it starts this.
with contextlib.suppress(ImportError):
    import psycopg

from ansible_collections.pgtier.cluster.plugins.module_utils.drill.ledger import (
    Failure,
    Look,
    Read,
    Tick,
    Token,
    Write,
    halves,
)

# Of a connection that was lost, or that a pooler lost: nobody knows what became of the statement.
_LOST = ("08", "57P")
# A client looks at its own writes after so many of them.
_LOOK_EVERY = 5
# Where a statement is committed, as its own words. A timeline is the beginning of a WAL file's name.
_WHERE = "host(inet_server_addr()), substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)"


class Client:
    """One connection, and the ledger that all clients of the program share."""

    def __init__(self, conninfo: str, seen: dict[str, list[Any]], lifetime: float, patience: float) -> None:
        self.conninfo = conninfo
        self.lifetime, self.patience = lifetime, patience
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

    @contextlib.contextmanager
    def patient(self, connection: psycopg.AsyncConnection[Any]) -> Iterator[None]:
        """Statements that have no answer after a time lose their connection. They are not cancelled: a cancelled commit
        gives up the wait for the standby, and the load would then bring about what it looks for."""
        ends = asyncio.get_running_loop().call_later(self.patience, hang_up, connection)
        try:
            yield
        finally:
            ends.cancel()

    def fail(self, what: str, error: psycopg.Error | str, token: Token | None = None, decided: bool = False) -> None:
        """`decided`: whatever the error says, the transaction cannot have been committed."""
        state = "" if isinstance(error, str) else error.sqlstate or ""
        indeterminate = not decided and (not state or state.startswith(_LOST))
        client, sequence = token or (None, None)
        self.seen["failures"].append(
            Failure(time.monotonic(), what, str(error).strip(), client, sequence, indeterminate)
        )

    async def again(self) -> None:
        if self.connection is not None:
            await self.connection.close()
        await asyncio.sleep(0.1)


def hang_up(connection: psycopg.AsyncConnection[Any]) -> None:
    """As if the network had lost the connection."""
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


async def write(client: Client, schema: str, token: Token) -> None:
    connection = await client.connected()
    if connection is None:
        return await asyncio.sleep(0.1)
    insert = f"INSERT INTO {schema}.writes VALUES (%s, %s, %s) RETURNING {_WHERE}"
    begin, client.warned, decided = time.monotonic(), False, False
    try:
        with client.patient(connection):
            if len(halves(token)) == 1:
                where = await (await connection.execute(insert, (*token, 0))).fetchone()
            else:
                decided = True
                await connection.execute("BEGIN")
                for half in halves(token):
                    where = await (await connection.execute(insert, (*token, half))).fetchone()
                decided = False
                await connection.execute("COMMIT")
    except psycopg.Error as error:
        client.fail("write", error, token, decided)
        return await client.again()
    if client.warned:
        client.fail("write", "the commit came with a warning", token)
    else:
        server, timeline = where or ("", "0")
        client.seen["writes"].append(Write(begin, time.monotonic(), *token, server or "", int(timeline, 16)))


async def look(client: Client, schema: str, number: int) -> None:
    connection = await client.connected()
    if connection is None:
        return await asyncio.sleep(0.1)
    begin = time.monotonic()
    try:
        with client.patient(connection):
            newest = f"SELECT coalesce(max(sequence), 0) FROM {schema}.writes WHERE client = %s"
            row = await (await connection.execute(newest, (number,))).fetchone()
    except psycopg.Error as error:
        client.fail("look", error)
        return await client.again()
    client.seen["looks"].append(Look(begin, time.monotonic(), number, row[0] if row else 0))


async def tick(client: Client, schema: str, number: int) -> None:
    connection = await client.connected()
    if connection is None:
        return await asyncio.sleep(0.1)
    try:
        with client.patient(connection):
            await connection.execute(f"UPDATE {schema}.clock SET n = %s", (number,))
    except psycopg.Error as error:
        client.fail("clock", error)
        return await client.again()
    client.seen["ticks"].append(Tick(time.monotonic(), number))


async def read(client: Client, schema: str) -> None:
    connection = await client.connected()
    if connection is None:
        return await asyncio.sleep(0.1)
    begin = time.monotonic()
    try:
        with client.patient(connection):
            cursor = await connection.execute(f"SELECT n, host(inet_server_addr()) FROM {schema}.clock")
            row = await cursor.fetchone()
    except psycopg.errors.UndefinedTable:
        # The replica has not got there yet: as old as the table, which is younger than any bound.
        return
    except psycopg.Error as error:
        client.fail("read", error)
        return await client.again()
    number, server = row or (0, "")
    client.seen["reads"].append(Read(begin, time.monotonic(), number, server or ""))


async def clients(work: dict[str, Any], over: asyncio.Event) -> dict[str, list[Any]]:
    seen: dict[str, list[Any]] = {"writes": [], "looks": [], "ticks": [], "reads": [], "failures": []}
    schema, at_work = work["schema"], asyncio.Semaphore(0)

    async def turn(client: Client, kind: str, number: int, sequence: int) -> None:
        if kind == "reader":
            await read(client, schema)
        elif number == 0:
            await tick(client, schema, sequence)
        else:
            await write(client, schema, (number, sequence))
            if sequence % _LOOK_EVERY == 0:
                await look(client, schema, number)

    async def turns(conninfo: str, number: int, kind: str) -> None:
        client = Client(conninfo, seen, work["lifetime"], work["patience"])
        # Not all in one instant.
        await asyncio.sleep(work["pause"] * number / 50)
        for sequence in itertools.count(1):
            if over.is_set():
                break
            await turn(client, kind, number, sequence)
            if sequence == 1:
                at_work.release()
            await asyncio.sleep(work["pause"])
        if client.connection is not None:
            await client.connection.close()

    everybody = [
        (conninfo, number, kind[:-1]) for kind in ("writers", "readers") for number, conninfo in enumerate(work[kind])
    ]
    tasks = [asyncio.create_task(turns(*one)) for one in everybody]
    for _one in everybody:
        await at_work.acquire()
    sys.stdout.write("all are at work\n")
    sys.stdout.flush()
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
