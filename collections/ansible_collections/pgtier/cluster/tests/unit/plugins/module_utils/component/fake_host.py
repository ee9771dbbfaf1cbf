# SPDX-License-Identifier: Apache-2.0
"""A host for tests: real files under a temporary root, and a small dpkg, apt and systemd that remember."""

from __future__ import annotations

import dataclasses
import fnmatch
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ansible_collections.pgtier.cluster.plugins.module_utils.component.host import Host, Ran
from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import UnitState


class Killed(BaseException):
    """The process ends here: nothing catches this."""


@dataclasses.dataclass
class Package:
    """What installing it brings along."""

    accounts: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    units: tuple[str, ...] = ()


class FakeHost(Host):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.accounts = ["root"]
        self.owners: dict[int, tuple[int, int]] = {}
        self.programs = {"apt-get", "systemctl"}
        self.archive: dict[str, Package] = {}
        self.installed: set[str] = set()
        self.apt_answers: list[Ran] = []
        self.policy_during_install: list[bool] = []
        self.unit_files: set[str] = set()
        self.enabled: set[str] = set()
        self.states: dict[str, UnitState] = {}
        self.crashing: set[str] = set()
        self.loaded: dict[str, bytes] = {}
        self.unit_reads: tuple[str, ...] = ()
        self.answers: dict[str, Callable[[Sequence[str]], Ran]] = {}
        self.calls: list[list[str]] = []
        self.clock = 0.0
        self.ticks = 0
        self.kill_at: int | None = None
        (root / "tmp").mkdir()

    # ---- interruption

    def tick(self) -> None:
        self.ticks += 1
        if self.ticks == self.kill_at:
            raise Killed

    # ---- accounts and files

    def user_id(self, name: str) -> int | None:
        return self.accounts.index(name) if name in self.accounts else None

    def group_id(self, name: str) -> int | None:
        return self.user_id(name)

    def user_name(self, uid: int) -> str:
        return self.accounts[uid]

    def group_name(self, gid: int) -> str:
        return self.accounts[gid]

    def owner_of(self, status: os.stat_result) -> tuple[int, int]:
        return self.owners.get(status.st_ino, (0, 0))

    def chown(self, path: Path, uid: int, gid: int) -> None:
        self.owners[path.lstat().st_ino] = (uid, gid)

    def write(self, path: Path, content: bytes, attributes: tuple[str, str, int]) -> None:
        self.tick()
        super().write(path, content, attributes)
        self.tick()

    def set_attributes(self, path: Path, owner: str, group: str, mode: int) -> None:
        super().set_attributes(path, owner, group, mode)
        self.tick()

    def put(self, path: str, content: str, mode: int = 0o644) -> None:
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        target.chmod(mode)

    # ---- programs

    def now(self) -> float:
        return self.clock

    def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def has_program(self, program: str) -> bool:
        return program in self.programs

    def run(
        self, argv: Sequence[str], timeout: float | None = None, environment: Mapping[str, str] | None = None
    ) -> Ran:
        self.tick()
        self.calls.append(list(argv))
        program = argv[0].replace("-", "_")
        if argv[0] in self.answers:
            ran = self.answers[argv[0]](argv)
        else:
            ran = getattr(self, f"_run_{program}", lambda words: Ran(0, ""))(list(argv))
        self.tick()
        return ran

    def called(self, *start: str) -> list[list[str]]:
        return [call for call in self.calls if call[: len(start)] == list(start)]

    def _run_dpkg_query(self, words: list[str]) -> Ran:
        asked = words[4:]
        text = "".join(f"{name} installed\n" for name in asked if name in self.installed)
        return Ran(0 if all(name in self.installed for name in asked) else 1, text)

    def _run_apt_get(self, words: list[str]) -> Ran:
        if words[1] != "install":
            return self.apt_answers.pop(0) if self.apt_answers else Ran(0, "")
        self.policy_during_install.append(self.path("/usr/sbin/policy-rc.d").exists())
        if self.apt_answers:
            answer = self.apt_answers.pop(0)
            if answer.code != 0:
                return answer
        for name in words[words.index("--") + 1 :]:
            package = self.archive.get(name, Package())
            self.installed.add(name)
            self.accounts += package.accounts
            self.programs |= set(package.programs)
            self.unit_files |= set(package.units)
        return Ran(0, "")

    def _run_journalctl(self, words: list[str]) -> Ran:
        return Ran(0, f"log of {words[-1]}")

    # ---- systemd

    def _run_systemctl(self, words: list[str]) -> Ran:
        verb, names = words[1], [word for word in words[2:] if not word.startswith("-")]
        return Ran(*getattr(self, "_" + verb.replace("-", "_"))(names))

    def state(self, name: str) -> UnitState:
        state = self.states.get(name, UnitState(can_reload=True))
        if name in self.enabled:
            file_state = "enabled"
        elif name in self.unit_files:
            file_state = state.file_state or "disabled"
        else:
            file_state = state.file_state
        known = name in self.unit_files or state.active != "inactive"
        return dataclasses.replace(
            state,
            load=state.load if state.load == "masked" else "loaded" if known else "not-found",
            file_state=file_state,
        )

    def _show(self, names: list[str]) -> tuple[int, str]:
        found: list[str] = []
        for name in names:
            found += fnmatch.filter(self.states, name) if "*" in name else [name]
        return 0, "\n\n".join(self._block(name) for name in dict.fromkeys(found)) + "\n"

    def _block(self, name: str) -> str:
        state = self.state(name)
        return "\n".join(
            [
                f"Id={name}",
                f"Names={name}",
                f"LoadState={state.load}",
                f"ActiveState={state.active}",
                f"SubState={state.sub}",
                f"UnitFileState={state.file_state}",
                f"CanReload={'yes' if state.can_reload else 'no'}",
                f"NeedDaemonReload={'yes' if state.need_daemon_reload else 'no'}",
                f"InvocationID={state.invocation}",
                f"NRestarts={state.restarts}",
            ]
        )

    def _change(self, name: str, **fields: object) -> None:
        self.states[name] = dataclasses.replace(self.states.get(name, UnitState()), **fields)  # type: ignore[arg-type]

    def _read_configuration(self, name: str) -> None:
        files = (self.path(path) for path in self.unit_reads)
        self.loaded[name] = b"".join(path.read_bytes() for path in files if path.exists())

    def _start(self, names: list[str]) -> tuple[int, str]:
        for name in names:
            if self.state(name).active == "active":
                continue
            self._read_configuration(name)
            crash = name in self.crashing
            self._change(
                name,
                active="failed" if crash else "active",
                sub="failed" if crash else "running",
                invocation=f"i{self.ticks}",
            )
        return 0, ""

    def _stop(self, names: list[str]) -> tuple[int, str]:
        for name in names:
            self._change(name, active="inactive", sub="dead")
        return 0, ""

    def _restart(self, names: list[str]) -> tuple[int, str]:
        self._stop(names)
        return self._start(names)

    def _reload(self, names: list[str]) -> tuple[int, str]:
        for name in names:
            self._read_configuration(name)
        return 0, ""

    def _enable(self, names: list[str]) -> tuple[int, str]:
        self.enabled |= set(names)
        for name in names:
            link = self.path(f"/etc/systemd/system/multi-user.target.wants/{name}")
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to("/dev/null")
        return 0, ""

    def _disable(self, names: list[str]) -> tuple[int, str]:
        self.enabled -= set(names)
        for name in names:
            self.path(f"/etc/systemd/system/multi-user.target.wants/{name}").unlink(missing_ok=True)
        if "--now" in self.calls[-1]:
            self._stop(names)
        return 0, ""

    def _reset_failed(self, names: list[str]) -> tuple[int, str]:
        for name in names:
            if self.state(name).active == "failed":
                self._change(name, active="inactive", sub="dead")
        return 0, ""

    def _daemon_reload(self, names: list[str]) -> tuple[int, str]:
        for name in self.states:
            self._change(name, need_daemon_reload=False)
        return 0, ""
