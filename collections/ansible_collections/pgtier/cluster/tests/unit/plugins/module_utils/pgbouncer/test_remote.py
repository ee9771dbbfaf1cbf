"""Consoles held open from elsewhere: every process is found, and nothing is left paused. On consoles made of Python."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer import remote
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.remote import Console, NotPaused, Target
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import PsqlError, PsqlTimeout


class Process:
    """A PgBouncer. `busy`: a pause never completes; `broken`: it answers to nothing any more."""

    def __init__(self, name: str, busy: bool = False) -> None:
        self.name, self.busy, self.broken = name, busy, False
        self.paused = False
        self.log: list[str] = []


class FakeTalk:
    def __init__(self, process: Process, last_word: str) -> None:
        self.process, self.last_word, self.where = process, last_word, process.name
        self.armed = self.waiting = self.gone = False
        self.sent = ""

    def query(self, statement: str, timeout: float = 5.0) -> list[dict[str, str]]:
        self.send(statement)
        return self.answer(timeout)

    def send(self, statement: str) -> None:
        if self.process.broken:
            raise PsqlError(f"{self.where}: the connection is closed")
        self.sent, self.waiting = statement, True
        if not statement.startswith("SHOW"):
            self.process.log.append(statement)
        if statement == "PAUSE":
            self.process.paused = True

    def answer(self, timeout: float) -> list[dict[str, str]]:
        if self.sent == "PAUSE" and self.process.busy:
            raise PsqlTimeout(f"{self.where}: no answer after {timeout:.1f} s")
        self.waiting = False
        if self.sent == "RESUME":
            if not self.process.paused:
                raise PsqlError(f"{self.where}: the pooler is not paused/suspended")
            self.process.paused = False
        if self.sent == "SHOW CONFIG":
            return [{"key": "conffile", "value": f"/etc/pgbouncer/endpoints/{self.process.name}.ini"}]
        if self.sent == "SHOW STATE":
            state = {"paused": self.process.paused, "suspended": False}
            return [{"key": key, "value": "yes" if value else "no"} for key, value in state.items()]
        return []

    def arm(self) -> None:
        self.armed = True

    def close(self) -> None:
        self.gone = True

    def kill(self) -> None:
        self.gone, self.waiting = True, False
        self.process.log.append("killed")


def console(process: Process) -> Console:
    return Console(process.name, FakeTalk(process, "RESUME"), FakeTalk(process, ""))


def test_all_are_paused_and_resumed() -> None:
    processes = [Process("a"), Process("b")]
    with remote.held([console(process) for process in processes], 5):
        assert all(process.paused for process in processes)
    assert [process.log for process in processes] == [["PAUSE", "RESUME"]] * 2


def test_a_pause_that_does_not_complete_is_given_up_and_the_others_are_resumed() -> None:
    """The connection that waits is ended first: PgBouncer would leave it without an answer for ever."""
    quiet, busy = Process("quiet"), Process("busy", busy=True)
    with pytest.raises(NotPaused, match="busy: no answer"), remote.held([console(quiet), console(busy)], 5):
        raise AssertionError("it is not paused")
    assert busy.log == ["PAUSE", "killed", "RESUME"] and not busy.paused
    assert not quiet.paused


@pytest.mark.parametrize("what", [RuntimeError, SystemExit, KeyboardInterrupt])
def test_whatever_ends_the_block_resumes(what: type[BaseException]) -> None:
    process = Process("a")
    with pytest.raises(what), remote.held([console(process)], 5):
        raise what
    assert not process.paused


def test_one_that_cannot_be_reached_any_more_is_named_and_the_others_are_resumed() -> None:
    lost, other = Process("lost"), Process("other")
    with pytest.raises(remote.StillPaused, match="lost"), remote.held([console(lost), console(other)], 5):
        lost.broken = True
    assert not other.paused


def test_one_that_somebody_else_has_resumed_is_no_problem() -> None:
    process = Process("a")
    with remote.held([console(process)], 5):
        process.paused = False


def test_the_last_word_is_armed_before_anything_is_paused() -> None:
    process = Process("a")
    one = console(process)
    with remote.held([one], 5):
        assert one.control.armed and not one.pauser.armed  # type: ignore[attr-defined]


class Port:
    """The kernel's choice among processes that share a port."""

    def __init__(self, processes: list[Process]) -> None:
        self.next: Iterator[Process] = cycle(processes)
        self.connections: list[FakeTalk] = []

    def connect(self, _target: Target, last_word: str) -> FakeTalk:
        self.connections.append(FakeTalk(next(self.next), last_word))
        return self.connections[-1]


def test_every_process_that_shares_a_port_is_found() -> None:
    one, two = Process("primary"), Process("primary.2")
    # The kernel is unfair: it takes some tries until both kinds of connection have reached both.
    port = Port([one, one, one, two, two, one, two, two])
    found = remote.open_consoles([Target("proxy1", "10.0.0.4", 6432, ("primary", "primary.2"))], port.connect)
    assert [item.name for item in found] == ["proxy1/primary", "proxy1/primary.2"]
    for item, process in zip(found, (one, two), strict=True):
        assert item.control.process is item.pauser.process is process  # type: ignore[attr-defined]
    used = [session for item in found for session in (item.control, item.pauser)]
    assert all(session.gone != (session in used) for session in port.connections)
    assert all(session.last_word == "RESUME" for session in (item.control for item in found))  # type: ignore[attr-defined]


def test_a_process_that_nobody_reaches_is_named_and_nothing_is_left_open() -> None:
    port = Port([Process("primary")])
    with pytest.raises(PsqlError, match=r"on proxy1 never leads to the PgBouncer primary\.2"):
        remote.open_consoles([Target("proxy1", "10.0.0.4", 6432, ("primary", "primary.2"))], port.connect)
    assert all(session.gone for session in port.connections)
