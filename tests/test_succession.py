# SPDX-License-Identifier: Apache-2.0
"""Who may give up a dead leader's key, and when. The program runs on members as a folder of modules; here its modules
are loaded under a name of their own, for the route has one of the same name."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SOURCE = Path(__file__).parent.parent / "roles" / "patroni" / "files" / "succession"


def load(*names: str) -> list[ModuleType]:
    """The program and its modules, without leaving them where another program's of the same name would be found."""
    kept = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.path.insert(0, str(SOURCE))
    spec = importlib.util.spec_from_file_location("succession", SOURCE / "__main__.py")
    assert spec and spec.loader
    program = importlib.util.module_from_spec(spec)
    try:
        modules = [importlib.import_module(name) for name in names]
        spec.loader.exec_module(program)
        return [*modules, program]
    finally:
        sys.path.remove(str(SOURCE))
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(kept)


decide, etcd, fence, listen, ended, program = load("decide", "etcd", "fence", "listen", "ended")
Step = decide.Step
HERE = decide.Member("127.0.0.1", 8008, 5432)
LEADER = decide.Leader("pg1", "7", "100")
BOTH = {"pg2": "7", "pg3": "7"}
ME, OTHER = "pg2 aa", "pg3 bb"


def view(members: int = 3, **changes: Any) -> Any:
    names = [f"pg{number}" for number in range(1, members + 1)]
    return decide.View(**{"leader": LEADER, "members": dict.fromkeys(names, HERE), "suspects": BOTH, **changes})


def step(seen: Any, silent: bool = True, run: Any = None, fences: bool = True) -> Any:
    return decide.step(seen, "pg2", ME, silent, run, fences)


FAILED, RUNS, CONFIRMED = (decide.Run("7", outcome) for outcome in (False, None, True))


@pytest.mark.parametrize(
    ("seen", "silent", "run", "expected"),
    [
        # The way to the end.
        (view(suspects={}), True, None, Step.SUSPECT),
        (view(), True, None, Step.TAKE),
        (view(fence=ME), True, None, Step.FENCE),
        (view(fence=ME), True, RUNS, Step.NOTHING),
        (view(fence=ME), True, CONFIRMED, Step.RELEASE),
        # False alarms.
        (view(suspects={}), False, None, Step.NOTHING),
        (view(suspects={"pg3": "7"}), False, None, Step.NOTHING),
        (view(), False, None, Step.WITHDRAW),
        (view(suspects={"pg2": "7"}), True, None, Step.NOTHING),  # cut off from this one only
        (view(fence=ME), False, CONFIRMED, Step.WITHDRAW),  # it answers: the fence has lied
        (view(fence=ME, suspects={"pg2": "7"}), True, CONFIRMED, Step.NOTHING),  # it answers others
        # Another holder, or the same one come back: what was suspected is no more.
        (view(leader=LEADER._replace(revision="8")), True, None, Step.SUSPECT),
        (view(suspects={"pg2": "7", "pg3": "6"}), True, None, Step.NOTHING),
        (view(leader=decide.Leader("pg3", "9", "1")), False, CONFIRMED, Step.WITHDRAW),
        (view(leader=None), True, CONFIRMED, Step.WITHDRAW),
        (view(leader=None, suspects={}), True, RUNS, Step.NOTHING),
        (view(leader=decide.Leader("pg2", "9", "1"), suspects={}), True, None, Step.NOTHING),
        # Somebody else fences, or this process did in another life: then nobody knows how that went.
        (view(fence=OTHER), True, None, Step.UNLIST),
        (view(fence="pg2 cc"), True, None, Step.UNLIST),
        (view(fence=OTHER), True, CONFIRMED, Step.UNLIST),
        # A fence that failed is not tried again while nothing has changed; then it may be.
        (view(fence=ME), True, FAILED, Step.UNLIST),
        (view(fence=""), True, FAILED, Step.UNLIST),
        (view(fence=ME, suspects={}), False, FAILED, Step.FORGET),
        (view(leader=LEADER._replace(revision="8"), suspects={"pg2": "8", "pg3": "8"}), True, FAILED, Step.TAKE),
        # Not in maintenance, and not by a member that may not lead.
        (view(paused=True, suspects={}), True, None, Step.NOTHING),
        (view(paused=True, fence=ME), True, CONFIRMED, Step.WITHDRAW),
        (view(members=1, suspects={}), True, None, Step.NOTHING),
    ],
)
def test_step(seen: Any, silent: bool, run: Any, expected: Any) -> None:
    assert step(seen, silent, run) is expected


LISTED, UNLISTED = decide.Entry("{}", "5", True), decide.Entry("{}", "6", False)


