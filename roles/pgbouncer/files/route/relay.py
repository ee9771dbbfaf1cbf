# SPDX-License-Identifier: Apache-2.0
"""Requests to cancel a query, for endpoints with several servers behind one name.

PgBouncer sends such a request to whichever address the name gives, and only the server that runs the query knows its
key. So while a request waits, the answer begins with the address of this relay, which passes it on to all members:
those that do not know the key ignore it. PgBouncer sends it in the clear, here as far as loopback; from here it goes
encrypted.

A login that was answered with the relay's address by chance is passed on as it is; PgBouncer leaves it at the next
answer, which lacks the address.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence

from ask import connected
from decide import Server

CANCEL = struct.pack("!II", 16, 80877102)
PATIENCE = 5.0  # seconds for the first words of a connection


def listen(address: str, port: int) -> socket.socket:
    return socket.create_server((address, port), backlog=64)


def serve(
    listener: socket.socket,
    members: Callable[[], Sequence[Server]],
    fit: Callable[[], Sequence[Server]],
    tls: ssl.SSLContext | None,
    name: str,
) -> None:
    """Take connections for ever, each in a thread of its own. `name` is what all members are verified as."""

    def take(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(PATIENCE)
            # Every first message has 8 bytes at least, and only that of a cancel request has 16.
            first = connection.recv(8, socket.MSG_WAITALL | socket.MSG_PEEK)
            if first == CANCEL:
                broadcast(connection.recv(16, socket.MSG_WAITALL), members(), tls, name)
            elif first and (servers := fit()):
                splice(connection, servers[0])

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=take, args=(connection,), daemon=True).start()


def broadcast(request: bytes, members: Sequence[Server], tls: ssl.SSLContext | None, name: str) -> None:
    """Tell all at once; a member that does not answer holds nobody up."""

    def tell(member: Server) -> None:
        with contextlib.suppress(OSError), connected(member, tls, name) as server:
            server.sendall(request)
            server.recv(1)  # the server hangs up when it has taken the request

    threads = [threading.Thread(target=tell, args=(member,), daemon=True) for member in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2)


def splice(client: socket.socket, server: Server) -> None:
    """Pass bytes on in both directions until one side ends."""
    with socket.create_connection(server, timeout=2) as other:
        client.settimeout(None)
        other.settimeout(None)
        while True:
            for source in select.select([client, other], [], [])[0]:
                data = source.recv(65536)
                if not data:
                    return
                (other if source is client else client).sendall(data)
