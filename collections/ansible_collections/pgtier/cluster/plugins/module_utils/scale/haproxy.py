# SPDX-License-Identifier: Apache-2.0
"""HAProxy's runtime: which backends have a server, and whether it is drained. Pure but for the socket."""

from __future__ import annotations

import socket
from dataclasses import dataclass

# Of `show servers state`, srv_admin_state: bits of a server that gets no new connections, drained or in maintenance.
_DRAINED = 0x08 | 0x10
_MAINTENANCE = 0x01 | 0x02 | 0x04 | 0x20


@dataclass(frozen=True)
class Server:
    backend: str
    name: str
    serving: bool


def parse_servers(state: str) -> list[Server]:
    lines = state.splitlines()
    header = next((line[2:].split() for line in lines if line.startswith("# ")), None)
    if header is None:
        raise ValueError(f"HAProxy answered {state.strip()!r} instead of a table of servers")
    rows = [dict(zip(header, line.split(), strict=False)) for line in lines if line and line[0].isdigit()]
    return [
        Server(row["be_name"], row["srv_name"], not int(row["srv_admin_state"]) & (_DRAINED | _MAINTENANCE))
        for row in rows
        if "srv_admin_state" in row
    ]


def parse_sessions(stat: str) -> dict[tuple[str, str], int]:
    """Sessions of each server, by backend and name, from `show stat`."""
    lines = [line for line in stat.splitlines() if line.strip()]
    header = lines[0].lstrip("# ").split(",") if lines else []
    rows = [dict(zip(header, line.split(","), strict=False)) for line in lines[1:]]
    return {(row["pxname"], row["svname"]): int(row["scur"] or 0) for row in rows if row.get("scur")}


class Runtime:
    def __init__(self, path: str) -> None:
        self.path = path

    def servers(self) -> list[Server]:
        return parse_servers(self._ask("show servers state"))

    def sessions(self) -> dict[tuple[str, str], int]:
        return parse_sessions(self._ask("show stat"))

    def drain(self, server: Server) -> None:
        if said := self._ask(f"set server {server.backend}/{server.name} state drain").strip():
            raise ValueError(f"HAProxy does not drain {server.backend}/{server.name}: {said}")

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(self.path)
            connection.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