@pytest.mark.parametrize(
    ("seen", "silent", "run", "fences", "expected"),
    [
        (view(), True, None, False, Step.UNLIST),
        (view(suspects={}), True, None, False, Step.SUSPECT),
        (view(suspects={"pg2": "7"}), True, None, False, Step.NOTHING),
        (view(), False, None, False, Step.WITHDRAW),
        (view(paused=True), True, None, False, Step.WITHDRAW),
        # A fence comes first; when it has failed, or is somebody else's, the lease may have to decide.
        (view(), True, None, True, Step.TAKE),
        (view(fence=ME), True, None, True, Step.FENCE),
        (view(fence=ME), True, RUNS, True, Step.NOTHING),
        (view(fence=ME), True, CONFIRMED, True, Step.RELEASE),
        (view(fence=ME), True, FAILED, True, Step.UNLIST),
        (view(fence=OTHER), True, None, True, Step.UNLIST),
        # It was alive after all.
        (view(entry=UNLISTED, suspects={}), False, None, False, Step.RELIST),
        (view(entry=UNLISTED), False, None, False, Step.WITHDRAW),
        (view(entry=LISTED, suspects={}), False, None, False, Step.NOTHING),
        (view(entry=UNLISTED, suspects={}, leader=None), False, None, False, Step.NOTHING),
        (view(entry=UNLISTED, suspects={}, leader=decide.Leader("pg2", "9", "1")), False, None, False, Step.NOTHING),
    ],
)
def test_nobody_will_wait_for_a_silent_leader(seen: Any, silent: bool, run: Any, fences: bool, expected: Any) -> None:
    assert step(seen, silent, run, fences) is expected


@pytest.mark.parametrize(
    ("members", "witnesses", "agreed"),
    [(2, 1, False), (3, 1, False), (3, 2, True), (4, 2, False), (4, 3, True), (5, 2, False), (5, 3, True)],
)
def test_more_than_half_of_all_have_to_agree(members: int, witnesses: int, agreed: bool) -> None:
    suspects = {f"pg{number}": "7" for number in range(2, 2 + witnesses)}
    assert decide.agreed(view(members, suspects=suspects), LEADER) is agreed
    # What a host says of itself, or one that may not lead, does not count.
    assert decide.agreed(view(members, suspects={**suspects, "pg1": "7", "report": "7"}), LEADER) is agreed


def test_nobody_releases_without_a_fence_of_his_own_that_confirmed() -> None:
    """Over all that can be seen: a release has a majority, silence, and a fence of this revision that confirmed."""
    suspicions = [{}, {"pg2": "7"}, {"pg3": "7"}, BOTH, {"pg2": "8", "pg3": "8"}]
    leaders = [
        None,
        LEADER,
        LEADER._replace(revision="8"),
        decide.Leader("pg2", "7", "1"),
        decide.Leader("pg3", "7", "1"),
    ]
    runs = [None, *(decide.Run(revision, outcome) for revision in "78" for outcome in (None, True, False))]
    released = []
    for leader, suspects, fence, run, silent, paused in itertools.product(
        leaders, suspicions, ["", ME, OTHER], runs, [True, False], [True, False]
    ):
        seen = view(leader=leader, suspects=suspects, fence=fence, paused=paused)
        if step(seen, silent, run) is Step.RELEASE:
            released.append((leader.revision, suspects))
            assert (fence, silent, paused, run.confirmed, run.revision) == (ME, True, False, True, leader.revision)
            assert decide.agreed(seen, leader) and leader.name != "pg2"
    assert sorted(revision for revision, _ in released) == ["7", "8"]


def pair(key: str, value: Any, revision: str = "5", lease: str = "0") -> dict[str, str]:
    text = value if isinstance(value, str) else json.dumps(value)
    return {"key": key, "value": text, "mod_revision": revision, "lease": lease}


def patroni(address: str = "10.0.0.1", **more: Any) -> dict[str, Any]:
    return {"api_url": f"https://{address}:8008/patroni", "conn_url": f"postgres://{address}:5432/postgres", **more}


