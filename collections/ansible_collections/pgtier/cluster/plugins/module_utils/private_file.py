# SPDX-License-Identifier: Apache-2.0
"""Files that only their owner may read: checked before they are read, replaced in one step when written."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class PrivateFileError(Exception):
    """A secret lies open, or cannot be read or written. The text says what to do."""


def _refuse_if_open(path: Path, mode: int) -> None:
    if mode & _OTHERS:
        wanted = "700" if stat.S_ISDIR(mode) else "600"
        raise PrivateFileError(
            f"{path} is open to others than its owner (mode {stat.S_IMODE(mode):04o}). What is in it may be known: "
            f"change the passwords if it was, then run: chmod {wanted} {path}"
        )


def make_directory(directory: Path) -> None:
    """Make `directory` with mode 0700, or refuse one that others may enter."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_if_open(directory, directory.stat().st_mode)
    except OSError as error:
        raise PrivateFileError(f"{directory}: {error.strerror}. It has to be a directory you can write to.") from error


def read(path: Path) -> str | None:
    """The text of `path`, None if there is no such file."""
    try:
        with path.open(encoding="utf-8") as file:
            # Looked at through the open file, so that what was checked is what is read.
            _refuse_if_open(path, os.fstat(file.fileno()).st_mode)
            return file.read()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise PrivateFileError(f"{path} is not UTF-8 text ({error.reason}). Restore it from a backup.") from error
    except OSError as error:
        raise PrivateFileError(f"{path}: {error.strerror}. Its owner has to be the user that runs Ansible.") from error


def write(path: Path, text: str) -> None:
    """Replace `path` in one step. A reader sees the old text or the new one, after a crash too."""
    try:
        # mkstemp makes the file with mode 0600: the text is never readable by others, not even for a moment.
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise PrivateFileError(f"{path}: {error.strerror}. It could not be written.") from error


def converge(path: Path, text: str, check_mode: bool) -> bool:
    """Make `path` hold `text`; whether that is a change. Writes nothing in check mode."""
    if read(path) == text:
        return False
    if not check_mode:
        make_directory(path.parent)
        write(path, text)
    return True


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold `directory` against other runs on this computer. The lock ends with the process, so none is left behind."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
