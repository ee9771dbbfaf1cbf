# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import (
    Changes,
    ComponentError,
    Desired,
    Directory,
    Due,
    File,
    Journal,
    Observed,
    PathState,
    Unit,
    UnitState,
)
from ansible_collections.pgtier.cluster.plugins.module_utils.component.planner import journal_of, plan_changes

RUNS = UnitState(load="loaded", active="active", sub="running", file_state="enabled", invocation="i1")
ON_DISK = PathState("file", "root", "root", 0o644, b"x")
A, B = Unit("a.service"), Unit("b.service")
UNITS = {"a.service": RUNS, "b.service": RUNS}


def plan(desired: dict[str, Any] | None = None, **observed: Any) -> Changes:
    return plan_changes(Desired(name="c", **(desired or {})), Observed(**{"units": UNITS, **observed}))


def verbs(changes: Changes) -> dict[str, str]:
    return {change.unit: change.verb for change in changes.units}


def file(path: str = "/etc/x", content: bytes = b"new", **fields: Any) -> File:
    return File(path=path, content=content, **fields)


@pytest.mark.parametrize(
    ("desired", "observed"),
    [
        ({}, {}),
        ({"packages": ("p",)}, {"installed": frozenset({"p", "q"})}),
        ({"files": (file(content=b"x"),)}, {"paths": {"/etc/x": ON_DISK}}),
        ({"directories": (Directory("/d", "root", "root", 0o755),)},
         {"paths": {"/d": PathState("directory", "root", "root", 0o755)}}),
        ({"units": (A, B)}, {}),
        ({"units": (Unit("a.service", False, False),)}, {"units": {}}),
        ({"units": (A,)}, {"units": {"a.service": UnitState("loaded", "active", "exited", "static")}}),
        ({"absent_files": ("/gone",)}, {}),
    ],
)  # fmt: skip
def test_what_is_as_desired_is_left_alone(desired: dict[str, Any], observed: dict[str, Any]) -> None:
    assert plan(desired, **observed) == Changes()


@pytest.mark.parametrize(
    ("before", "content_differs"),
    [
        (PathState(), True),
        (PathState("file", "root", "root", 0o644, b"old"), True),
        (PathState("link"), True),
        (PathState("file", "root", "root", 0o600, b"new"), False),
        (PathState("file", "other", "root", 0o644, b"new"), False),
        (PathState("file", "root", "other", 0o644, b"new"), False),
    ],
)
def test_only_a_changed_content_restarts(before: PathState, content_differs: bool) -> None:
    changes = plan({"files": (file(),), "units": (A,)}, paths={"/etc/x": before})
    assert [change.file.path for change in changes.files] == ["/etc/x"]
    assert verbs(changes) == ({"a.service": "restart"} if content_differs else {})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([file()], {"a.service": "restart", "b.service": "restart"}),
        ([file(on_change="reload")], {"a.service": "reload", "b.service": "reload"}),
        ([file(on_change="none")], {}),
        ([file(units=("b.service",))], {"b.service": "restart"}),
        ([file(units=())], {}),
        (
            [file(on_change="reload"), file("/etc/y", units=("a.service",))],
            {"a.service": "restart", "b.service": "reload"},
        ),
        ([file("/etc/y"), file(on_change="reload")], {"a.service": "restart", "b.service": "restart"}),
    ],
)
def test_the_files_decide_between_reload_and_restart(files: list[File], expected: dict[str, str]) -> None:
    assert verbs(plan({"files": tuple(files), "units": (A, B)})) == expected


def test_reasons_name_every_file() -> None:
    changes = plan({"files": (file("/y", on_change="reload"), file("/x")), "units": (A,)})
    assert changes.units[0].reasons == ("/y changed", "/x changed")