def test_read() -> None:
    seen = decide.read(
        "/service/main/",
        "/pgtier/main/",
        [
            pair("/service/main/leader", "pg1", "7", "100"),
            pair("/service/main/members/pg1", patroni()),
            pair("/service/main/members/pg2", patroni("[fd00::2]", tags={"nofailover": False})),
            pair("/service/main/members/report", patroni(tags={"nofailover": True})),
            pair("/service/main/members/gone", {"state": "stopped"}),
            pair("/service/main/members/torn", "{"),
            pair("/service/main/config", {"ttl": 20}),
            pair("/pgtier/main/suspects/pg2", "7"),
            pair("/pgtier/main/fences/6", OTHER),
            pair("/pgtier/main/fences/7", ME),
        ],
    )
    assert seen.leader == LEADER
    assert seen.members == {"pg1": decide.Member("10.0.0.1", 8008, 5432), "pg2": decide.Member("fd00::2", 8008, 5432)}
    assert (seen.paused, seen.suspects, seen.fence) == (False, {"pg2": "7"}, ME)
    assert decide.read("/service/main/", "/pgtier/main/", []) == decide.View()


def test_an_unlisted_member_is_listened_to_and_followed_but_not_asked() -> None:
    value = json.dumps(patroni(state="running", role="primary"))
    read = [decide.read("/s/", "/p/", [pair("/s/leader", "pg1"), pair("/s/members/pg1", text)]) for text in (value, "")]
    assert [one.entry for one in read] == [decide.Entry(value, "5", True), decide.Entry("", "5", True)]
    unlisted = decide.unlisted(value)
    assert decide.relisted(unlisted) == value
    after = decide.read("/s/", "/p/", [pair("/s/leader", "pg1"), pair("/s/members/pg1", unlisted, "6")])
    assert not after.entry.listed and after.members == read[0].members
    data = json.loads(unlisted)
    assert "api_url" not in data
    data["api_url"] = data.pop(decide.UNLISTED)
    assert data == json.loads(value)


class Etcd:
    """Keys, and what is done to the leader's member key. It fails once for each of `failures`."""

    def __init__(self) -> None:
        self.keys = {"/service/main/leader": "pg1", "/pgtier/main/suspects/pg3": "7"}
        self.keys |= {f"/service/main/members/pg{n}": json.dumps(patroni(f"10.0.0.{n}")) for n in (1, 2, 3)}
        self.changed: list[str] = []
        self.touched = ""
        self.failures = 0

    def pairs(self, *_prefixes: str) -> list[dict[str, str]]:
        return [pair(key, value, "7") for key, value in self.keys.items()]

    def grant(self, _seconds: int) -> str:
        self.failures -= 1
        if self.failures >= 0:
            raise etcd.Unavailable("no leader")
        return "1"

    def transaction(self, compare: Any, success: Any) -> bool:
        """`touched` is a key that somebody has changed since it was read."""
        if any(one["target"] == "MOD" and etcd.decode(one["key"]) == self.touched for one in compare):
            return False
        for one in success:
            ((kind, request),) = one.items()
            key = etcd.decode(request["key"])
            if kind == "request_delete_range":
                del self.keys[key]
                continue
            self.keys[key] = etcd.decode(request["value"])
            if "/members/" in key:
                self.changed.append("unlisted" if "unlisted" in self.keys[key] else "listed")
        return True


@pytest.fixture
def succession() -> Any:
    config = {"member": "pg2", "scope": "main", "tls_directory": "", "etcd": [], "fence_command": [], "ttl": 20}
    made = program.Succession({**config, "calm_seconds": 2, "silence_seconds": 5, "etcd_here": ""})
    made.etcd = Etcd()
    made.turn(0.0)
    made.listener.unanswered = 3  # without a thread it listens to nobody
    return made


def test_who_lists_himself_again_is_left_alone_until_the_next_silence(succession: Any) -> None:
    store = succession.etcd
    succession.turn(2.0)
    assert "/pgtier/main/suspects/pg2" in store.keys
    store.failures = 1
    for moment in range(3, 8):
        succession.turn(float(moment))
    assert store.changed == ["unlisted"]
    store.keys["/service/main/members/pg1"] = json.dumps(patroni("10.0.0.1"))
    for moment in range(8, 12):
        succession.turn(float(moment))
    assert store.changed == ["unlisted"]
    succession.listener.unanswered = 0
    succession.turn(12.0)
    succession.listener.unanswered = 3
    for moment in (13.0, 14.0):
        succession.turn(moment)
    assert store.changed == ["unlisted", "unlisted"]


def test_a_silence_that_another_member_has_attended_to_is_attended_to(succession: Any) -> None:
    store = succession.etcd
    listed = store.keys["/service/main/members/pg1"]
    store.keys["/service/main/members/pg1"] = decide.unlisted(listed)
    for moment in (3.0, 4.0):
        succession.turn(moment)
    store.keys["/service/main/members/pg1"] = listed
    succession.turn(5.0)
    assert store.changed == []


@pytest.mark.parametrize("touched", ["leader", "members/pg1"])
def test_a_member_key_is_left_alone_that_has_changed_meanwhile(succession: Any, touched: str) -> None:
    store = succession.etcd
    store.touched = f"/service/main/{touched}"
    for moment in (3.0, 4.0, 5.0):
        succession.turn(moment)
    assert store.changed == []


