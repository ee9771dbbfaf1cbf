"""Clients beside those of tests/support/load.py: ones that log in for each transaction, and ones of another user."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from tier import join, wait_until

PAUSE_SECONDS = 0.3


@dataclass
class Client:
    """Makes one transaction after the other, over one connection or with a login for each."""

    conninfo: str
    stays: bool
    done: int = 0
    errors: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def work(self, over: threading.Event) -> None:
        connection: psycopg.Connection[Any] | None = None
        while not over.wait(PAUSE_SECONDS):
            begin = time.monotonic()
            try:
                connection = connection or psycopg.connect(self.conninfo)
                connection.execute("SELECT current_user")
                connection.commit()
                self.done += 1
                self.slowest = max(self.slowest, time.monotonic() - begin)
            except psycopg.Error as error:
                self.errors.append(f"{time.strftime('%H:%M:%S')} {str(error).strip()}")
            if connection is not None and (connection.broken or not self.stays):
                connection.close()
                connection = None
        if connection is not None:
            connection.close()


@contextmanager
def at_work(conninfos: Sequence[str], stay: bool) -> Iterator[list[Client]]:
    over = threading.Event()
    clients = [Client(conninfo, stay) for conninfo in conninfos]
    threads = [threading.Thread(target=client.work, args=(over,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    try:
        wait_until("every client has done something", 15, lambda: all(client.done for client in clients))
        yield clients
    finally:
        over.set()
        join(threads)