@pytest.mark.parametrize(
    ("state", "verb"),
    [
        (UnitState(), "start"),
        (UnitState(active="failed", sub="failed"), "start"),
        (UnitState(active="deactivating"), "start"),
        (UnitState(active="activating", sub="auto-restart"), "start"),
        (UnitState(active="activating", sub="auto-restart-queued"), "start"),
        (UnitState(active="activating", sub="start"), "restart"),
        (UnitState(active="reloading", sub="reload"), "restart"),
        (RUNS, "restart"),
    ],
)
def test_a_unit_that_is_started_needs_no_restart(state: UnitState, verb: str) -> None:
    changes = plan({"files": (file(),), "units": (A,)}, units={"a.service": state})
    assert verbs(changes) == {"a.service": verb}


def test_a_unit_that_cannot_reload_restarts_and_says_so() -> None:
    state = UnitState("loaded", "active", "running", "enabled", can_reload=False)
    changes = plan({"files": (file(on_change="reload"),), "units": (A,)}, units={"a.service": state})
    assert (changes.units[0].verb, changes.units[0].reasons) == ("restart", ("/etc/x changed", "it cannot reload"))


@pytest.mark.parametrize(
    ("unit", "state", "enable", "verb"),
    [
        (A, UnitState("loaded", "active", "running", "disabled"), True, ""),
        (A, UnitState(), True, "start"),
        (A, UnitState("loaded", "active", "running", "enabled-runtime"), True, ""),
        (Unit("a.service", False), RUNS, False, ""),
        (Unit("a.service", False, False), RUNS, False, "stop"),
        (Unit("a.service", True, False), RUNS, None, "stop"),
        (Unit("a.service", False, False), UnitState("masked", "inactive", "dead", "masked"), None, None),
        (Unit("a.service", False, False), UnitState("loaded", "activating", "auto-restart", "disabled"), None, "stop"),
    ],
)
def test_enabled_and_state(unit: Unit, state: UnitState, enable: bool | None, verb: str | None) -> None:
    changes = plan({"units": (unit,)}, units={"a.service": state})
    expected = [] if verb is None else [(enable, verb)]
    assert [(change.enable, change.verb) for change in changes.units] == expected


def test_a_stopped_unit_is_not_restarted() -> None:
    assert verbs(plan({"files": (file(),), "units": (Unit("a.service", False, False),)}, units={})) == {}


@pytest.mark.parametrize(
    ("desired", "observed", "expected"),
    [
        ({"files": (file("/etc/systemd/system/a.service.d/x.conf"),)}, {}, True),
        ({"files": (file("/etc/systemd/systemctl.conf"),)}, {}, False),
        ({"absent_files": ("/etc/systemd/system/z.service",)}, {"paths": {"/etc/systemd/system/z.service": ON_DISK}},
         True),
        ({"units": (A,)}, {"units": {"a.service": UnitState("loaded", "active", "running", "enabled", True, True)}},
         True),
        ({"files": (file("/etc/systemd/system/a.service", content=b"x", mode=0o600),)},
         {"paths": {"/etc/systemd/system/a.service": ON_DISK}}, False),
    ],
)  # fmt: skip
def test_systemd_rereads_changed_units(desired: dict[str, Any], observed: dict[str, Any], expected: bool) -> None:
    assert plan(desired, **observed).daemon_reload is expected


@pytest.mark.parametrize(
    ("left", "defer", "expected"),
    [
        (Due("restart", ("r",)), False, "restart"),
        (Due("restart", ("r",)), True, "pending"),
        (Due("restart", ("r",), "i1"), True, "pending"),
        (Due("restart", ("r",), "i0"), True, None),  # it has been restarted since
        (Due("restart", ("r",), "i0"), False, None),
        (Due("reload", ("r",)), False, "reload"),
        (Due("reload", ("r",)), True, "reload"),
        (Due("start", ("r",)), False, "verify"),
        (Due("start", ("r",)), True, "verify"),
    ],
)
def test_work_left_by_an_earlier_run(left: Due, defer: bool, expected: str | None) -> None:
    changes = plan({"units": (A,), "defer": defer}, journal=Journal({"a.service": left}))
    assert verbs(changes) == ({} if expected is None else {"a.service": expected})
    assert changes.changed is (expected in ("restart", "reload"))


