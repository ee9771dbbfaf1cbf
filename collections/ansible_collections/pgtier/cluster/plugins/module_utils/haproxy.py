"""HAProxy's runtime socket: who gets new connections, and telling it so. What it is told holds until it is reloaded."""

from __future__ import annotations

import csv
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Of srv_admin_state: put into maintenance, or drained, by a command. More bits say the same for other reasons, and one
# above them where the server's name is from.
MAINTENANCE, DRAINED = 0x01, 0x08
_TAKEN_OUT = 0x3F
_RUNNING = "2"
# Of srv_check_status, before the first check; srv_check_result is unknown again while a check is under way.
_UNCHECKED = ("0", "1")


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


def ask(path: str, question: str, seconds: float) -> str:
    """The answer, word for word. Raises OSError."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(path)
        connection.sendall(f"{question}\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def command(path: str, text: str) -> str:
    try:
        return ask(path, text, 5)
    except OSError as error:
        raise HaproxyError(f"HAProxy does not answer at {path}: {error}; see `systemctl status haproxy`") from None


def servers(path: str, backends: Sequence[str] | None = None) -> list[Server]:
    """Those of the backends, or of all that there are."""
    questions = ["show servers state"] if backends is None else [f"show servers state {one}" for one in backends]
    return [server for text in questions for server in parse_servers(text, command(path, text))]


def parse_servers(question: str, answer: str) -> list[Server]:
    """What `show servers state`, with a backend or without, is answered with."""
    lines = answer.splitlines()
    header = next((line[2:].split() for line in lines if line.startswith("# ")), None)
    if header is None:
        raise HaproxyError(f"HAProxy answers `{question}` with {answer.strip()!r} instead of servers")
    table = [line.split() for line in lines if line and not line.startswith("#")]
    return [_server(dict(zip(header, row, strict=True))) for row in table if len(row) == len(header)]


def parse_stat(answer: str) -> list[dict[str, str]]:
    """The servers' rows in the answer to `show stat`."""
    rows = csv.DictReader(answer.removeprefix("# ").splitlines())
    return [row for row in rows if row["svname"] not in ("FRONTEND", "BACKEND")]


def tell(path: str, commands: Sequence[str]) -> None:
    for text in commands:
        if answer := command(path, text).strip():
            raise HaproxyError(f"{text}: {answer}")


def _server(row: Mapping[str, str]) -> Server:
    return Server(
        backend=row["be_name"],
        name=row["srv_name"],
        address=row["srv_addr"],
        up=row["srv_op_state"] == _RUNNING and row["srv_check_status"] not in _UNCHECKED,
        admin=int(row["srv_admin_state"]) & _TAKEN_OUT,
    )
