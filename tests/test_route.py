# SPDX-License-Identifier: Apache-2.0
"""The route runs on proxy hosts as a folder of modules; here they are imported as they are."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.issue import certify
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.pki import certificate_pem, make_authority
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.request import Host, Request

SOURCE = Path(__file__).parent.parent / "roles" / "pgbouncer" / "files" / "route"
sys.path.insert(0, str(SOURCE))

import ask  # noqa: E402
import decide  # noqa: E402
import dns  # noqa: E402
import relay  # noqa: E402
from decide import Seen, Server  # noqa: E402

HEADER = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_port"
A, B, C = (Server(f"10.0.0.{number}", 5432) for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["2 primary 1 pg1 10.0.0.1 2 0 1 5432", "2 primary 2 pg2 10.0.0.2 0 0 1 5432"], Seen([A], [A])),
        (["2 primary 1 pg1 10.0.0.1 2 0 1 5432", "2 primary 2 pg2 10.0.0.2 2 0 1 5432"], Seen([A, B], [A, B])),
        (["2 primary 1 pg1 10.0.0.1 0 0 1 5432", "2 primary 2 pg2 10.0.0.2 3 0 1 5432"], Seen([], [])),
        (["2 primary 1 pg1 10.0.0.1 2 1 1 5432"], Seen([], [A])),  # drained, or put into maintenance, by hand
        ([], Seen([], [])),
    ],
    ids=["one", "several", "none", "drained", "no servers"],
)
def test_seen(lines: list[str], expected: object) -> None:
    assert decide.seen("\n".join(["1", HEADER, *lines, ""])) == expected


def test_what_haproxy_has_not_checked_yet_is_not_known() -> None:
    """It takes every server for up until the first check has failed."""

    def state(*checks: str) -> str:
        rows = (f"2 replica {n} pg{n} 10.0.0.{n} 2 0 1 5432 {check}" for n, check in enumerate(checks, 1))
        return "\n".join(["1", f"{HEADER} srv_check_status srv_check_result", *rows, ""])

    assert decide.seen(state("15 3", "1 0")) is None
    both = Seen([A, B], [A, B], {A: "15", B: "12"})
    assert decide.seen(state("15 3", "12 2")) == both  # failed once, which is not enough to be down
    assert decide.seen(state("15 3", "12 0")) == both  # the next check is under way


@pytest.mark.parametrize(("status", "refusing"), [(17, [A]), (12, []), (8, [])], ids=["no", "time out", "refused"])
def test_a_replica_that_says_no_is_told_from_one_that_is_silent(status: int, refusing: list[Server]) -> None:
    """Its readers may finish: a candidate that was promoted a moment ago, say."""
    state = f"1\n{HEADER} srv_check_status srv_check_result\n2 replica 1 pg1 10.0.0.1 0 0 1 5432 {status} 2\n"
    seen = decide.seen(state)
    assert seen == Seen([], [], {A: str(status)}) and seen.refusing == refusing


def test_one_that_is_still_up_does_not_refuse_though_its_last_check_said_no() -> None:
    assert Seen([A], [A, B], {A: "17", B: "17", C: "17"}).refusing == [C]


def test_a_haproxy_that_ends_before_it_answers_says_nothing() -> None:
    assert decide.seen("") is None


def test_seen_names_what_haproxy_said() -> None:
    with pytest.raises(ValueError, match="Can't find backend"):
        decide.seen("Can't find backend.\n")


@pytest.mark.parametrize(
    ("replicas", "stale", "fallback", "expected"),
    [
        (Seen([A, B], [A, B]), set(), C, [A, B]),
        (Seen([A, B], [A, B]), {A.address}, C, [B]),
        (Seen([A], [A, B]), set(), C, [A]),
        (Seen([A, B], [A, B]), {A.address, B.address}, C, [C]),
        (Seen([A], [A]), {A.address}, None, []),
        (Seen([], [A]), set(), C, [C]),
        (None, set(), None, []),
    ],
    ids=["all", "one stale", "one drained", "all stale", "stale, no fallback", "all drained", "nothing known"],
)
def test_fit(replicas: Any, stale: set[str], fallback: Any, expected: Any) -> None:
    assert decide.fit(replicas, stale, fallback) == expected


def test_the_one_with_the_fewest_connections_comes_first_and_all_are_named() -> None:
    assert decide.in_turn([A, B, C], Counter({A.address: 2, B.address: 1, C.address: 3})) == [
        B.address,
        A.address,
        C.address,
    ]
    assert decide.in_turn([A, B], Counter()) == [A.address, B.address]
    assert decide.in_turn([], Counter()) == []


def test_twenty_connections_to_two_replicas_are_ten_each() -> None:
    connections: Counter[str] = Counter()
    for _ in range(20):
        connections[decide.in_turn([A, B], connections)[0]] += 1
    assert set(connections.values()) == {10}


@pytest.mark.parametrize(
    ("up", "last", "expected"),
    [
        ([A], None, A),
        ([B], A, B),
        ([], A, None),
        ([A, B], A, A),  # before the first checks, or around a switchover: no change without need
        ([A, B], None, None),
        ([B, C], A, None),
        (None, A, A),  # HAProxy restarts: what was true is the best guess, and the guard stands behind it
        (None, None, None),
    ],
)
def test_choose(up: list[Any] | None, last: Any, expected: Any) -> None:
    assert decide.choose(up, last) == expected


@pytest.mark.parametrize(
    ("up", "last", "leader", "expected"),
    [
        ([A, B], A, B, B),  # HAProxy still waits for a word from A, which is frozen or busy
        ([A, B], None, B, B),
        ([A, B], A, C, A),  # what HAProxy says goes first: C is not up
        ([A], A, B, A),
        ([], A, B, None),
    ],
)
def test_of_several_the_one_that_leads_by_its_own_word_is_chosen(
    up: list[Any], last: Any, leader: Any, expected: Any
) -> None:
    assert decide.choose(up, last, leader.address) == expected


@pytest.mark.parametrize(
    ("said", "since", "expected"),
    [
        ("8", None, 7.0),
        ("8", 5.0, 5.0),
        ("17", 5.0, 5.0),  # it has been started, and has not renewed its lead yet
        ("17", None, None),  # it has stepped down
        ("12", 5.0, None),  # it hangs, or its host does
        ("10", 5.0, None),
        ("7", 5.0, None),
        ("15", 5.0, None),  # all well again
        ("", 5.0, None),
    ],
)
def test_a_primary_is_orphaned_from_the_first_refusal_until_its_patroni_says_yes_or_nothing(
    said: str, since: float | None, expected: float | None
) -> None:
    seen = Seen([B], [B], {A: said, B: "8"} if said else {B: "8"})
    assert decide.orphaned(seen, A, since, 7.0) == expected


def test_an_orphan_is_one_still_while_haproxy_restarts() -> None:
    assert decide.orphaned(None, A, 5.0, 7.0) == 5.0
    assert decide.orphaned(Seen([], [], {A: "8"}), None, None, 7.0) is None


@pytest.mark.parametrize(
    ("serving", "since", "expected"),
    [
        ([], 5.0, True),
        ([], 5.0 - decide.GRACE, False),  # Patroni does not come back
        ([B], 5.0, False),  # another is the primary
        ([A], 5.0, False),  # nothing to spare it from: it is not down
        (None, 5.0, False),
        ([], None, False),
        ([], float("-inf"), False),
    ],
)
def test_an_orphan_keeps_its_clients_while_nobody_leads_and_for_a_time(
    serving: list[Any] | None, since: float | None, expected: bool
) -> None:
    assert decide.keeps_its_clients(serving, since, 5.0) is expected


def row(addr: str, link: str = "", state: str = "active", database: str = "app") -> dict[str, str]:
    return {"addr": addr, "link": link, "state": state, "database": database}


def waits(database: str = "app") -> dict[str, str]:
    """A login whose question about the address has not been answered yet, as PgBouncer shows it."""
    return row("(bad-af)", "", "new", database)


@pytest.mark.parametrize(
    ("servers", "up", "clients", "databases"),
    [
        ([row("10.0.0.1", "0x1"), row("10.0.0.1", "", "idle")], [A], set(), set()),
        ([row("10.0.0.1", "0x1"), row("10.0.0.2", "0x2")], [B], {"0x1"}, set()),
        ([row("10.0.0.1", "0x1"), row("10.0.0.1", "", "idle")], [], {"0x1"}, set()),
        ([row("10.0.0.1", "", "idle")], [B], set(), {"app"}),
        # RECONNECT would end the login that waits for the new primary, and so bring back the cached errors.
        ([row("10.0.0.1", "", "idle"), waits()], [B], set(), set()),
        ([row("10.0.0.1", "", "idle"), row("10.0.0.2", "", "new")], [B], set(), set()),
        ([row("10.0.0.1", "", "idle"), waits("other")], [B], set(), {"app"}),
        # A login there waits in vain, and everybody who needs the next one waits for it.
        ([row("10.0.0.1", "", "new")], [B], set(), {"app"}),
        ([row("10.0.0.1", "", "new")], [], set(), set()),
        ([row("10.0.0.1", "", "new"), waits()], [B], set(), set()),  # another user's pool
        ([row("unix", "", "new", "peer")], [B], set(), set()),  # a request to cancel on its way to a peer
        ([row("10.0.0.1", "0x1")], None, set(), set()),  # HAProxy restarts: nothing is known, nothing is cut
        ([row("10.0.0.1", "0x1")], [A, B], set(), set()),
    ],
    ids=[
        "all well",
        "moved",
        "no primary",
        "idle",
        "login waits",
        "login under way",
        "login elsewhere",
        "login in vain",
        "login in vain, nobody to go to",
        "login in vain and one that waits",
        "peer",
        "unknown",
        "ambiguous",
    ],
)
def test_cut(servers: list[dict[str, str]], up: list[Any] | None, clients: set[str], databases: set[str]) -> None:
    assert decide.cut(servers, up) == (clients, databases)


def query(name: str, kind: int, identity: int = 0x1234) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    opt = b"\0\0\x29\x04\xd0" + bytes(6)  # what c-ares adds: EDNS
    return struct.pack("!HHHHHH", identity, 0x0100, 1, 0, 0, 1) + labels + b"\0" + struct.pack("!HH", kind, 1) + opt


@pytest.mark.parametrize(
    ("kind", "address", "packed"),
    [
        (1, "10.0.0.1", b"\x0a\x00\x00\x01"),
        (28, "10.0.0.1", None),  # the other family: no such record, which is not an error
        (28, "fd00::1", bytes.fromhex("fd000000000000000000000000000001")),
        (1, "fd00::1", None),
        (6, "10.0.0.1", None),
    ],
)
def test_reply(kind: int, address: str, packed: bytes | None) -> None:
    answer = dns.reply(query("primary.pgtier", kind), [address])
    identity, flags, questions, answers, authorities, additional = struct.unpack_from("!HHHHHH", answer)
    assert (identity, flags & 0x8000, flags & 0xF, questions, authorities, additional) == (0x1234, 0x8000, 0, 1, 0, 0)
    assert dns.question(answer) == ("primary.pgtier", kind, 12 + 16 + 4)
    assert answers == (packed is not None)
    assert answer[32:] == (b"" if packed is None else struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(packed)) + packed)


def test_reply_with_several_addresses_keeps_their_order() -> None:
    answer = dns.reply(query("replica.pgtier", 1), ["10.0.0.2", "fd00::1", "10.0.0.1"])
    assert struct.unpack_from("!H", answer, 6) == (2,)
    assert answer[-16 - 4 : -16] == b"\x0a\0\0\x02" and answer[-4:] == b"\x0a\0\0\x01"


def test_reply_to_another_name() -> None:
    assert dns.reply(query("example.org", 1), [], dns.NO_SUCH_NAME)[3] & 0xF == 3


@pytest.mark.parametrize("junk", [b"", b"\0" * 11, b"\0" * 12 + b"\x3fabc", query("primary.pgtier", 1)[:14]])
def test_received_skips_what_is_no_query(junk: bytes) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker,
    ):
        resolver.bind(("127.0.0.1", 0))
        good = query("primary.pgtier", 1)
        asker.sendto(junk, resolver.getsockname())
        asker.sendto(good, resolver.getsockname())
        assert [got for got, _ in dns.received(resolver)] == [good]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0", True),
        (b"E\0\0\0\x30SFATAL\0VFATAL\0C57P03\0Mthe database system is shutting down\0\0", False),
        (b"E\0\0\0\x30SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry\0\0", True),  # for PgBouncer to report
        (b"", False),
    ],
    ids=["asks for a password", "shutting down", "refuses this login", "hangs up"],
)
def test_accepts(answer: bytes, expected: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def postgres() -> None:
            connection, _ = listener.accept()
            with connection:
                assert connection.recv(1024).endswith(b"user\0probe\0database\0postgres\0\0")
                connection.sendall(answer)

        thread = threading.Thread(target=postgres)
        thread.start()
        assert ask.accepts(Server(*listener.getsockname()[:2]), "probe") is expected
        thread.join()


def test_accepts_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert ask.accepts(Server("127.0.0.1", port), "probe") is False


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `ca.crt`, and with `NAME.pem`, certificate and key, for a primary and for somebody else."""
    folder = tmp_path_factory.mktemp("tls")
    names = ("primary.pgtier", "else.pgtier")
    request = Request("main", {name: Host(name, frozenset({name}), frozenset()) for name in names})
    made = certify({}, request, str(folder), datetime.now(UTC)).result
    (folder / "ca.crt").write_text(made["trusted"])
    for name, pair in made["hosts"].items():
        (folder / f"{name}.pem").write_text(pair["certificate"] + pair["private_key"])
    return folder


