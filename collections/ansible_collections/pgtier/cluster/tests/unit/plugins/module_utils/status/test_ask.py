# SPDX-License-Identifier: Apache-2.0
"""Asked on loopback: what answers, what refuses, what says nothing."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.haproxy import parse_stat
from ansible_collections.pgtier.cluster.plugins.module_utils.status import ask, proxy

from ..patroni.fake import FakeMember


@pytest.fixture
def member() -> Iterator[FakeMember]:
    made = FakeMember({})
    yield made
    made.close()


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_who_does_not_answer_holds_up_nobody(member: FakeMember, nobody: str) -> None:
    found = ask.patroni({"pg1": "http://127.0.0.1:1", "pg2": nobody, "pg3": member.url}, None, 0.5)
    assert "refused" in found["members"]["pg1"]["error"]
    assert "timed out" in found["members"]["pg2"]["error"]
    assert found["members"]["pg3"]["body"]["state"] == "running"
    assert found["cluster"]["body"]["members"][0]["name"] == "pg1"


def test_no_member_knows_the_cluster() -> None:
    assert ask.patroni({"pg1": "http://127.0.0.1:1"}, None, 0.5)["cluster"] is None
    assert ask.etcd({"pg1": "http://127.0.0.1:1"}, None, 0.5)["listed"] is None


def test_something_else_answers(member: FakeMember) -> None:
    member.config = None
    assert ask.answer(f"{member.url}/config", None, 1)["error"]


def test_servers_of_haproxy() -> None:
    stat = "# pxname,svname,status,\nreplica,FRONTEND,OPEN,\nreplica,pg2,UP,\nreplica,pg3,no check,\n\n"
    assert proxy.backends(parse_stat(stat)) == {"replica": {"pg2": "UP", "pg3": "no check"}}
    assert "error" in proxy.haproxy("/nowhere/admin.sock")


def test_the_route_answers_holds_or_is_away() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                query, sender = server.recvfrom(4096)
                if b"held" in query:
                    continue
                if b"stop" in query:
                    return
                records = [socket.inet_aton(one) for one in ("127.0.0.2", "10.0.0.12", "10.0.0.13")]
                packed = b"".join(struct.pack("!HHHIH", 0xC00C, 1, 1, 0, 4) + one for one in records)
                server.sendto(query[:2] + struct.pack("!HHHHH", 0x8580, 1, 3, 0, 0) + query[12:] + packed, sender)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        found = proxy.route(port, ["replica.pgtier", "held.pgtier"])
        # The first is the route's own relay.
        assert found == {"replica.pgtier": {"addresses": ["10.0.0.12", "10.0.0.13"]}, "held.pgtier": {"held": True}}
        proxy.route(port, ["stop.pgtier"])
        thread.join(5)
    assert "error" in proxy.route(port, ["replica.pgtier"])["replica.pgtier"]
    assert proxy.route(port, []) == {}
