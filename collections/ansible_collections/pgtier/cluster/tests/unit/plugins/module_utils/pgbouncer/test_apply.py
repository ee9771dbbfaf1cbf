"""The guarantee: what a run has paused and cannot finish pausing, it resumes. On instances made of Python."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer import apply, deadman
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.commands import Database, State
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.console import Instance
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import Psql, PsqlError, PsqlTimeout


class FakeInstance:
    """Behaves as the console does. `busy`: a PAUSE takes effect and never ends, as with a long transaction."""

    def __init__(self, name: str, port: int = 6432, busy: bool = False) -> None:
        self.name, self.port, self.busy = name, port, busy
        self.paused = False
        self.databases = {"app": False, "other": False}
        self.servers = 1 if busy else 0
        self.log: list[str] = []
        self.on_pause: Callable[[], None] = lambda: None
        self.refuse_resume = False

    @property
    def console(self) -> FakeInstance:
        return self

    def state(self) -> State:
        return State(self.paused, False, {name: Database(paused=paused) for name, paused in self.databases.items()})

    def server_connections(self, databases: list[str]) -> int:
        return self.servers

    def execute(self, statement: str, timeout: float) -> None:
        self.log.append(statement)
        verb, database = cast(re.Match[str], re.fullmatch(r'(\w+)(?: "(\w+)")?', statement)).groups()
        if verb == "RESUME" and self.refuse_resume:
            raise PsqlError("connection refused")
        if verb in ("PAUSE", "RESUME"):
            if database:
                self.databases[database] = verb == "PAUSE"
            else:
                self.paused = verb == "PAUSE"
        if verb == "PAUSE":
            self.on_pause()
            if self.busy:
                raise PsqlTimeout(f"not done after {timeout:g} s: {statement}")


@pytest.fixture(autouse=True)
def timers(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, tuple[str, ...]], list[str]]:
    """The timers that are set, instead of systemd's."""
    armed: dict[tuple[str, tuple[str, ...]], list[str]] = {}

    def arm(instance: Any, databases: list[str], resume: list[str], seconds: float) -> None:
        armed[instance.name, tuple(databases)] = resume

    def disarm(instance: Any, databases: list[str]) -> None:
        armed.pop((instance.name, tuple(databases)), None)

    monkeypatch.setattr(deadman, "arm", arm)
    monkeypatch.setattr(deadman, "disarm", disarm)
    return armed


def run(action: Any, *instances: FakeInstance, databases: list[str] | None = None, resume_within: float = 0) -> None:
    names = databases or []
    jobs = apply.plan(action, names, cast(list[Instance], instances))
    apply.run(action, names, jobs, timeout=0.2, resume_within=resume_within)


def test_pause_and_resume(timers: dict[Any, list[str]]) -> None:
    one, two = FakeInstance("one"), FakeInstance("two")
    run("pause", one, two, resume_within=30)
    assert one.paused and two.paused
    assert timers == {("one", ()): ["RESUME"], ("two", ()): ["RESUME"]}
    run("pause", one, two)
    run("resume", one, two)
    assert one.log == two.log == ["PAUSE", "RESUME"]
    assert timers == {}


def test_one_that_times_out_resumes_them_all(timers: dict[Any, list[str]]) -> None:
    one, two = FakeInstance("one"), FakeInstance("two", busy=True)
    with pytest.raises(
        apply.Failed, match=r"^two: not done after .*: PAUSE; all that was paused by this run is resumed$"
    ):
        run("pause", one, two, resume_within=30)
    assert not one.paused and not two.paused
    assert timers == {}


def test_a_database_that_times_out() -> None:
    one = FakeInstance("one", busy=True)
    with pytest.raises(apply.Failed):
        run("pause", one, databases=["app", "other"])
    assert one.log == [
        'PAUSE "app"',
        'RESUME "app"',
    ]  # what was not paused is not resumed: PgBouncer calls that an error


def test_what_someone_else_paused_stays_paused() -> None:
    one, two = FakeInstance("one"), FakeInstance("two", busy=True)
    one.paused = True
    with pytest.raises(apply.Failed):
        run("pause", one, two)
    assert one.paused and not two.paused


def test_someone_elses_pause_that_is_not_complete_is_waited_for() -> None:
    one = FakeInstance("one", busy=True)
    one.paused = True
    with pytest.raises(apply.Failed, match="1 server connections are still in use"):
        run("pause", one)
    assert one.paused and one.log == []


@pytest.mark.parametrize("reason", [SystemExit(143), KeyboardInterrupt(), RuntimeError("a bug")])
def test_whatever_ends_the_run_resumes(reason: BaseException) -> None:
    one = FakeInstance("one")

    def interrupt() -> None:
        raise reason

    one.on_pause = interrupt
    with pytest.raises(type(reason)):
        run("pause", one)
    assert one.log == ["PAUSE", "RESUME"]


def test_a_resume_that_fails_says_so_and_leaves_the_timer(timers: dict[Any, list[str]]) -> None:
    one = FakeInstance("one", busy=True)
    one.refuse_resume = True
    with pytest.raises(apply.Failed, match="resume by hand: one: connection refused"):
        run("pause", one, resume_within=30)
    assert timers == {("one", ()): ["RESUME"]}


def test_without_the_timer_nothing_is_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise deadman.NotArmed("no systemd")

    monkeypatch.setattr(deadman, "arm", fail)
    one = FakeInstance("one")
    with pytest.raises(deadman.NotArmed):
        run("pause", one, resume_within=30)
    assert one.log == []


def test_nothing_is_sent_when_one_instance_speaks_against_it() -> None:
    one, two = FakeInstance("one"), FakeInstance("two")
    del two.databases["app"]
    with pytest.raises(ValueError, match=r"^two: no such database: app \(it serves other\)$"):
        run("pause", one, two, databases=["app"])
    assert one.log == []


def test_the_timers_command() -> None:
    instance = Instance("primary", 6432, Psql("/run/pgbouncer/primary", 6432, "pgbouncer", user="pgbouncer"))
    argv = deadman.arm_argv(instance, ["app"], ['RESUME "app"', 'RESUME "b"'], 30)
    assert argv[0] == "systemd-run"
    assert {"--on-active=30s", "--uid=postgres", '--command=RESUME "app"', '--command=RESUME "b"'} <= set(argv)
    assert [argument for argument in argv if "ON_ERROR_STOP" in argument][-1] == "ON_ERROR_STOP=0"
    assert deadman.unit("primary", []) == "pgtier-resume-primary-all"
    assert deadman.unit("p", ["a", "b"]) == deadman.unit("p", ["b", "a"]) != deadman.unit("p", ["a,b"])
