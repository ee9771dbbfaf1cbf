# SPDX-License-Identifier: Apache-2.0
"""A load on a tier's endpoints, in processes of its own, and the schema that it writes to.

`running` is how it is used; when it has stopped, the checker judges its report.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

# Whoever starts a load asks `missing` before.
with contextlib.suppress(ImportError):
    import psycopg

from ansible_collections.pgtier.cluster.plugins.module_utils.drill.ledger import Ledger

# Between two of a client's transactions: an application that thinks. 100 clients are about 400 transactions a second,
# which leaves two cores that hosts, clients and Ansible share something to work with.
PAUSE_SECONDS = 0.25
# How long a client waits for an answer before it takes its connection for lost.
PATIENCE_SECONDS = 60.0
# How long the tier may refuse to say what there is when the clients have ended, or to drop the schema: a pool that has
# just lost its server passes an old error on, and a fault's last consequence may be a moment away.
AFTERMATH_SECONDS = 30.0
# How long the owner of the schema waits for one host to let it in.
CONNECT_SECONDS = 10
_PROGRAM = "ansible_collections.pgtier.cluster.plugins.module_utils.drill.clients"
_IMPORT_PATH = Path(__file__).parents[6]


def missing() -> str | None:
    """What this Python lacks to run a load, with the remedy."""
    if importlib.util.find_spec("psycopg"):
        return None
    return f"{sys.executable} has no psycopg 3, which the load's clients need: pip install 'psycopg[binary]>=3.2'"


def environment() -> dict[str, str]:
    """That of a program of this collection: it imports what this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(_IMPORT_PATH), *sys.path])}


def pipe(stream: IO[str] | None) -> IO[str]:
    """A process's stream that is known to be a pipe."""
    if stream is None:
        raise AssertionError("the process was started without this pipe")
    return stream


@dataclass(frozen=True)
class Connections:
    """Where to connect, as strings of libpq. `owner` may create a schema; there is a client for each of the others."""

    owner: str
    writers: Sequence[str]
    readers: Sequence[str]


class Load:
    """Clients that run. `stop` ends them, each after what it is about; then `report` is what they saw."""

    def __init__(
        self,
        connections: Connections,
        pause: float = PAUSE_SECONDS,
        lifetime: float = float("inf"),
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.connections, self.report = connections, Ledger()
        self.schema = f"pgtier_load_{uuid.uuid4().hex[:12]}"
        self._common = {"schema": self.schema, "pause": pause, "lifetime": lifetime, "patience": patience}
        self._processes: list[subprocess.Popen[str]] = []
        self._schema_may_be_there = self._over = False

    def start(self) -> None:
        """Make the schema, start the clients, and wait until every one of them has done something."""
        self.make_schema()
        self._processes = [
            # The first of the writers is the clock.
            _start({**self._common, "writers": [self.connections.owner, *self.connections.writers], "readers": []}),
            _start({**self._common, "writers": [], "readers": list(self.connections.readers)}),
        ]
        for process in self._processes:
            line = pipe(process.stdout).readline()
            if line != "all are at work\n":
                raise RuntimeError(f"the clients did not get to work: {line!r}")

    def make_schema(self) -> None:
        with self._owner() as connection:
            self._schema_may_be_there = True
            # No key: a write that is there twice has to be seen, not refused.
            connection.execute(
                f"CREATE SCHEMA {self.schema};"
                f"CREATE TABLE {self.schema}.writes (client int, sequence int, half int);"
                f"CREATE INDEX ON {self.schema}.writes (client, sequence);"
                f"CREATE TABLE {self.schema}.clock (n int); INSERT INTO {self.schema}.clock VALUES (0)"
            )

    def stop(self) -> None:
        if self._over:
            return
        self._over = True
        # Told to end at once, and read one after the other.
        for process in self._processes:
            pipe(process.stdin).close()
        for process in self._processes:
            self.report.add(json.loads(pipe(process.stdout).read() or "{}"))
            process.wait(timeout=90)
        found = self._insist(f"SELECT client, sequence, half, count(*) FROM {self.schema}.writes GROUP BY 1, 2, 3")
        self.report.rows.update({(client, sequence, half): number for client, sequence, half, number in found})

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def clean_up(self) -> None:
        if not self._schema_may_be_there:
            return
        statement = f"DROP SCHEMA IF EXISTS {self.schema} CASCADE"
        try:
            self._insist(statement)
        except psycopg.OperationalError as error:
            why = f"the load's schema may be left; on the primary, in the load's database: {statement}. {error}"
            raise psycopg.OperationalError(why) from error

    def _insist(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement that may be run twice. An error of the tier's counts when it lasts."""
        deadline = time.monotonic() + AFTERMATH_SECONDS
        while True:
            try:
                with self._owner() as connection:
                    cursor = connection.execute(statement)
                    return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    def _owner(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.connections.owner, autocommit=True, connect_timeout=CONNECT_SECONDS)


@contextlib.contextmanager
def running(connections: Connections, **options: float) -> Iterator[Load]:
    """A load whose schema is gone afterwards. Options are those of Load."""
    load = Load(connections, **options)
    try:
        load.start()
        yield load
        load.stop()
    finally:
        load.kill()
        load.clean_up()


def _start(work: dict[str, Any]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=environment(),
    )
    # By standard input: there are passwords in it.
    pipe(process.stdin).write(json.dumps(work) + "\n")
    pipe(process.stdin).flush()
    return process
