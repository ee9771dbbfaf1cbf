# SPDX-License-Identifier: Apache-2.0
"""Files: all are staged beside their places and checked there; only if every check passes is one put in place."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ansible_collections.pgtier.cluster.plugins.module_utils.component.host import Host, staged_path
from ansible_collections.pgtier.cluster.plugins.module_utils.component.masking import Masker
from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import (
    Changes,
    ComponentError,
    File,
    FileChange,
)

_CHECK_TIMEOUT = 120


def make_directories(host: Host, changes: Changes) -> None:
    for change in changes.directories:
        wanted = change.directory
        path = host.path(wanted.path)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        host.set_attributes(path, wanted.owner, wanted.group, wanted.mode)


def put_in_place(
    host: Host, changes: Sequence[FileChange], masker: Masker, about_to: Callable[[], None], early: bool = False
) -> list[str]:
    """Write the changed files, with a call of `about_to` between the last check and the first change. Returns the
    checks that were skipped, which happens only `early`: before the packages a checker may not be there yet."""
    attributes_only = [change.file for change in changes if not change.content_differs]
    files = [change.file for change in changes if change.content_differs]
    with _staged(host, files):
        skipped = [_check(host, file, host.path(staged_path(file.path)), masker, skip=early) for file in files]
        about_to()
        for file in files:
            host.path(staged_path(file.path)).rename(host.path(file.path))
    for file in attributes_only:
        host.set_attributes(host.path(file.path), *_attributes(file))
    return [text for text in skipped if text]


def check_only(host: Host, changes: Changes, unknown_accounts: frozenset[str], masker: Masker) -> list[str]:
    """Check mode: run the checkers on files staged elsewhere, so that a run's failure is foreseen. A checker whose
    surroundings would be made first by a real run - packages, directories, accounts - is skipped."""
    files = [change.file for change in changes.files if change.content_differs and change.file.validate]
    missing = _missing_surroundings(changes, unknown_accounts)
    if not files or missing:
        return [f"{file.path}: not checked, because {missing}" for file in files]
    directory = Path(tempfile.mkdtemp(prefix="pgtier-check-", dir=host.path("/tmp")))
    try:
        # Checkers that run as another user must get at the file, whose own mode protects it.
        directory.chmod(0o711)
        skipped = []
        for number, file in enumerate(files):
            path = directory / str(number) / file.path.rpartition("/")[2]
            path.parent.mkdir(mode=0o711)
            host.write(path, file.content, _attributes(file))
            skipped.append(_check(host, file, path, masker, skip=True))
        return [text for text in skipped if text]
    finally:
        shutil.rmtree(directory)


def _missing_surroundings(changes: Changes, unknown_accounts: frozenset[str]) -> str:
    if changes.packages:
        return f"packages would be installed first: {', '.join(changes.packages)}"
    new = [change.directory.path for change in changes.directories if change.before.kind == "absent"]
    if new:
        return f"directories would be made first: {', '.join(new)}"
    if unknown_accounts:
        return f"accounts are not there yet: {', '.join(sorted(unknown_accounts))}"
    return ""


@contextlib.contextmanager
def _staged(host: Host, files: Sequence[File]) -> Iterator[None]:
    """Staged files that were not put in place are gone at the end, whatever happened."""
    try:
        for file in files:
            path = host.path(staged_path(file.path))
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            host.write(path, file.content, _attributes(file))
        yield
    finally:
        for file in files:
            host.path(staged_path(file.path)).unlink(missing_ok=True)


def _attributes(file: File) -> tuple[str, str, int]:
    return file.owner, file.group, file.mode


def _check(host: Host, file: File, path: Path, masker: Masker, skip: bool) -> str:
    """Empty, or why the check was skipped."""
    if not file.validate:
        return ""
    absent = [program for program in _programs(file.validate) if not host.has_program(program)]
    if absent and skip:
        return f"{file.path}: not checked, because {absent[0]} is not installed yet"
    if absent:
        raise ComponentError(
            f"{file.path} cannot be checked: there is no program {absent[0]} on this host. No file was put in place. "
            "Install its package, or take 'validate' out"
        )
    ran = host.run([word.replace("%s", str(path)) for word in file.validate], timeout=_CHECK_TIMEOUT)
    if ran.code != 0:
        output = masker(ran.output.strip()).replace(str(path), file.path) or "(it printed nothing)"
        raise ComponentError(
            f"{file.path} was refused by its checker ({' '.join(file.validate)}, exit code {ran.code}). "
            f"No file was put in place. The checker says:\n{output}"
        )
    return ""


def _programs(command: Sequence[str]) -> list[str]:
    """The command's program, and the one that it starts in turn: runuser -u postgres -- patroni …"""
    inner = command.index("--") + 1 if "--" in command else len(command)
    return [program for program in (command[0], *command[inner : inner + 1]) if "%s" not in program]