def test_who_is_heard_is_listed_again(succession: Any) -> None:
    store = succession.etcd
    for moment in (3.0, 4.0):
        succession.turn(moment)
    assert store.changed == ["unlisted"]
    succession.listener.unanswered = None  # not silent any more, and not heard yet: it listens to it since a moment
    for moment in (5.0, 6.0):
        succession.turn(moment)
    assert store.changed == ["unlisted"]
    succession.listener.unanswered = 0
    for moment in (7.0, 8.0):
        succession.turn(moment)
    assert store.changed == ["unlisted", "listed"]


@pytest.mark.parametrize(("config", "paused"), [('{"pause": true}', True), ("{", True), ('{"pause": false}', False)])
def test_maintenance(config: str, paused: bool) -> None:
    assert decide.read("/s/", "/p/", [pair("/s/config", config)]).paused is paused


def test_command() -> None:
    words = ["/bin/fence", "--node={host}", "{address}", "{member}", '{"x": 1}']
    assert decide.command(words, "pg1", "10.0.0.1") == ["/bin/fence", "--node=pg1", "10.0.0.1", "pg1", '{"x": 1}']


def members_of_etcd(*rows: tuple[str, str, int]) -> list[Any]:
    return [decide.EtcdMember(number, leader, applied=index) for number, leader, index in rows]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([("1", "1", 50), ("2", "1", 49), ("3", "1", 50)], "3"),
        ([("1", "1", 5000), ("2", "1", 4990), ("3", "1", 100)], "2"),
        ([("1", "1", 5000), ("2", "1", 10), ("3", "1", 100)], ""),  # nobody is close
        ([("1", "2", 50), ("2", "2", 50), ("3", "2", 50)], ""),  # it does not lead
        ([("1", "1", 50), ("2", "", 0), ("3", "1", 50)], ""),  # one is not well
        ([("1", "1", 50), ("2", "2", 50), ("3", "1", 50)], ""),  # an election
        ([("1", "1", 50)], ""),
        ([], ""),
    ],
)
def test_successor_of_the_leading_etcd_member(members: list[tuple[str, str, int]], expected: str) -> None:
    assert decide.successor("1", members_of_etcd(*members)) == expected


def test_a_learner_does_not_lead() -> None:
    learner = decide.EtcdMember("2", "1", True, 50)
    assert decide.successor("1", [*members_of_etcd(("1", "1", 50)), learner]) == ""


# --- The edges, on loopback ------------------------------------------------------------------------------------------


@pytest.fixture
def hung() -> Iterator[int]:
    """A port whose queue is full: the kernel answers no more, as a host that is gone does not."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fill = [socket.socket() for _ in range(4)]
        for one in fill:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        time.sleep(0.1)
        yield port
        for one in fill:
            one.close()


@pytest.fixture
def refused() -> Iterator[int]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        yield one.getsockname()[1]


def test_only_silence_of_all_ports_is_silence(hung: int, refused: int) -> None:
    begin = time.monotonic()
    assert not listen.knock(decide.Member("127.0.0.1", hung, hung), 0.3)
    assert time.monotonic() - begin >= 0.3
    assert listen.knock(decide.Member("127.0.0.1", hung, refused), 0.3)
    assert listen.knock(decide.Member("127.0.0.1", refused, hung), 0.3)
    assert not listen.request(decide.Member("127.0.0.1", hung, refused), None, 0.3)
    assert listen.request(decide.Member("127.0.0.1", refused, hung), None, 0.3)


def test_a_patroni_that_hangs_is_not_a_silent_host() -> None:
    """It takes connections - the kernel does - and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        port = listener.getsockname()[1]
        one = listen.Listener(0.4, tls=False, calm=0.1)
        assert one._turn(decide.Member("127.0.0.1", port, port))


def test_the_listener_counts_knocks_and_forgets_them(hung: int, refused: int) -> None:
    one = listen.Listener(0.4, tls=False, calm=0.1)
    one.start()
    one.to(decide.Member("127.0.0.1", hung, hung))
    deadline = time.monotonic() + 5
    while not one.silent and time.monotonic() < deadline:
        time.sleep(0.01)
    assert one.silent
    one.to(decide.Member("127.0.0.1", refused, refused))
    assert not one.silent
    time.sleep(0.5)
    assert not one.uneasy


def outcome(*words: str, seconds: float = 5) -> Any:
    run = fence.Fence(words, seconds, time.monotonic())
    while (found := run.outcome(time.monotonic())) is None:
        time.sleep(0.01)
    return found


