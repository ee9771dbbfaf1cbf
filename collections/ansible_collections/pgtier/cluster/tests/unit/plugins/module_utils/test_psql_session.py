"""A psql made of shell, which writes down what it is told: answers, errors, and the last word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils import psql_session
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import PsqlError, PsqlTimeout
from ansible_collections.pgtier.cluster.plugins.module_utils.psql_session import Login, Session

LOGIN = Login("pgtier_admin", "a secret", "")
PSQL = """#!/bin/sh
echo "$*" > {directory}/arguments
echo "$PGPASSWORD $PGSSLMODE" > {directory}/environment
while read -r line; do
  printf '%s\\n' "$line" >> {directory}/log
  case "$line" in
    "SELECT 1;") printf 'a,b\\n1,"x,y"\\n' ;;
    "SLOW;") sleep 30 ;;
    "GONE;") echo "server closed the connection" >&2; exit 2 ;;
    "WRONG;") failed=true ;;
    "\\\\echo '"*) printf '%s %s\\n' '-- pgtier: answered --' "${{failed:-false}} syntax error"; failed= ;;
    "\\\\echo") echo ;;
    "\\\\q") exit ;;
  esac
done
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "psql"
    program.write_text(PSQL.format(directory=tmp_path))
    program.chmod(0o755)
    monkeypatch.setattr(psql_session, "PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def log(directory: Path) -> list[str]:
    path = directory / "log"
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(params=["", "RESUME"], ids=["plain", "with a last word"])
def session(directory: Path, request: pytest.FixtureRequest) -> Iterator[Session]:
    made = Session("here", "10.0.0.4", 6432, "pgbouncer", LOGIN, request.param)
    yield made
    made.kill()


def test_rows_and_errors(session: Session, directory: Path) -> None:
    assert session.query("SELECT 1") == [{"a": "1", "b": "x,y"}]
    with pytest.raises(PsqlError, match="here: syntax error"):
        session.query("WRONG")
    assert session.query("SELECT 1") == [{"a": "1", "b": "x,y"}]
    assert "a secret" not in (directory / "arguments").read_text()
    assert (directory / "environment").read_text() == "a secret disable\n"


def test_what_takes_too_long_is_still_awaited(session: Session) -> None:
    with pytest.raises(PsqlTimeout):
        session.query("SLOW", timeout=0.2)
    assert session.waiting
    begin = time.monotonic()
    session.kill()
    assert time.monotonic() - begin < 5


def test_a_server_that_goes_is_quoted(session: Session) -> None:
    with pytest.raises(PsqlError, match="here: server closed the connection"):
        session.query("GONE")
    with pytest.raises(PsqlError):
        session.query("SELECT 1")


def test_after_close_there_is_no_last_word(directory: Path) -> None:
    made = Session("here", "10.0.0.4", 6432, "pgbouncer", LOGIN, "RESUME")
    made.query("SELECT 1")
    made.arm()
    made.close()
    time.sleep(0.5)
    assert "RESUME;" not in log(directory)


KILLED = """
import sys, time
from ansible_collections.pgtier.cluster.plugins.module_utils import psql_session
psql_session.PATH = sys.argv[1]
login = psql_session.Login("u", "p", "")
one = psql_session.Session("here", "h", 1, "d", login, "RESUME")
other = psql_session.Session("here", "h", 1, "d", login)
one.query("SELECT 1")
other.query("SELECT 1")
one.arm()
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_the_last_word_of_one_that_is_killed(directory: Path, number: signal.Signals) -> None:
    """Its whole process group is, as when a terminal goes."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, f"{directory}:/usr/bin:/bin"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    assert "RESUME;" not in log(directory)
    os.killpg(process.pid, number)
    process.wait()
    deadline = time.monotonic() + 10
    while "RESUME;" not in log(directory) and time.monotonic() < deadline:
        time.sleep(0.05)
    lines = log(directory)
    assert lines[-3:] == ["\\if :armed", "RESUME;", "\\endif"]
    assert "\\set armed 1" in lines
