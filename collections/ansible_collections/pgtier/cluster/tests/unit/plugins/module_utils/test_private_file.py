# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils import private_file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_written_is_private(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "file"
    assert private_file.converge(path, "text", check_mode=False)
    assert (private_file.read(path), mode(path), mode(path.parent)) == ("text", 0o600, 0o700)
    assert not private_file.converge(path, "text", check_mode=False)
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "file"
    assert private_file.converge(path, "text", check_mode=True)
    assert not path.parent.exists()


@pytest.mark.parametrize("open_mode", [0o640, 0o604, 0o660, 0o601])
def test_an_open_file_is_refused(tmp_path: Path, open_mode: int) -> None:
    path = tmp_path / "file"
    path.write_text("text")
    path.chmod(open_mode)
    with pytest.raises(private_file.PrivateFileError, match=f"chmod 600 {path}"):
        private_file.read(path)


def test_an_open_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(private_file.PrivateFileError, match="chmod 700"):
        private_file.make_directory(tmp_path / "open")


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o600)
    with pytest.raises(private_file.PrivateFileError, match="has to be a directory"):
        private_file.make_directory(tmp_path / "file")


def test_text_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch(0o600)
    path.write_bytes(b"\xff")
    with pytest.raises(private_file.PrivateFileError, match="not UTF-8"):
        private_file.read(path)


def test_a_failed_write_leaves_the_old_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    private_file.write(path, "old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(private_file.os, "fsync", fail)
    with pytest.raises(private_file.PrivateFileError, match="No space left"):
        private_file.write(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_the_lock_lets_one_in_at_a_time(tmp_path: Path) -> None:
    entered = threading.Event()

    def other() -> None:
        with private_file.locked(tmp_path):
            entered.set()

    thread = threading.Thread(target=other)
    with private_file.locked(tmp_path):
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(5)
    thread.join()