def test_only_the_word_of_the_fence_is_proof() -> None:
    assert outcome("/bin/true") == (True, "the fence confirms that the host is off")
    assert outcome("/bin/sh", "-c", "exit 3") == (False, "the fence failed: 3")
    assert outcome("/bin/sh", "-c", "kill -9 $$") == (False, "the fence failed: -9")
    assert not outcome("/nonexistent").confirmed


def test_a_fence_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    begin, mark = time.monotonic(), tmp_path / "late"
    late = outcome("/bin/sh", "-c", f"(sleep 1; touch {mark}); exit 0", seconds=0.2)
    assert late == (False, "the fence did not end within 0.2 s")
    assert time.monotonic() - begin < 1
    time.sleep(1)
    assert not mark.exists()


def test_a_process_in_the_data_directory_is_postgresql(tmp_path: Path) -> None:
    assert ended.alive(str(tmp_path)) == []
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as process:
        try:
            assert ended.alive(str(tmp_path)) == [process.pid]
        finally:
            process.kill()
    assert ended.alive(str(tmp_path)) == []


class FakeEtcd(threading.Thread):
    """Answers one request on each connection with what it is given, and keeps what it was asked."""

    def __init__(self, answers: list[tuple[int, Any]]) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.answers = answers
        self.asked: list[tuple[str, Any]] = []
        self.start()

    def run(self) -> None:
        for status, answer in self.answers:
            connection, _ = self.listener.accept()
            with connection:
                request = connection.recv(65536).decode()
                while not request.partition("\r\n\r\n")[2]:
                    request += connection.recv(65536).decode()
                self.asked.append((request.split()[1], json.loads(request.partition("\r\n\r\n")[2])))
                body = json.dumps(answer)
                connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())


def test_etcd_goes_on_with_the_next_member_and_comes_back(refused: int) -> None:
    unwell = FakeEtcd([(503, {"error": "etcdserver: no leader"})])
    well = FakeEtcd([(200, {"succeeded": True}), (200, {})])
    store = etcd.Etcd([f"http://127.0.0.1:{refused}", unwell.url, well.url], "")
    compare = [etcd.value_is("/a", "pg1"), etcd.revision_is("/a", "7"), etcd.revision_is("/b", "0")]
    assert store.transaction(compare, [etcd.delete("/a"), etcd.put("/c", "x", "9")])
    path, body = well.asked[0]
    assert path == "/v3/kv/txn" and unwell.asked[0][0] == path
    assert [one["target"] for one in body["compare"]] == ["VALUE", "MOD", "CREATE"]
    assert [one["key"] for one in body["compare"]] == ["L2E=", "L2E=", "L2I="]
    # The connection that it kept is gone, and the others are asked anew.
    assert not store.transaction([], [])


def test_no_member_of_etcd_answers(refused: int) -> None:
    with pytest.raises(etcd.Unavailable):
        etcd.Etcd([f"http://127.0.0.1:{refused}"], "").pairs("/service/main/")


def test_only_the_key_held_by_this_member_is_released_after_the_end() -> None:
    def pairs(holder: str, paused: bool = False) -> dict[str, Any]:
        kvs = [("/s/leader", holder), ("/s/config", json.dumps({"pause": paused}))]
        found = [{"key": etcd.encode(k), "value": etcd.encode(v), "mod_revision": "7"} for k, v in kvs]
        return {"responses": [{"response_range": {"kvs": found}}]}

    for holder, paused, asked in (("pg2", False, 1), ("pg1", True, 1), ("pg1", False, 2)):
        fake = FakeEtcd([(200, pairs(holder, paused)), (200, {"succeeded": True})])
        assert ended.release(etcd.Etcd([fake.url], ""), "/s/", "/p/", "pg1") is (asked == 2)
        assert len(fake.asked) == asked


def test_the_program_after_the_end_leaves_a_running_postgresql_alone(tmp_path: Path) -> None:
    """Nothing is asked of etcd, which here is nobody, while a process lives in the data directory."""
    (data := tmp_path / "data").mkdir()
    config = tmp_path / "succession.json"
    settings = {"data_directory": str(data), "etcd": ["http://127.0.0.1:1"], "tls_directory": "", "scope": "main"}
    config.write_text(json.dumps({**settings, "member": "pg1"}))

    def said() -> str:
        command = [sys.executable, str(SOURCE), str(config), "ended"]
        return subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ}).stdout

    with subprocess.Popen(["sleep", "60"], cwd=data) as process:
        try:
            assert said() == ""
        finally:
            process.kill()
    assert "the lease decides" in said()
