"""A control group for each host: how it is started in one, stopped, killed, frozen and slowed down.

Every systemd needs a cgroup2 tree of its own. There are two ways to get one, chosen by what runs this machine:
systemd as PID 1 owns the tree, and is asked for a delegated scope; anything else leaves it to us, and we make a
directory. Both end in a cgroup2 directory with the same files in it, so everything after the start is the same.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.pgtier.cluster.plugins.module_utils.lab.command import LabError, run, succeeds

MOUNT = Path("/sys/fs/cgroup")
CPU_PERIOD = 100_000
SLICE = "pgtier.slice"


@dataclass(frozen=True)
class Tree:
    """Where the groups of this machine are."""

    unified: Path
    by_systemd: bool
    cpu_v1: Path | None

    def group(self, tag: str, host: str) -> Group:
        if self.by_systemd:
            unit = f"pgtier-{tag}-{host}.scope"
            return Group(self, self.unified / SLICE / unit, unit, None)
        cpu = self.cpu_v1 / "pgtier" / tag / host if self.cpu_v1 else None
        return Group(self, self.unified / "pgtier" / tag / host, None, cpu)

    def hosts(self, tag: str) -> list[str]:
        """The hosts of a lab that have a group, running or not."""
        if self.by_systemd:
            prefix, suffix = f"pgtier-{tag}-", ".scope"
            found = (self.unified / SLICE).glob(f"{prefix}*{suffix}")
            return sorted(path.name.removeprefix(prefix).removesuffix(suffix) for path in found)
        return sorted(path.name for path in (self.unified / "pgtier" / tag).glob("*") if path.is_dir())

    def remove_empty(self, tag: str) -> None:
        """Remove the directories above the hosts' groups unless another host or lab uses them."""
        if self.by_systemd:
            if not list((self.unified / SLICE).glob("*.scope")):
                succeeds("systemctl", "stop", SLICE)
            return
        for base in (self.unified, self.cpu_v1):
            for path in (base / "pgtier" / tag, base / "pgtier") if base else ():
                if path.is_dir() and not any(child.is_dir() for child in path.iterdir()):
                    path.rmdir()


@dataclass(frozen=True)
class Group:
    tree: Tree
    path: Path
    unit: str | None
    cpu_v1: Path | None

    @property
    def populated(self) -> bool:
        """Whether any process lives in the group or below it."""
        return "populated 1" in self._read("cgroup.events")

    @property
    def frozen(self) -> bool:
        return self._read("cgroup.freeze").strip() == "1"

    def entry(self) -> tuple[list[str], list[str]]:
        """What puts a command into the group: words that go in front of it, and shell lines that run before it."""
        if self.unit:
            front = ["systemd-run", "--scope", "--quiet", "--collect", f"--unit={self.unit}", f"--slice={SLICE}"]
            return [*front, "--property=Delegate=yes", "--"], []
        lines = []
        for path in (self.path, self.cpu_v1):
            if path:
                path.mkdir(parents=True, exist_ok=True)
                lines.append(f"echo $$ >{path}/cgroup.procs")
        if not self.cpu_v1:
            self._enable_cpu()
        if self.tree.unified != MOUNT:
            # Hybrid: inside, systemd shall see a plain cgroup2 tree.
            lines.append(f"mount -t cgroup2 cgroup2 {MOUNT}")
        return [], lines

    def kill(self) -> None:
        """Kill every process at once, as a power failure does, and wait until the last one is gone."""
        if self.path.is_dir():
            (self.path / "cgroup.kill").write_text("1")
            self.wait_empty(30)
        self.remove()

    def wait_empty(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.populated:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def remove(self) -> None:
        if self.unit:
            # Waits until systemd has let go of the unit, whose name the next start wants.
            succeeds("systemctl", "stop", self.unit)
        for base in (self.path, self.cpu_v1):
            if not base:
                continue
            # Deepest first; systemd may be removing the same ones.
            for directory, _below, _files in os.walk(base, topdown=False):
                _remove_directory(Path(directory))

    def freeze(self, frozen: bool) -> None:
        self._need()
        (self.path / "cgroup.freeze").write_text("1" if frozen else "0")
        deadline = time.monotonic() + 5
        while f"frozen {int(frozen)}" not in self._read("cgroup.events"):
            if time.monotonic() > deadline:
                raise LabError(f"{self.path} did not {'freeze' if frozen else 'thaw'} within 5 s")
            time.sleep(0.01)

    @property
    def cpu_percent(self) -> int | None:
        """The limit in percent of one core, None when there is none."""
        if self.cpu_v1:
            quota = _read(self.cpu_v1 / "cpu.cfs_quota_us").strip()
            return None if quota in ("", "-1") else round(int(quota) * 100 / CPU_PERIOD)
        words = self._read("cpu.max").split()
        return None if not words or words[0] == "max" else round(int(words[0]) * 100 / int(words[1]))

    def limit_cpu(self, percent: int | None) -> None:
        self._need()
        if self.cpu_v1:
            (self.cpu_v1 / "cpu.cfs_period_us").write_text(str(CPU_PERIOD))
            (self.cpu_v1 / "cpu.cfs_quota_us").write_text(str(percent * CPU_PERIOD // 100 if percent else -1))
        elif self.unit:
            run("systemctl", "set-property", "--runtime", self.unit, f"CPUQuota={f'{percent}%' if percent else ''}")
        elif (self.path / "cpu.max").exists():
            quota = str(percent * CPU_PERIOD // 100) if percent else "max"
            (self.path / "cpu.max").write_text(f"{quota} {CPU_PERIOD}")
        if self.cpu_percent != percent:
            raise LabError(f"{self.path}: no cpu controller is available here, so a host's share cannot be limited")

    def _enable_cpu(self) -> None:
        """Hand the cpu controller down to the group, where this machine lets us; limit_cpu tells when it did not."""
        for path in reversed([p for p in self.path.parents if p.is_relative_to(self.tree.unified)]):
            if "cpu" in _read(path / "cgroup.controllers").split():
                try:
                    (path / "cgroup.subtree_control").write_text("+cpu")
                except OSError:
                    return

    def _need(self) -> None:
        if not self.populated:
            raise LabError(f"the host of {self.path.name} does not run; start it first")

    def _read(self, name: str) -> str:
        return _read(self.path / name)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, OSError):
        return ""


def _remove_directory(path: Path) -> None:
    """A group of processes that just ended can be busy for an instant."""
    for _attempt in range(100):
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise LabError(f"{path} cannot be removed: it still holds processes")


def find_tree() -> Tree:
    """The tree of this machine; LabError if it has no cgroup2 at all."""
    systemd = Path("/run/systemd/system").is_dir()
    if (MOUNT / "cgroup.controllers").exists():
        return Tree(MOUNT, systemd, None)
    hybrid = MOUNT / "unified"
    if (hybrid / "cgroup.controllers").exists():
        cpu = MOUNT / "cpu"
        return Tree(hybrid, False, cpu if (cpu / "cpu.cfs_quota_us").exists() or (cpu / "tasks").exists() else None)
    raise LabError(f"no cgroup2 file system at {MOUNT} or {hybrid}; mount one: mount -t cgroup2 cgroup2 {hybrid}")
