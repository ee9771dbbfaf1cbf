# SPDX-License-Identifier: Apache-2.0
"""As much of DNS as PgBouncer's resolver asks for (RFC 1035): one question, and addresses as its answer."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator, Sequence

TYPE_A, TYPE_AAAA = 1, 28
NO_ERROR, NO_SUCH_NAME = 0, 3


def question(query: bytes) -> tuple[str, int, int]:
    """Name, type and end of the one question in a DNS query."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    return ".".join(labels).lower(), int(struct.unpack_from("!H", query, at + 1)[0]), at + 5


def reply(query: bytes, addresses: Sequence[str], code: int = NO_ERROR) -> bytes:
    """The answer to `query`: authoritative, not to be remembered (TTL 0), with those addresses that are of its type."""
    _, kind, end = question(query)
    size = {TYPE_A: 4, TYPE_AAAA: 16}.get(kind, -1)
    packed = [one for one in (ipaddress.ip_address(address).packed for address in addresses) if len(one) == size]
    records = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 0, size) + one for one in packed)
    header = query[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(packed), 0, 0)
    return header + query[12:end] + records


def received(resolver: socket.socket) -> Iterator[tuple[bytes, tuple[str, int]]]:
    """All the queries that have come in: PgBouncer asks for both families of address at once."""
    while True:
        try:
            query, sender = resolver.recvfrom(4096, socket.MSG_DONTWAIT)
            question(query)
        except BlockingIOError:
            return
        except (IndexError, struct.error, UnicodeDecodeError):
            continue  # no query: nothing that could be answered
        yield query, sender
