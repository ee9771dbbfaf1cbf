# SPDX-License-Identifier: Apache-2.0
"""The edges: PgBouncer's consoles and pools, HAProxy, addresses, systemd."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from pathlib import Path
from typing import Any

import judge
import psycopg2
import psycopg2.extensions

TIMEOUT = 1.5  # how long an answer is waited for, seconds
# A connection that was kept longer would keep a PgBouncer alive that has been told to stop.
LIFETIME = 5.0


def wait(connection: Any) -> None:
    """How psycopg2 waits, in place of for ever."""
    deadline = time.monotonic() + TIMEOUT
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        reads = [connection] if state == psycopg2.extensions.POLL_READ else []
        writes = [connection] if state == psycopg2.extensions.POLL_WRITE else []
        if not any(select.select(reads, writes, [], max(0.0, deadline - time.monotonic()))):
            raise psycopg2.OperationalError("it does not answer")


psycopg2.extensions.set_wait_callback(wait)


def first_value(connection: Any, statement: str) -> Any:
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def console(directory: str, port: int) -> None:
    """A PgBouncer process, at its console, which is open to the user that it runs as."""
    connection = psycopg2.connect(host=directory, port=port, user="pgbouncer", dbname="pgbouncer")
    with contextlib.closing(connection):
        first_value(connection, "SHOW VERSION")


def haproxy(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        connection.connect(path)
        connection.sendall(b"show info\n")
        if b"HAProxy" not in connection.recv(4096):
            raise ConnectionError("it answers something else")


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