@pytest.mark.parametrize(
    ("speaks", "expected"),
    [("primary.pgtier", True), ("else.pgtier", False), ("", False)],
    ids=lambda value: str(value),
)
def test_accepts_with_tls_only_who_is_verified(certificates: Path, speaks: str, expected: bool) -> None:
    said: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def postgres() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                assert connection.recv(8) == ask.SSL_REQUEST
                connection.sendall(b"S" if speaks else b"N")
                if speaks:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(certificates / f"{speaks}.pem")
                    connection = context.wrap_socket(connection, server_side=True)
                said.append(connection.recv(1024))
                connection.sendall(b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0")
                connection.recv(1024)

        thread = threading.Thread(target=postgres)
        thread.start()
        tls = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
        server = Server(*listener.getsockname()[:2])
        assert ask.accepts(server, "probe", tls, "primary.pgtier") is expected
        thread.join(5)
    # Nothing is said to whoever is not verified.
    assert [text for text in said if b"probe" in text] == ([ask.startup("probe", "postgres")] if expected else [])


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def table(*rows: dict[str, str]) -> bytes:
    names = list(rows[0])
    head = struct.pack("!H", len(names)) + b"".join(name.encode() + b"\0" + bytes(18) for name in names)
    body = b"".join(
        message(
            b"D", struct.pack("!H", len(names)) + b"".join(struct.pack("!i", len(v)) + v.encode() for v in r.values())
        )
        for r in rows
    )
    return message(b"T", head) + body + message(b"C", b"SHOW\0") + message(b"Z", b"I")


class FakePgbouncer(threading.Thread):
    """A console on a Unix socket that answers from a table, a byte at a time, and remembers what it was told."""

    def __init__(self, path: Path, answers: dict[str, bytes]) -> None:
        super().__init__(daemon=True)
        self.answers, self.told = answers, list[str]()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()

    def run(self) -> None:
        while True:
            self.serve(self.listener.accept()[0])

    def serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(1024)
            connection.sendall(
                message(b"R", bytes(4)) + message(b"S", b"server_version\x001.24\0") + message(b"Z", b"I")
            )
            while got := connection.recv(1024):
                command = got[5:-1].decode()
                self.told.append(command)
                for byte in self.answers.get(command, message(b"C", b"OK\0") + message(b"Z", b"I")):
                    connection.sendall(bytes([byte]))


def test_sweep(tmp_path: Path) -> None:
    path = tmp_path / "console"
    pgbouncer = FakePgbouncer(
        path,
        {
            "SHOW SERVERS": table(row("10.0.0.1", "0xa"), row("10.0.0.2", "0xb"), row("10.0.0.1", "", "idle", "old")),
            "SHOW CLIENTS": table({"ptr": "0xa", "id": "7"}, {"ptr": "0xb", "id": "8"}, {"ptr": "0xc", "id": "9"}),
        },
    )
    pgbouncer.start()
    ask.sweep(str(path), [B])
    assert pgbouncer.told == ["SHOW SERVERS", 'RECONNECT "old"', "SHOW CLIENTS", "KILL_CLIENT 7"]


def test_sweep_without_pgbouncer(tmp_path: Path) -> None:
    ask.sweep(str(tmp_path / "nobody"), [B])


def test_haproxy_that_is_away_is_not_an_empty_backend(tmp_path: Path) -> None:
    assert ask.haproxy(str(tmp_path / "nobody"), "primary") is None


class FakeServer(threading.Thread):
    """Answers the first thing that a connection says with `answer`, and hangs up."""

    def __init__(self, listener: socket.socket, answer: bytes) -> None:
        super().__init__(daemon=True)
        self.listener, self.answer, self.asked = listener, answer, 0

    def run(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            self.asked += 1
            with connection:
                connection.recv(1024)
                connection.sendall(self.answer)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """The route as a process, with an HAProxy, a PostgreSQL and a Patroni that answer what a test says."""

    def __init__(self, folder: Path, primary_answers: bytes, ca_file: str = "", consoles: tuple[str, ...] = ()) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(folder / "haproxy"))
        listener.listen()
        self.postgres = FakeServer(socket.create_server(("127.0.0.1", 0)), primary_answers)
        self.haproxy = FakeServer(listener, b"")
        self.patroni = FakeServer(socket.create_server(("127.0.0.1", 0)), b"")
        self.at = free_port()
        config = {
            "port": self.at,
            "relay": "127.0.0.2",
            "haproxy": str(folder / "haproxy"),
            "ca_file": ca_file,
            "user": "probe",
            "primary": {"name": "primary.pgtier", "backend": "primary", "consoles": list(consoles)},
            "reads": {
                "backend": "replica",
                "fallback": False,
                "max_lag_seconds": 0,
                "endpoints": [{"name": "replica.pgtier", "pool_mode": "transaction", "consoles": []}],
            },
            "members": [
                {
                    "address": "127.0.0.1",
                    "port": free_port(),
                    "restapi_port": self.patroni.listener.getsockname()[1],
                }
            ],
        }
        (folder / "route.json").write_text(json.dumps(config))
        self.server(up=False)
        for server in (self.postgres, self.haproxy, self.patroni):
            server.start()
        self.process = subprocess.Popen(
            [sys.executable, str(SOURCE), str(folder / "route.json")], stdout=subprocess.DEVNULL
        )

    def server(self, up: bool, said: int = 0, former: str = "") -> None:
        """The one server of both backends, as HAProxy sees it from now on, and what its last check found; beside it a
        `former` primary from which HAProxy still waits for a word."""
        port = self.postgres.listener.getsockname()[1]
        header = f"1\n{HEADER} srv_check_status\n"
        found = said or (15 if up else 17)
        rows = f"2 any 1 pg1 127.0.0.1 {2 if up else 0} 0 1 {port} {found}\n"
        rows += f"2 any 2 pg2 {former} 2 0 1 5432 15\n" if former else ""
        self.haproxy.answer = (header + rows).encode()

    def heard_of_it(self) -> None:
        """Wait until HAProxy has been asked often enough: a look asks for each backend, and a sweep comes after it."""
        self.asks(self.haproxy, 6)

    def asks(self, server: FakeServer, times: int) -> None:
        """Wait until the route has asked so many times more."""
        wanted, deadline = server.asked + times, time.monotonic() + 20
        while server.asked < wanted:
            assert time.monotonic() < deadline, "the route does not ask"
            time.sleep(0.01)

    def asker(self) -> socket.socket:
        asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        asker.connect(("127.0.0.1", self.at))
        asker.settimeout(0.5)
        for _ in range(50):  # until it listens: the answer to another name comes at once
            try:
                asker.send(query("example.org", 1))
                assert asker.recv(512)[3] & 0xF == dns.NO_SUCH_NAME
                break
            except OSError:
                time.sleep(0.1)
        return asker


@contextlib.contextmanager
def running(folder: Path, primary_answers: bytes, ca_file: str = "", consoles: tuple[str, ...] = ()) -> Any:
    made = Running(folder, primary_answers, ca_file, consoles)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


def test_a_question_is_held_until_there_is_a_primary_that_lets_clients_in(tmp_path: Path) -> None:
    with running(tmp_path, b"E\0\0\0\x30SFATAL\0C57P03\0\0") as route, route.asker() as asker:
        asked = query("primary.pgtier", 1)
        asker.send(asked)
        with pytest.raises(TimeoutError):  # HAProxy sees nobody
            asker.recv(512)
        route.server(up=True)
        with pytest.raises(TimeoutError):  # the primary is still starting
            asker.recv(512)
        route.postgres.answer = b"R\0\0\0\x08\0\0\0\x03"
        asker.settimeout(5)
        assert asker.recv(512) == dns.reply(asked, ["127.0.0.1"])


@pytest.mark.parametrize(
    ("said", "answers", "killed"),
    [(8, b"R\0\0\0\x08\0\0\0\x03", False), (8, b"", True), (17, b"R\0\0\0\x08\0\0\0\x03", True)],
    ids=["refused, and PostgreSQL lets clients in", "refused, and PostgreSQL does not", "stepped down"],
)
def test_clients_of_a_primary_stay_only_if_nothing_but_its_patroni_is_gone(
    tmp_path: Path, said: int, answers: bytes, killed: bool
) -> None:
    path = tmp_path / "console"
    pgbouncer = FakePgbouncer(
        path,
        {"SHOW SERVERS": table(row("127.0.0.1", "0xa")), "SHOW CLIENTS": table({"ptr": "0xa", "id": "7"})},
    )
    pgbouncer.start()
    with running(tmp_path, b"R", consoles=(str(path),)) as route, route.asker() as asker:
        route.server(up=True)
        asker.settimeout(5)
        asker.send(query("primary.pgtier", 1))
        asker.recv(512)  # it has seen the primary
        route.postgres.answer = answers
        pgbouncer.told.clear()
        route.server(up=False, said=said)
        time.sleep(1.5)
        assert "SHOW SERVERS" in pgbouncer.told
        assert ("KILL_CLIENT 7" in pgbouncer.told) is killed


@pytest.mark.parametrize("leads", [True, False])
def test_clients_of_a_former_primary_end_as_soon_as_another_says_that_it_leads(tmp_path: Path, leads: bool) -> None:
    """Not when HAProxy has missed a few answers of it: whoever waits for it would wait for seconds in vain."""
    path = tmp_path / "console"
    servers = table(row(A.address, "0xa"), row("127.0.0.1", "0xb"))
    pgbouncer = FakePgbouncer(
        path, {"SHOW SERVERS": servers, "SHOW CLIENTS": table({"ptr": "0xa", "id": "7"}, {"ptr": "0xb", "id": "8"})}
    )
    pgbouncer.start()
    with running(tmp_path, b"R", consoles=(str(path),)) as route, route.asker():
        if leads:
            route.patroni.answer = b'HTTP/1.0 200 OK\r\n\r\n{"timeline": 2, "xlog": {"location": 7}}'
        route.server(up=True, former=A.address)
        route.heard_of_it()
        pgbouncer.told.clear()  # of the time when HAProxy saw nobody
        time.sleep(1.5)
        assert "SHOW SERVERS" in pgbouncer.told
        assert ("KILL_CLIENT 7" in pgbouncer.told) is leads
        assert "KILL_CLIENT 8" not in pgbouncer.told


def test_members_are_asked_more_often_while_several_seem_to_lead(tmp_path: Path) -> None:
    with running(tmp_path, b"R") as route, route.asker():
        took = []
        for former in ("", A.address, ""):
            route.server(up=True, former=former)
            route.heard_of_it()
            begin = time.monotonic()
            route.asks(route.patroni, 4)
            took.append(time.monotonic() - begin)
        # Calm, a sample comes half a second after another and no sooner; in a hurry, as soon as the computer can.
        assert took[1] < 1.5 <= min(took[0], took[2]), took


def test_a_reload_takes_up_new_members_and_loses_no_question(tmp_path: Path) -> None:
    with running(tmp_path, b"R") as route, route.asker() as asker:
        asker.send(query("primary.pgtier", 1))
        path = tmp_path / "route.json"
        config = json.loads(path.read_text())
        new = {"address": "127.0.0.3", "port": config["members"][0]["port"], "restapi_port": 1}
        path.write_text(json.dumps(config | {"members": [*config["members"], new]}))
        route.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert route.process.poll() is None
        route.server(up=True)
        asker.settimeout(5)
        assert asker.recv(512)[:2] == query("primary.pgtier", 1)[:2]
        # What only a new process can take up ends this one, in order: systemd starts the next.
        path.write_text(json.dumps(config | {"port": free_port()}))
        route.process.send_signal(signal.SIGHUP)
        assert route.process.wait(timeout=5) == 0


def test_another_authority_is_taken_up_by_a_new_process(tmp_path: Path) -> None:
    """This one would take members with certificates of the new one for impostors, and tell nobody where they are."""
    trusted = tmp_path / "ca.crt"

    def authority() -> str:
        return certificate_pem(make_authority("main", 1, datetime.now(UTC)).certificate)

    trusted.write_text(authority())
    with running(tmp_path, b"R", str(trusted)) as route, route.asker():
        route.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert route.process.poll() is None
        trusted.write_text(authority())
        route.process.send_signal(signal.SIGHUP)
        assert route.process.wait(timeout=5) == 0


def test_a_question_about_replicas_is_held_until_one_is_fit(tmp_path: Path) -> None:
    """Without asking it for a login: a replica that HAProxy finds streaming takes clients."""
    with running(tmp_path, b"") as route, route.asker() as asker:
        asked = query("replica.pgtier", 1)
        asker.send(asked)
        with pytest.raises(TimeoutError):
            asker.recv(512)
        route.server(up=True)
        asker.settimeout(5)
        assert asker.recv(512) == dns.reply(asked, ["127.0.0.1"])


def test_connections_are_counted_over_all_consoles_that_answer(tmp_path: Path) -> None:
    path = tmp_path / "console"
    answer = table(row(A.address), row(A.address, "0x1"), row(B.address))
    FakePgbouncer(path, {"SHOW SERVERS": answer}).start()
    assert ask.connections([str(path), str(tmp_path / "nobody")]) == {A.address: 2, B.address: 1}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"role": "primary", "xlog": {"location": 7}}, (True, 7)),
        ({"role": "replica", "xlog": {"received_location": 9, "replayed_location": 8}}, (False, 8)),
        # Replaying an archive, it is as far as it has replayed, and no further.
        (
            {"replication_state": "in archive recovery", "xlog": {"received_location": 0, "replayed_location": 8}},
            (0, 8),
        ),
        ({"role": "replica", "state": "starting"}, None),
        ({"xlog": {"replayed_location": None}}, None),
    ],
)
def test_how_far_a_member_is(status: dict[str, Any], expected: object) -> None:
    assert ask.position(status) == expected


