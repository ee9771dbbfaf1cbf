# SPDX-License-Identifier: Apache-2.0
"""Whole runs against real files under a temporary root, and a host that remembers."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.component.converge import converge
from ansible_collections.pgtier.cluster.plugins.module_utils.component.host import Ran
from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import (
    ComponentError,
    Desired,
    Directory,
    File,
    Obsolete,
    Ready,
    Unit,
    UnitState,
)
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.component.conftest import server_host
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.component.fake_host import FakeHost, Killed

CANARY = "canary-s3cret"
CONF, USERS, STEER = "/etc/server/server.conf", "/etc/server/users", "/etc/steer/create.conf"
CONF_FILE = File(CONF, b"port 1\n", group="server", mode=0o640, validate=("check-server", "-f", "%s"))
USERS_FILE = File(USERS, f'"app" "{CANARY}"\n'.encode(), owner="server", mode=0o600, secret=True, on_change="reload")
SERVER = Desired(
    name="server",
    packages=("server",),
    directories=(Directory("/etc/server", "root", "server", 0o750),),
    files=(CONF_FILE, USERS_FILE, File(STEER, b"steer = yes\n", before_packages=True, on_change="none")),
    units=(Unit("server.service"),),
)


def run(host: FakeHost, desired: Desired = SERVER, check: bool = False) -> dict[str, Any]:
    host.calls.clear()
    return converge(host, desired, check=check, diff=True)


def with_file(desired: Desired, file: File) -> Desired:
    files = tuple(file if one.path == file.path else one for one in desired.files)
    return dataclasses.replace(desired, files=files)


def with_port(port: int, desired: Desired = SERVER, **fields: Any) -> Desired:
    return with_file(desired, dataclasses.replace(CONF_FILE, content=f"port {port}\n".encode(), **fields))


def units(result: dict[str, Any], key: str) -> list[str]:
    return [item["unit"] for item in result[key]]


def journal(host: FakeHost, name: str = "server") -> dict[str, Any] | None:
    path = host.path(f"/var/lib/pgtier/{name}.json")
    return json.loads(path.read_text()) if path.exists() else None


def snapshot(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(root)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in root.rglob("*")
    }


# ---- the whole way


def test_bare_host_to_running_component(host: FakeHost) -> None:
    result = run(host)
    assert result["changed"]
    assert result["packages_installed"] == ["server"]
    assert result["files_changed"] == [CONF, USERS, STEER]
    assert units(result, "units_started") == ["server.service"]
    assert (result["restarted"], result["reloaded"], result["skipped_checks"]) == ([], [], [])
    assert host.path(CONF).stat().st_mode & 0o7777 == 0o640
    assert host.look_at(CONF).group == host.look_at(USERS).owner == "server"
    assert host.loaded["server.service"] == b"port 1\n" + USERS_FILE.content
    assert "server.service" in host.enabled
    assert journal(host) is None


def test_second_run_changes_nothing_and_asks_little(host: FakeHost) -> None:
    run(host)
    before = snapshot(host.root)
    result = run(host)
    assert not result["changed"] and result["diff"] == []
    assert [call[0] for call in host.calls] == ["systemctl", "dpkg-query"]
    assert snapshot(host.root) == before


@pytest.mark.parametrize("installed", [False, True], ids=["bare", "installed"])
def test_check_mode_foresees_the_run_and_touches_nothing(host: FakeHost, installed: bool) -> None:
    if installed:
        run(host)
    desired = with_port(2)
    before = snapshot(host.root)
    foreseen = run(host, desired, check=True)
    assert snapshot(host.root) == before
    assert not [call for call in host.calls if call[0] not in ("dpkg-query", "systemctl", "check-server")]
    assert not [call for call in host.called("systemctl") if call[1] != "show"]
    done = run(host, desired)
    differing = {key for key in done if done[key] != foreseen[key]}
    assert differing == (set() if installed else {"notes", "skipped_checks"})
    assert foreseen["changed"]


def test_check_mode_on_a_bare_host_says_what_it_cannot_foresee(host: FakeHost) -> None:
    result = run(host, check=True)
    assert result["skipped_checks"] == [f"{CONF}: not checked, because packages would be installed first: server"]
    assert result["notes"] == ["group server does not exist yet", "user server does not exist yet"]


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (lambda host: None, "directories would be made first: /etc/server"),
        (lambda host: host.path("/etc/server").mkdir(parents=True), "accounts are not there yet: group server, user"),
        (lambda host: (host.path("/etc/server").mkdir(parents=True), host.accounts.append("server")),
         "check-server is not installed yet"),
    ],
)  # fmt: skip
def test_check_mode_skips_a_check_whose_surroundings_are_missing(host: FakeHost, prepare: Any, expected: str) -> None:
    prepare(host)
    result = run(host, dataclasses.replace(SERVER, packages=()), check=True)
    assert expected in result["skipped_checks"][0]


# ---- files


def test_restart_wins_and_reasons_are_given(host: FakeHost) -> None:
    run(host)
    desired = with_file(with_port(2), dataclasses.replace(USERS_FILE, content=b"other secret"))
    result = run(host, desired)
    assert result["restarted"] == [{"unit": "server.service", "reasons": [f"{CONF} changed", f"{USERS} changed"]}]
    assert result["reloaded"] == []
    assert host.loaded["server.service"] == b"port 2\nother secret"


def test_reload(host: FakeHost) -> None:
    run(host)
    before = host.states["server.service"].invocation
    result = run(host, with_file(SERVER, dataclasses.replace(USERS_FILE, content=b"other secret")))
    assert units(result, "reloaded") == ["server.service"]
    assert host.states["server.service"].invocation == before
    assert host.loaded["server.service"].endswith(b"other secret")


def test_drift_of_mode_and_owner_is_put_right_without_a_restart(host: FakeHost) -> None:
    run(host)
    host.path(CONF).chmod(0o666)
    host.chown(host.path(USERS), 0, 0)
    host.path("/etc/server").chmod(0o777)
    result = run(host)
    assert result["changed"] and result["files_changed"] == [CONF, USERS]
    assert result["directories_changed"] == ["/etc/server"]
    assert (result["restarted"], result["reloaded"]) == ([], [])
    assert (host.look_at(CONF).mode, host.look_at(USERS).owner) == (0o640, "server")


def test_a_link_is_replaced_not_followed(host: FakeHost) -> None:
    run(host)
    host.put("/etc/elsewhere", "theirs")
    host.path(CONF).unlink()
    host.path(CONF).symlink_to(host.path("/etc/elsewhere"))
    run(host)
    assert host.look_at(CONF).kind == "file"
    assert host.path("/etc/elsewhere").read_text() == "theirs"


def refusing(said: str) -> Any:
    return lambda argv: Ran(1, f"{argv[-1]}: {said}")


@pytest.mark.parametrize("check", [True, False])
def test_a_refused_file_leaves_everything_as_it_was(host: FakeHost, check: bool) -> None:
    run(host)
    before = snapshot(host.root)
    host.answers["check-server"] = refusing(f"line 1: bad word {CANARY}")
    desired = with_file(with_port(2), dataclasses.replace(USERS_FILE, content=f"{CANARY} x".encode()))
    with pytest.raises(ComponentError) as error:
        run(host, desired, check=check)
    message = str(error.value)
    assert message.startswith(f"{CONF} was refused by its checker (check-server -f %s, exit code 1)")
    assert f"{CONF}: line 1: bad word ********" in message
    assert CANARY not in message
    assert snapshot(host.root) == before
    assert not [call for call in host.called("systemctl") if call[1] != "show"]
    assert not run(host)["changed"]
    host.answers.clear()
    assert units(run(host, desired), "restarted") == ["server.service"]


def test_the_checker_sees_the_new_content_with_its_final_attributes(host: FakeHost) -> None:
    seen = []

    def check(argv: Any) -> Ran:
        path = Path(argv[-1])
        seen.append(
            (path.read_bytes(), path.stat().st_mode & 0o777, path.suffix, path.parent == host.path("/etc/server"))
        )
        return Ran(0, "")

    host.answers["check-server"] = check
    run(host)
    assert seen == [(b"port 1\n", 0o640, ".conf", True)]


def test_a_missing_checker_is_an_error_in_a_real_run(host: FakeHost) -> None:
    desired = with_port(1, validate=("runuser", "--", "nowhere", "%s"))
    host.programs.add("runuser")
    with pytest.raises(ComponentError, match="there is no program nowhere on this host"):
        run(host, desired)
    assert not host.path(CONF).exists()


def test_an_unknown_owner_is_refused_before_any_file_is_placed(host: FakeHost) -> None:
    host.programs.add("check-server")
    with pytest.raises(ComponentError, match=r"group server, user server: not on this host.*of server shall be theirs"):
        run(host, dataclasses.replace(SERVER, packages=()))
    assert not host.path(CONF).exists()


def test_absent_files_go(host: FakeHost) -> None:
    host.put("/etc/old.conf", "x")
    desired = Desired("x", absent_files=("/etc/old.conf", "/etc/never"))
    assert run(host, desired)["files_removed"] == ["/etc/old.conf"]
    assert not host.path("/etc/old.conf").exists()
    assert not run(host, desired)["changed"]


def test_no_secret_in_result_or_diff(host: FakeHost) -> None:
    results = [run(host, check=True), run(host)]
    results.append(run(host, with_file(SERVER, dataclasses.replace(USERS_FILE, content=b"other secret"))))
    assert CANARY not in repr(results) and "other secret" not in repr(results)
    assert "(secret content differs)" in repr(results[-1]["diff"])
    assert CANARY not in repr(SERVER)


def test_binary_content_in_a_diff(host: FakeHost) -> None:
    result = run(host, Desired("x", files=(File("/etc/bin", b"\xff\x00"),)))
    assert result["diff"][-1]["after"] == "(binary content differs)\n"


# ---- deferred restarts


def test_a_deferred_restart_waits_is_listed_and_is_done_once(host: FakeHost) -> None:
    run(host)
    desired = dataclasses.replace(with_port(2), defer=True)
    pending = [{"unit": "server.service", "reasons": [f"{CONF} changed"]}]
    first = run(host, desired)
    assert first["changed"] and first["restart_pending"] == pending and first["restarted"] == []
    assert host.loaded["server.service"].startswith(b"port 1")
    second = run(host, desired)
    assert not second["changed"] and second["restart_pending"] == pending
    do = Desired("server", action="restart_pending")
    assert run(host, do, check=True)["restarted"] == pending
    assert run(host, do)["restarted"] == pending
    assert host.loaded["server.service"].startswith(b"port 2")
    assert journal(host) is None
    assert not run(host, do)["changed"]
    assert run(host, desired)["restart_pending"] == []


def test_reasons_of_deferred_restarts_add_up(host: FakeHost) -> None:
    run(host)
    desired = dataclasses.replace(with_port(2), defer=True)
    run(host, desired)
    result = run(host, with_file(desired, dataclasses.replace(USERS_FILE, content=b"other", on_change="restart")))
    assert result["restart_pending"][0]["reasons"] == [f"{CONF} changed", f"{USERS} changed"]


def test_a_restart_by_anyone_settles_a_deferred_one(host: FakeHost) -> None:
    run(host)
    desired = dataclasses.replace(with_port(2), defer=True)
    run(host, desired)
    host.run(["systemctl", "restart", "server.service"])
    assert run(host, desired)["restart_pending"] == []
    assert not run(host, Desired("server", action="restart_pending"))["changed"]


def test_without_defer_a_deferred_restart_is_done(host: FakeHost) -> None:
    run(host)
    run(host, dataclasses.replace(with_port(2), defer=True))
    assert units(run(host, with_port(2)), "restarted") == ["server.service"]


def test_a_first_start_is_not_deferred(host: FakeHost) -> None:
    assert units(run(host, dataclasses.replace(SERVER, defer=True)), "units_started") == ["server.service"]


# ---- units


def test_a_failed_unit_is_reset_and_started(host: FakeHost) -> None:
    run(host)
    host.states["server.service"] = dataclasses.replace(host.states["server.service"], active="failed")
    result = run(host)
    assert result["units_started"] == [{"unit": "server.service", "reasons": ["it was failed"]}]
    assert host.called("systemctl", "reset-failed")


def test_a_unit_that_does_not_stay_up_fails_with_its_log_and_is_finished_later(host: FakeHost) -> None:
    host.crashing.add("server.service")
    with pytest.raises(
        ComponentError, match=r"(?s)server.service did not stay up: it is failed.*log of server.service"
    ):
        run(host)
    with pytest.raises(ComponentError, match="did not stay up"):
        run(host)
    host.crashing.clear()
    assert units(run(host), "units_started") == ["server.service"]
    assert not run(host)["changed"]


def test_a_unit_that_systemd_brings_up_again_and_again_has_not_stayed_up(host: FakeHost) -> None:
    def sleep(seconds: float) -> None:
        host.states["server.service"] = dataclasses.replace(host.states["server.service"], restarts=1)

    host.sleep = sleep  # type: ignore[method-assign]
    with pytest.raises(ComponentError, match="died and was started again right after its start"):
        run(host)


def test_systemctl_that_fails_shows_the_log(host: FakeHost) -> None:
    run(host)

    def fail(names: list[str]) -> tuple[int, str]:
        host.states["server.service"] = dataclasses.replace(host.states["server.service"], active="failed")
        return 1, f"Job failed, see {CANARY}"

    host._restart = fail  # type: ignore[method-assign]
    with pytest.raises(ComponentError) as error:
        run(host, with_port(2))
    assert str(error.value).startswith("systemctl restart server.service failed: Job failed, see ********")
    assert "log of server.service" in str(error.value)
    assert journal(host) is not None


def test_instances_restart_one_after_the_other_and_stop_at_the_first_that_fails(host: FakeHost) -> None:
    two = dataclasses.replace(SERVER, units=(Unit("server@a.service"), Unit("server@b.service")))
    run(host, two)
    host.crashing.add("server@a.service")
    with pytest.raises(ComponentError, match=r"server@a.service did not stay up"):
        run(host, with_port(2, two))
    assert host.states["server@b.service"].active == "active"
    host.crashing.clear()
    result = run(host, with_port(2, two))
    assert (units(result, "units_started"), units(result, "restarted")) == (["server@a.service"], ["server@b.service"])


def test_ready_is_waited_for(host: FakeHost) -> None:
    tries: list[float] = []

    def ask(argv: Any) -> Ran:
        tries.append(host.clock)
        return Ran(0 if len(tries) == 4 else 1, "not yet")

    host.answers["ask"] = ask
    run(host, dataclasses.replace(SERVER, ready=Ready(("ask",), 10)))
    assert len(tries) == 4
    tries.clear()
    run(host, dataclasses.replace(SERVER, ready=Ready(("ask",), 10)))
    assert tries == []


def test_ready_is_given_up_and_looked_at_again_by_the_next_run(host: FakeHost) -> None:
    desired = dataclasses.replace(SERVER, ready=Ready(("ask",), 10))
    host.answers["ask"] = lambda argv: Ran(1, f"no {CANARY}")
    for _run in range(2):
        with pytest.raises(ComponentError) as error:
            run(host, desired)
        assert "server.service: not ready: it was not within 10 s" in str(error.value)
        assert "exit code 1: no ********" in str(error.value)
    host.answers["ask"] = lambda argv: Ran(0, "")
    invocation = host.states["server.service"].invocation
    result = run(host, desired)
    assert not result["changed"] and len(host.called("ask")) == 1
    assert host.states["server.service"].invocation == invocation
    assert journal(host) is None


def test_obsolete_instances_go_and_others_stay(host: FakeHost) -> None:
    def desired(*names: str) -> Desired:
        return Desired(
            name="server",
            packages=("server",),
            files=tuple(File(f"/etc/i/{name}.ini", b"x", units=(f"server@{name}.service",)) for name in names),
            units=tuple(Unit(f"server@{name}.service") for name in names),
            obsolete=Obsolete("server@*.service", ("/etc/i/*.ini",)),
        )

    run(host, desired("a", "b", "c"))
    host.put("/etc/i/other.conf", "theirs")
    host.path("/etc/i/d.ini").mkdir()
    host.states["server@b.service"] = UnitState("loaded", "failed", "failed")
    result = run(host, desired("a"))
    assert result["units_retired"] == ["server@b.service", "server@c.service"]
    assert result["files_removed"] == ["/etc/i/b.ini", "/etc/i/c.ini"]
    assert host.states["server@c.service"].active == "inactive" and host.enabled == {"server@a.service"}
    assert result["restarted"] == result["units_started"] == []
    assert sorted(path.name for path in host.path("/etc/i").iterdir()) == ["a.ini", "d.ini", "other.conf"]
    assert not run(host, desired("a"))["changed"]


def test_an_obsolete_instance_is_stopped_before_another_starts(host: FakeHost) -> None:
    base = Desired("s", packages=("server",), obsolete=Obsolete("server@*.service"))
    run(host, dataclasses.replace(base, units=(Unit("server@old.service"),)))
    run(host, dataclasses.replace(base, units=(Unit("server@new.service"),)))
    verbs = [call[1] for call in host.called("systemctl")]
    assert verbs.index("disable") < verbs.index("start")


def test_systemd_rereads_its_files_before_the_restart(host: FakeHost) -> None:
    run(host)
    drop_in = File("/etc/systemd/system/server.service.d/x.conf", b"[Service]\n")
    result = run(host, dataclasses.replace(SERVER, files=(*SERVER.files, drop_in)))
    verbs = [call[1] for call in host.called("systemctl")]
    assert result["daemon_reloaded"] and verbs.index("daemon-reload") < verbs.index("restart")


def test_systemctl_show_that_fails_is_said(host: FakeHost) -> None:
    host.answers["systemctl"] = lambda argv: Ran(1, "Failed to connect to bus")
    with pytest.raises(ComponentError, match=r"systemctl show failed.*Failed to connect to bus"):
        run(host)


# ---- apply


SYSCTL = File("/etc/sysctl.d/x.conf", b"vm.x = 1\n", apply=("load", "x"), on_change="none")


def test_apply_runs_when_the_file_changed_and_not_otherwise(host: FakeHost) -> None:
    desired = Desired("kernel", files=(SYSCTL,))
    assert run(host, desired)["commands_applied"] == [SYSCTL.path]
    assert host.called("load", "x")
    assert run(host, desired)["commands_applied"] == []
    assert not host.called("load")


@pytest.mark.parametrize(("optional", "container", "noted"), [(True, 0, True), (True, 1, False), (False, 0, False)])
def test_apply_that_fails(host: FakeHost, optional: bool, container: int, noted: bool) -> None:
    desired = Desired("kernel", files=(dataclasses.replace(SYSCTL, apply_optional_in_container=optional),))
    host.answers["load"] = lambda argv: Ran(1, "read-only")
    host.answers["systemd-detect-virt"] = lambda argv: Ran(container, "")
    if noted:
        assert "'load x' failed with exit code 1: read-only" in run(host, desired)["notes"][0]
        assert not run(host, desired)["changed"]
        return
    for _run in range(2):
        with pytest.raises(ComponentError, match="'load x' failed with exit code 1: read-only"):
            run(host, desired)
    del host.answers["load"]
    assert run(host, desired)["commands_applied"] == [SYSCTL.path]
    assert journal(host, "kernel") is None


# ---- interruption


def remember(applied: list[bytes], host: FakeHost) -> Callable[[Sequence[str]], Ran]:
    def load(argv: Sequence[str]) -> Ran:
        applied.append(host.path(SYSCTL.path).read_bytes())
        return Ran(0, "")

    return load


def test_a_run_killed_anywhere_is_finished_by_the_next(tmp_path: Path) -> None:
    """A first deployment and a change of every file, each stopped at every step it takes."""
    change = dataclasses.replace(
        with_file(with_port(2), dataclasses.replace(USERS_FILE, content=b"second secret")),
        files=(
            dataclasses.replace(CONF_FILE, content=b"port 2\n"),
            dataclasses.replace(USERS_FILE, content=b"second secret"),
            dataclasses.replace(SYSCTL, on_change="reload"),
        ),
    )
    for name, start, target in (("first", None, SERVER), ("change", SERVER, change), ("back", change, SERVER)):
        steps = 0
        killed = True
        while killed:
            steps += 1
            root = tmp_path / f"{name}-{steps}"
            root.mkdir()
            host = server_host(root)
            applied: list[bytes] = []
            host.answers["load"] = remember(applied, host)
            if start:
                run(host, start)
            host.ticks, host.kill_at = 0, steps
            try:
                run(host, target)
                killed = False
                host.kill_at = None
            except Killed:
                run(host, target)
            expected = b"".join(file.content for file in target.files if file.path in (CONF, USERS))
            assert host.loaded["server.service"] == expected, f"{name}: killed at step {steps}"
            assert bool(applied) is (change in (start, target)), f"{name}: killed at step {steps}"
            again = run(host, target)
            assert not again["changed"] and not again["restart_pending"], f"{name}: killed at step {steps}"
            assert journal(host) is None
            assert not list(root.rglob(".pgtier.*")) and not host.path("/usr/sbin/policy-rc.d").exists()
        assert steps > 15


def test_leftovers_of_a_killed_run_are_removed(host: FakeHost) -> None:
    run(host)
    host.put("/etc/server/.pgtier.users", CANARY)
    host.put("/usr/sbin/policy-rc.d", "#!/bin/sh\n# made by pgtier while\nexit 101\n")
    result = run(host)
    assert result["files_removed"] == ["/etc/server/.pgtier.users", "/usr/sbin/policy-rc.d"]
    assert not host.path("/usr/sbin/policy-rc.d").exists()
    assert not run(host)["changed"]


@pytest.mark.parametrize("text", ["{", "[]", '{"units": {}}', '{"units": {"a": 1}, "apply": []}'])
def test_a_damaged_journal_is_not_taken_for_an_empty_one(host: FakeHost, text: str) -> None:
    host.put("/var/lib/pgtier/server.json", text)
    with pytest.raises(ComponentError, match=r"/var/lib/pgtier/server.json is damaged .* Remove it, and restart"):
        run(host)


def test_the_journal_is_private(host: FakeHost) -> None:
    run(host)
    run(host, dataclasses.replace(with_port(2), defer=True))
    assert host.path("/var/lib/pgtier").stat().st_mode & 0o777 == 0o700
    assert host.path("/var/lib/pgtier/server.json").stat().st_mode & 0o777 == 0o600


def test_a_file_put_in_place_before_a_failed_installation_still_restarts(host: FakeHost) -> None:
    run(host)
    steer = File(STEER, b"steer = no\n", before_packages=True)
    desired = dataclasses.replace(with_file(SERVER, steer), packages=("server", "extra"))
    host.apt_answers = [Ran(100, "no space")]
    with pytest.raises(ComponentError, match="no space"):
        run(host, desired)
    assert host.path(STEER).read_bytes() == steer.content
    result = run(host, desired)
    assert result["files_changed"] == []
    assert result["restarted"] == [{"unit": "server.service", "reasons": [f"{STEER} changed"]}]
