# SPDX-License-Identifier: Apache-2.0
"""The edges: HAProxy, PostgreSQL, Patroni, PgBouncer's consoles, systemd."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import decide
from decide import Row, Seen, Server
from freshness import Gate

# How often each member is asked how far it is and whether it leads, and how often while that decides, seconds.
SAMPLE, HURRY = 0.5, 0.1
SSL_REQUEST = struct.pack("!II", 8, 80877103)
NOT_YET = b"57P03"  # cannot_connect_now: PostgreSQL is starting up or shutting down


def trusting(ca_file: str) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=ca_file) if ca_file else None


def haproxy(path: str, backend: str) -> Seen | None:
    """A backend as HAProxy sees it; None when HAProxy cannot be asked now, or does not know yet."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(0.5)
            connection.connect(path)
            connection.sendall(f"show servers state {backend}\n".encode())
            return decide.seen(b"".join(iter(lambda: connection.recv(65536), b"")).decode())
    except OSError:
        return None


# --- PostgreSQL ----------------------------------------------------------------------------------------------------


def startup(user: str, database: str) -> bytes:
    body = struct.pack("!I", 196608) + b"user\0%b\0database\0%b\0\0" % (user.encode(), database.encode())
    return struct.pack("!I", len(body) + 4) + body


@contextlib.contextmanager
def connected(server: Server, tls: ssl.SSLContext | None, name: str) -> Iterator[socket.socket]:
    """A connection to PostgreSQL, encrypted and verified as `name` with `tls`, and ended in order."""
    with socket.create_connection(server, timeout=0.5) as plain:
        if tls is None:
            yield plain
            return
        plain.sendall(SSL_REQUEST)
        if plain.recv(1) != b"S":
            raise ConnectionError(f"{server.address}:{server.port} does not speak TLS")
        with tls.wrap_socket(plain, server_hostname=name) as encrypted:
            yield encrypted
            # Said goodbye to, the server does not take the end for a failure.
            with contextlib.suppress(OSError):
                encrypted.unwrap()


def accepts(server: Server, user: str, tls: ssl.SSLContext | None = None, name: str = "") -> bool:
    """Whether PostgreSQL there would begin a login now: what pg_isready asks. It leaves no line in the server's log."""
    try:
        with connected(server, tls, name) as connection:
            connection.sendall(startup(user, "postgres"))
            answer = connection.recv(1024)
    except OSError:
        return False
    return answer[:1] == b"R" or (answer[:1] == b"E" and b"C" + NOT_YET not in answer)


# --- Patroni -------------------------------------------------------------------------------------------------------


def position(status: dict[str, Any]) -> tuple[int, int] | None:
    """The timeline on which a member leads, 0 if it does not, and how far it has written or replayed; None if it does
    not say (it starts, say)."""
    xlog = status.get("xlog", {})
    if isinstance(written := xlog.get("location"), int):
        return int(status.get("timeline", 1)), written
    return (0, replayed) if isinstance(replayed := xlog.get("replayed_location"), int) else None


def sample(member: dict[str, Any], gate: Gate, tls: ssl.SSLContext | None) -> None:
    """Ask one member how far it is. The moment is that of asking: the answer is of then or later."""
    kind = http.client.HTTPConnection if tls is None else http.client.HTTPSConnection
    options: dict[str, Any] = {} if tls is None else {"context": tls}
    connection = kind(member["address"], member["restapi_port"], timeout=1, **options)
    moment = time.monotonic()
    try:
        connection.request("GET", "/patroni")
        found = position(json.loads(connection.getresponse().read()))
    except (OSError, http.client.HTTPException, ValueError):
        return
    finally:
        connection.close()
    if found:
        timeline, at = found
        if timeline:
            gate.leads(member["address"], moment, at, timeline)
        else:
            gate.follows(member["address"], moment, at)


def watch(
    members: Callable[[], list[dict[str, Any]]], gate: Gate, tls: ssl.SSLContext | None, unsure: threading.Event
) -> None:
    """Sample each member for as long as it is one, in a thread of its own: one that hangs holds up nobody else. While
    it is `unsure` who leads, in a hurry."""
    watched: list[dict[str, Any]] = []

    def forever(member: dict[str, Any]) -> None:
        while member in members():
            sample(member, gate, tls)
            if unsure.wait(SAMPLE):
                time.sleep(HURRY)
        watched.remove(member)

    def look_after() -> None:
        while True:
            for member in members():
                if member not in watched:
                    watched.append(member)
                    threading.Thread(target=forever, args=(member,), daemon=True).start()
            time.sleep(SAMPLE)

    threading.Thread(target=look_after, daemon=True).start()