def test_connections_are_made_anew_only_when_no_login_would_fail() -> None:
    idle, login = ({"database": "app", "addr": "10.0.0.2", "state": state} for state in ("idle", "new"))
    assert decide.spread_anew([idle, {**idle, "database": "other", "state": "active"}]) == {"app", "other"}
    assert decide.spread_anew([idle, login]) is None
    assert decide.spread_anew([]) == set()


@pytest.mark.parametrize("state", ["idle", "new"])
def test_lookups_of_passwords_are_not_spread(state: str) -> None:
    """HAProxy does that; and a login that fails for it would be one of an application."""
    idle = {"database": "app", "addr": "10.0.0.2", "state": "idle"}
    lookup = {"database": "pgbouncer_lookup", "addr": "127.0.0.1", "state": state}
    assert decide.spread_anew([idle, lookup]) == {"app"}


@contextlib.contextmanager
def relaying(members: list[Server], fit: list[Server]) -> Any:
    with relay.listen("127.0.0.2", 0) as listener:
        threading.Thread(
            target=relay.serve, args=(listener, lambda: members, lambda: fit, None, "primary.pgtier"), daemon=True
        ).start()
        yield listener.getsockname()[:2]


def test_a_request_to_cancel_reaches_every_member_that_is_there() -> None:
    heard: list[bytes] = []
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]

    def member(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            heard.append(connection.recv(16, socket.MSG_WAITALL))

    threads = [threading.Thread(target=member, args=(listener,)) for listener in listeners]
    for thread in threads:
        thread.start()
    away = Server("127.0.0.1", free_port())
    members = [Server(*listener.getsockname()[:2]) for listener in listeners]
    request = relay.CANCEL + b"\0\0\x12\x34secr"
    with relaying([away, *members], []) as at, socket.create_connection(at) as pgbouncer:
        pgbouncer.sendall(request)
        assert pgbouncer.recv(1) == b""  # it hangs up when it is done, as PostgreSQL does
    for thread in threads:
        thread.join(5)
    assert heard == [request, request]


def test_anything_else_is_passed_on_to_who_is_fit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def replica() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(connection.recv(1024).upper())

        thread = threading.Thread(target=replica)
        thread.start()
        with (
            relaying([], [Server(*listener.getsockname()[:2])]) as at,
            socket.create_connection(at, timeout=5) as pgbouncer,
        ):
            pgbouncer.sendall(b"something longer than eight bytes")
            assert pgbouncer.recv(1024) == b"SOMETHING LONGER THAN EIGHT BYTES"
            assert pgbouncer.recv(1) == b""
        thread.join(5)


def test_a_request_to_cancel_that_waits_is_noticed(tmp_path: Path) -> None:
    for number, (waiting, expected) in enumerate((("0", False), ("1", True))):
        path = tmp_path / str(number)
        FakePgbouncer(path, {"SHOW POOLS": table({"database": "app", "cl_waiting_cancel_req": waiting})}).start()
        assert ask.cancelling([str(tmp_path / "nobody"), str(path)]) is expected
