from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils import haproxy
from ansible_collections.pgtier.cluster.plugins.module_utils.haproxy import HaproxyError, Server

HEADER = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_port srv_check_result"


def state(*rows: tuple[str, int, int, int]) -> str:
    lines = [
        f"2 replica {n} {name} 10.0.0.{n} {op} {admin} 1 5432 {check}"
        for n, (name, op, admin, check) in enumerate(rows, 1)
    ]
    return "\n".join(["1", HEADER, *lines, ""])


@pytest.mark.parametrize(
    ("row", "up", "serves"),
    [
        (("pg1", 2, 0, 3), True, True),
        (("pg1", 2, 8, 3), True, False),
        (("pg1", 0, 0, 2), False, False),
        (("pg1", 0, 8, 2), False, False),
        (("pg1", 2, 0, 0), False, False),
    ],
    ids=["fit", "drained", "down", "drained and down", "not checked yet"],
)
def test_parse(row: tuple[str, int, int, int], up: bool, serves: bool) -> None:
    (server,) = haproxy.parse(state(row), "replica")
    assert (server.up, server.serves) == (up, serves)


def test_what_haproxy_says_instead_of_a_table_is_quoted() -> None:
    with pytest.raises(HaproxyError, match="Can't find backend"):
        haproxy.parse("Can't find backend.\n", "replica")


def server(name: str, admin: int = 0, backend: str = "replica") -> Server:
    return Server(backend, name, "10.0.0.1", True, admin)


@pytest.mark.parametrize(
    ("wanted", "seen", "commands"),
    [
        ("drained", [server("pg1"), server("pg2")], ["set server replica/pg1 state drain"]),
        ("drained", [server("pg1", 8)], []),
        ("drained", [server("pg1", 8), server("pg1", 0, "more")], ["set server more/pg1 state drain"]),
        ("ready", [server("pg1", 8)], ["set server replica/pg1 state ready"]),
        ("ready", [server("pg1", 1)], ["set server replica/pg1 state ready"]),
        ("ready", [server("pg1")], []),
    ],
)  # fmt: skip
def test_plan(wanted: str, seen: list[Server], commands: list[str]) -> None:
    assert haproxy.plan(wanted, "pg1", seen) == commands


def test_plan_refuses_what_is_not_there_and_what_somebody_else_has_taken_out() -> None:
    with pytest.raises(ValueError, match="no server pg9 for reads; it has pg1"):
        haproxy.plan("drained", "pg9", [server("pg1")])
    with pytest.raises(ValueError, match="put pg1 into maintenance in replica"):
        haproxy.plan("drained", "pg1", [server("pg1", 1)])


def test_command_over_the_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def answer() -> None:
        for text in ("\n", "No such server.\n"):
            connection, _address = listener.accept()
            connection.recv(100)
            connection.sendall(text.encode())
            connection.close()

    threading.Thread(target=answer, daemon=True).start()
    haproxy.tell(path, ["set server replica/pg1 state drain"])
    with pytest.raises(HaproxyError, match="state ready: No such server"):
        haproxy.tell(path, ["set server replica/pg1 state ready"])
    listener.close()
    with pytest.raises(HaproxyError, match="systemctl status haproxy"):
        haproxy.command(str(tmp_path / "nothing"), "show info")