# --- PgBouncer -----------------------------------------------------------------------------------------------------


class Console:
    """PgBouncer's administration console over its Unix socket, open to the user that PgBouncer runs as.

    For a moment only: a connection that is kept open would keep a PgBouncer alive that has been told to stop.
    """

    def __init__(self, path: str) -> None:
        self.stream = socket.socket(socket.AF_UNIX)
        self.stream.settimeout(1)
        self.stream.connect(path)
        self.stream.sendall(startup("pgbouncer", "pgbouncer"))
        list(self._messages())

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def query(self, command: str) -> list[Row]:
        self.stream.sendall(b"Q" + struct.pack("!I", len(command) + 5) + command.encode() + b"\0")
        return list(rows(self._messages()))

    def _messages(self) -> Iterator[tuple[bytes, bytes]]:
        """Messages up to ReadyForQuery."""
        buffer = b""
        while True:
            while len(buffer) >= 5 and len(buffer) > (length := struct.unpack_from("!I", buffer, 1)[0]):
                kind, body, buffer = buffer[:1], buffer[5 : length + 1], buffer[length + 1 :]
                if kind == b"Z":
                    return
                yield kind, body
            chunk = self.stream.recv(65536)
            if not chunk:
                raise ConnectionError("PgBouncer closed its console")
            buffer += chunk


def rows(messages: Iterable[tuple[bytes, bytes]]) -> Iterator[Row]:
    """RowDescription and DataRow messages as dicts."""
    names: list[str] = []
    for kind, body in messages:
        if kind == b"T":
            names, at = [], 2
            for _ in range(struct.unpack_from("!H", body)[0]):
                end = body.index(b"\0", at)
                names.append(body[at:end].decode())
                at = end + 19
        elif kind == b"D":
            values, at = [], 2
            for _ in names:
                size = struct.unpack_from("!i", body, at)[0]
                values.append(body[at + 4 : at + 4 + max(size, 0)].decode(errors="replace"))
                at += 4 + max(size, 0)
            yield dict(zip(names, values, strict=True))


def connections(paths: Iterable[str]) -> Counter[str]:
    """How many server connections lead to each address, in all the PgBouncers at `paths` that answer."""
    found: Counter[str] = Counter()
    for path in paths:
        with contextlib.suppress(OSError), Console(path) as console:
            found.update(row["addr"] for row in console.query("SHOW SERVERS"))
    return found


def cancelling(paths: Iterable[str]) -> bool:
    """Whether a request to cancel waits for a connection in one of the PgBouncers at `paths`."""
    for path in paths:
        with contextlib.suppress(OSError), Console(path) as console:
            if any(row.get("cl_waiting_cancel_req", "0") != "0" for row in console.query("SHOW POOLS")):
                return True
    return False


def sweep(path: str, alive: Sequence[Server] | None) -> None:
    """End what hangs on a server that is gone in the PgBouncer whose console is at `path`."""
    try:
        with Console(path) as console:
            clients, databases = decide.cut(console.query("SHOW SERVERS"), alive)
            # The idle ones first, or a client that comes back would get one of them.
            for database in databases:
                console.query(f'RECONNECT "{database}"')
            for client in console.query("SHOW CLIENTS") if clients else ():
                if client["ptr"] in clients:
                    console.query(f"KILL_CLIENT {client['id']}")
    except OSError:
        return  # PgBouncer is not running, and so has no connections
    if clients or databases:
        idle = ", ".join(sorted(databases)) or "none"
        print(
            f"{path}: left a server that is gone: {len(clients)} clients; databases with idle ones: {idle}", flush=True
        )


def spread(path: str) -> bool:
    """Have the PgBouncer at `path` open its server connections anew, each when it is idle. False: try again later."""
    try:
        with Console(path) as console:
            databases = decide.spread_anew(console.query("SHOW SERVERS"))
            for database in databases or ():
                console.query(f'RECONNECT "{database}"')
    except OSError:
        return True  # PgBouncer is not running, and so has no connections
    if databases:
        print(f"{path}: connections of {', '.join(sorted(databases))} are made anew", flush=True)
    return databases is not None


# --- systemd -------------------------------------------------------------------------------------------------------


def notify(message: str) -> None:
    """Tell systemd (sd_notify): ready, alive, or what to show in `systemctl status`."""
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.sendto(message.encode(), path.replace("@", "\0", 1))