def test_left_work_and_new_work_are_one() -> None:
    changes = plan(
        {"files": (file(on_change="reload"),), "units": (A,)},
        journal=Journal({"a.service": Due("restart", ("before",))}),
    )
    assert (changes.units[0].verb, changes.units[0].reasons) == ("restart", ("before", "/etc/x changed"))


def test_left_work_of_a_unit_that_is_listed_no_more_is_dropped() -> None:
    assert plan({"units": (A,)}, journal=Journal({"z.service": Due("restart", ("r",))})) == Changes()


@pytest.mark.parametrize(("left", "applied"), [(frozenset({"/s"}), ["/s"]), (frozenset(), []), (frozenset({"/z"}), [])])
def test_an_apply_command_left_is_run(left: frozenset[str], applied: list[str]) -> None:
    desired = {"files": (file("/s", b"x", apply=("load",)),)}
    changes = plan(desired, paths={"/s": ON_DISK}, journal=Journal(apply=left))
    assert [file.path for file in changes.apply] == applied


@pytest.mark.parametrize(
    ("left", "state", "expected"),
    [
        (Due("restart", ("r",), "i1"), RUNS, {"a.service": "restart"}),
        (Due("restart", ("r",)), RUNS, {"a.service": "restart"}),
        (Due("restart", ("r",), "i0"), RUNS, {}),
        (Due("reload", ("r",)), RUNS, {}),
        (Due("restart", ("r",)), UnitState(), {}),
    ],
)
def test_restart_pending(left: Due, state: UnitState, expected: dict[str, str]) -> None:
    desired = {"action": "restart_pending", "files": (file(),), "packages": ("p",)}
    changes = plan(desired, units={"a.service": state}, journal=Journal({"a.service": left}))
    assert verbs(changes) == expected
    assert not changes.files and not changes.packages


def test_the_journal_holds_what_is_still_to_do() -> None:
    desired = Desired("c", files=(file(apply=("load",)),), units=(A, B, Unit("n.service")), defer=True)
    observed = Observed(units=UNITS, journal=Journal({"b.service": Due("start", ("s",))}))
    journal = journal_of(desired, plan_changes(desired, observed), observed)
    assert {name: due.verb for name, due in journal.units.items()} == {
        "a.service": "restart",
        "b.service": "restart",
        "n.service": "start",
    }
    assert journal.apply == {"/etc/x"}


def test_restarting_what_is_pending_keeps_the_rest_of_the_journal() -> None:
    desired = Desired("c", action="restart_pending")
    left = Journal({"a.service": Due("restart", ("r",), "i0"), "b.service": Due("reload", ("r",))}, frozenset({"/s"}))
    observed = Observed(units=UNITS, journal=left)
    journal = journal_of(desired, plan_changes(desired, observed), observed)
    assert (list(journal.units), journal.apply) == (["b.service"], frozenset({"/s"}))


@pytest.mark.parametrize(
    ("desired", "observed", "message"),
    [
        ({"files": (file(),)}, {"paths": {"/etc/x": PathState("directory")}},
         "shall be a file, but a directory is there"),
        ({"directories": (Directory("/d", "root", "root", 0o755),)}, {"paths": {"/d": PathState("link")}},
         "shall be a directory, but a link is there"),
        ({"absent_files": ("/d",)}, {"paths": {"/d": PathState("directory")}}, "only files are removed"),
        ({"units": (A,)}, {"units": {"a.service": UnitState("masked", "inactive", "dead", "masked")}},
         "systemctl unmask"),
    ],
)  # fmt: skip
def test_what_it_will_not_do(desired: dict[str, Any], observed: dict[str, Any], message: str) -> None:
    with pytest.raises(ComponentError, match=message):
        plan(desired, **observed)
