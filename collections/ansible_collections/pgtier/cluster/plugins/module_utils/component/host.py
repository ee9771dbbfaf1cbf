# SPDX-License-Identifier: Apache-2.0
"""The edge: files, accounts and programs of a host. Tests give it a root directory and programs of their own."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import ABSENT, PathState

# Programs print English, and find each other, whatever the environment of the ssh session.
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SYSTEMD_PAGER": "",
}


def staged_path(path: str) -> str:
    """Where a file is made: beside its place, under a name that directories of configuration files skip, and always
    the same, so that a run finds what a killed one left. The suffix stays: some checkers go by it."""
    directory, name = path.rsplit("/", 1)
    return f"{directory}/.pgtier.{name}"


@dataclass(frozen=True)
class Ran:
    """How a program ended, and what it printed on both of its outputs."""

    code: int
    output: str


class Host:
    """The host that this process runs on."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    # ---- programs

    def run(
        self, argv: Sequence[str], timeout: float | None = None, environment: Mapping[str, str] | None = None
    ) -> Ran:
        try:
            done = subprocess.run(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                env={**os.environ, **ENVIRONMENT, **(environment or {})},
                check=False,
            )
        except FileNotFoundError:
            return Ran(127, f"{argv[0]}: no such program")
        except subprocess.TimeoutExpired:
            return Ran(124, f"{argv[0]}: gave no answer within {timeout:.0f} s")
        return Ran(done.returncode, done.stdout.decode(errors="replace"))

    def has_program(self, program: str) -> bool:
        return shutil.which(program, path=ENVIRONMENT["PATH"]) is not None

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    # ---- accounts

    def user_id(self, name: str) -> int | None:
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            return None

    def group_id(self, name: str) -> int | None:
        try:
            return grp.getgrnam(name).gr_gid
        except KeyError:
            return None

    def user_name(self, uid: int) -> str:
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return str(uid)

    def group_name(self, gid: int) -> str:
        try:
            return grp.getgrgid(gid).gr_name
        except KeyError:
            return str(gid)

    # ---- files

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def owner_of(self, status: os.stat_result) -> tuple[int, int]:
        return status.st_uid, status.st_gid

    def chown(self, path: Path, uid: int, gid: int) -> None:
        os.chown(path, uid, gid, follow_symlinks=False)

    def look_at(self, path: str, read: bool = False) -> PathState:
        try:
            status = self.path(path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return ABSENT
        kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
        kind = kinds.get(stat.S_IFMT(status.st_mode), "other")
        uid, gid = self.owner_of(status)
        return PathState(
            kind=kind,
            owner=self.user_name(uid),
            group=self.group_name(gid),
            mode=stat.S_IMODE(status.st_mode),
            content=self.path(path).read_bytes() if read and kind == "file" else b"",
        )

    def set_attributes(self, path: Path, owner: str, group: str, mode: int) -> None:
        """The mode last: chown takes set-uid bits away."""
        uid, gid = self.user_id(owner), self.group_id(group)
        if uid is None or gid is None:
            raise LookupError(f"{owner}:{group}")
        self.chown(path, uid, gid)
        path.chmod(mode)

    def write(self, path: Path, content: bytes, attributes: tuple[str, str, int]) -> None:
        """A new file, which nobody but its owner-to-be can read at any moment, on disk when this returns."""
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            self.set_attributes(path, *attributes)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())

    def replace(self, path: str, content: bytes, attributes: tuple[str, str, int]) -> None:
        """Readers see the old file or the new one, never half of one."""
        staged = self.path(staged_path(path))
        self.write(staged, content, attributes)
        staged.rename(self.path(path))
