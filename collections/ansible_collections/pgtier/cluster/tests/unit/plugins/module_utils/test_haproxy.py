from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils import haproxy
from ansible_collections.pgtier.cluster.plugins.module_utils.haproxy import HaproxyError

HEADER = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_port srv_check_status"


def state(*rows: tuple[str, int, int, int]) -> str:
    lines = [
        f"2 replica {n} {name} 10.0.0.{n} {op} {admin} 1 5432 {check}"
        for n, (name, op, admin, check) in enumerate(rows, 1)
    ]
    return "\n".join(["1", HEADER, *lines, ""])


@pytest.mark.parametrize(
    ("row", "up", "serves"),
    [
        (("pg1", 2, 0, 15), True, True),
        (("pg1", 2, 8, 15), True, False),
        (("pg1", 2, 1, 15), True, False),
        (("pg1", 2, 16, 15), True, False),
        (("pg1", 2, 64, 15), True, True),
        (("pg1", 0, 0, 17), False, False),
        (("pg1", 0, 8, 17), False, False),
        (("pg1", 2, 0, 1), False, False),
    ],
    ids=[
        "fit",
        "drained",
        "in maintenance",
        "drained with another",
        "named from elsewhere",
        "down",
        "drained and down",
        "not checked yet",
    ],
)
def test_servers(row: tuple[str, int, int, int], up: bool, serves: bool) -> None:
    (server,) = haproxy.parse_servers("show servers state", state(row))
    assert (server.up, server.serves) == (up, serves)


def test_what_haproxy_says_instead_of_a_table_is_quoted() -> None:
    with pytest.raises(HaproxyError, match=r"state replica` with .*Can't find backend"):
        haproxy.parse_servers("show servers state replica", "Can't find backend.\n")


def test_statistics_are_of_servers() -> None:
    stat = "# pxname,svname,scur\nreplica,FRONTEND,7\nreplica,pg4,3\nreplica,BACKEND,4\nstats,FRONTEND,\n\n"
    assert haproxy.parse_stat(stat) == [{"pxname": "replica", "svname": "pg4", "scur": "3"}]
    assert haproxy.parse_stat("") == []


class Socket:
    """HAProxy's end of the socket, one answer a connection."""

    def __init__(self, path: str, *answers: str) -> None:
        self.heard: list[str] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self._serve, args=(answers,), daemon=True).start()

    def _serve(self, answers: tuple[str, ...]) -> None:
        for text in answers:
            connection, _address = self.listener.accept()
            self.heard.append(connection.recv(100).decode())
            connection.sendall(text.encode())
            connection.close()


def test_commands_over_the_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    other = Socket(path, "\n", "No such server.\n")
    haproxy.tell(path, ["set server replica/pg1 state drain"])
    with pytest.raises(HaproxyError, match="state ready: No such server"):
        haproxy.tell(path, ["set server replica/pg1 state ready"])
    other.listener.close()
    with pytest.raises(HaproxyError, match="systemctl status haproxy"):
        haproxy.command(str(tmp_path / "nothing"), "show info")


def test_servers_of_some_backends_or_of_all(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    other = Socket(path, *(state(("pg1", 2, 0, 15)) for _time in range(3)))
    assert [server.name for server in haproxy.servers(path, ["primary", "replica"])] == ["pg1", "pg1"]
    assert [server.name for server in haproxy.servers(path)] == ["pg1"]
    assert other.heard == ["show servers state primary\n", "show servers state replica\n", "show servers state\n"]
    other.listener.close()
