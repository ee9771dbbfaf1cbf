# SPDX-License-Identifier: Apache-2.0
"""The edges: PgBouncer's consoles and pools, HAProxy, addresses, systemd."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import struct
import time
from pathlib import Path
from typing import Any

import judge
import psycopg2
import psycopg2.extensions

# How long an answer is waited for, seconds. Longer than a login takes where processors are short: asked anew it would
# never get done. And less than `judge.PROBATION`: who has the address must have asked anew before others are sound.
TIMEOUT = 4.0
# A connection that was kept longer would keep a PgBouncer alive that has been told to stop.
LIFETIME = 5.0


def wait(connection: Any) -> None:
    """How psycopg2 waits, in place of for ever."""
    deadline = time.monotonic() + TIMEOUT
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        reads = [connection] if state == psycopg2.extensions.POLL_READ else []
        writes = [connection] if state == psycopg2.extensions.POLL_WRITE else []
        if not any(select.select(reads, writes, [], max(0.0, deadline - time.monotonic()))):
            raise TimeoutError


psycopg2.extensions.set_wait_callback(wait)


def first_value(connection: Any, statement: str) -> Any:
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def peer(descriptor: int) -> int:
    """The number of the process that listens at the other end of a Unix socket."""
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[0])


def console(directory: str, port: int) -> int:
    """A PgBouncer process, at its console, which is open to the user that it runs as. Says which process it is."""
    connection = psycopg2.connect(host=directory, port=port, user="pgbouncer", dbname="pgbouncer")
    with contextlib.closing(connection):
        first_value(connection, "SHOW VERSION")
        return peer(connection.fileno())


def haproxy(path: str) -> int:
    """Says which process answers: the socket itself was made by its master."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        connection.connect(path)
        connection.sendall(b"show info\n")
        number = re.search(rb"^Pid: (\d+)$", connection.recv(4096), re.MULTILINE)
    if not number:
        raise ConnectionError("it answers something else")
    return int(number[1])


class PathToPrimary:
    """A query through the pool, over a connection that is renewed every few seconds."""

    def __init__(self, query: dict[str, Any], password_file: str) -> None:
        self.query = query
        self.password_file = password_file
        self.connection: Any = None
        self.since = 0.0

    def __call__(self) -> None:
        try:
            if self.connection is None:
                self.connection, self.since = self._connect(), time.monotonic()
            if first_value(self.connection, "SELECT pg_is_in_recovery()"):
                raise ConnectionError("the pool leads to a replica")
        except BaseException:
            self._close()
            raise
        if time.monotonic() - self.since > LIFETIME:
            self._close()

    def _connect(self) -> Any:
        lines = Path(self.password_file).read_text(encoding="utf-8").splitlines()
        ca_file = self.query["ca_file"]
        return psycopg2.connect(
            host=self.query["host"],
            port=self.query["port"],
            dbname=self.query["database"],
            user=self.query["user"],
            password=judge.password(lines, self.query["user"]),
            application_name="pgtier-proxy-check",
            **({"sslmode": "verify-full", "sslrootcert": ca_file} if ca_file else {"sslmode": "disable"}),
        )

    def _close(self) -> None:
        if self.connection is not None:
            with contextlib.suppress(psycopg2.Error):
                self.connection.close()
        self.connection = None


def has(address: str) -> bool:
    """Whether this host has an address: only then can it be bound to."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def write(path: str, value: int) -> None:
    """keepalived reads the file when it is closed."""
    Path(path).write_text(f"{value}\n", encoding="ascii")


def notify(message: str) -> None:
    """Tell systemd (sd_notify): ready, alive, or what to show in `systemctl status`."""
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.sendto(message.encode(), path.replace("@", "\0", 1))
