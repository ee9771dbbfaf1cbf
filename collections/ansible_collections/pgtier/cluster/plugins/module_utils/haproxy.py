"""HAProxy's runtime socket: who gets new connections, and telling it so. What it is told holds until it is reloaded."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Of srv_admin_state: put into maintenance, or drained, by a command. The other bits say the same for other reasons.
MAINTENANCE, DRAINED = 0x01, 0x08
_RUNNING = "2"
_UNCHECKED = "0"


class HaproxyError(Exception):
    """It cannot be asked, or refused; the text says what to do."""


@dataclass(frozen=True)
class Server:
    """`up`: its checks succeed. `admin` is 0 for one that nobody has taken out."""

    backend: str
    name: str
    address: str
    up: bool
    admin: int

    @property
    def serves(self) -> bool:
        return self.up and self.admin == 0


def command(path: str, text: str) -> str:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(path)
            connection.sendall(f"{text}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    except OSError as error:
        raise HaproxyError(f"HAProxy does not answer at {path}: {error}; see `systemctl status haproxy`") from None


def servers(path: str, backends: Sequence[str]) -> list[Server]:
    return [server for backend in backends for server in parse(command(path, f"show servers state {backend}"), backend)]


def parse(state: str, backend: str) -> list[Server]:
    """The answer to `show servers state BACKEND`."""
    lines = state.splitlines()
    header = next((line[2:].split() for line in lines if line.startswith("# ")), None)
    if header is None:
        raise HaproxyError(f"HAProxy has no backend {backend}: {state.strip()!r}")
    table = [line.split() for line in lines if line and not line.startswith("#")]
    return [_server(dict(zip(header, row, strict=True))) for row in table if len(row) == len(header)]


def plan(state: str, name: str, seen: Sequence[Server]) -> list[str]:
    """Commands that bring a server to `drained` or `ready` in all backends that have it. Raises ValueError."""
    own = [server for server in seen if server.name == name]
    if not own:
        known = ", ".join(sorted({server.name for server in seen}))
        raise ValueError(f"HAProxy has no server {name} for reads; it has {known or 'none'}")
    if state == "drained":
        if kept := [server.backend for server in own if server.admin & MAINTENANCE]:
            raise ValueError(
                f"somebody has put {name} into maintenance in {', '.join(kept)}; end that first, with "
                f"`set server {kept[0]}/{name} state ready` at HAProxy's socket"
            )
        return [f"set server {one.backend}/{name} state drain" for one in own if not one.admin & DRAINED]
    return [f"set server {one.backend}/{name} state ready" for one in own if one.admin]


def tell(path: str, commands: Sequence[str]) -> None:
    for text in commands:
        if answer := command(path, text).strip():
            raise HaproxyError(f"{text}: {answer}")


def _server(row: Mapping[str, str]) -> Server:
    return Server(
        backend=row["be_name"],
        name=row["srv_name"],
        address=row["srv_addr"],
        up=row["srv_op_state"] == _RUNNING and row["srv_check_result"] != _UNCHECKED,
        admin=int(row["srv_admin_state"]),
    )
