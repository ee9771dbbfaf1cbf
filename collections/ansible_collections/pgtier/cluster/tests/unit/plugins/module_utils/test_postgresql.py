from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils import postgresql
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import (
    Psql,
    PsqlError,
    PsqlTimeout,
    quote_identifier,
)

SERVER = Psql("/run/x", 6432, "pgbouncer", user="pgbouncer")


@pytest.fixture
def psql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in psql's place; the real one is tried on the lab's hosts."""
    program = tmp_path / "psql"
    monkeypatch.setattr(postgresql, "PATH", str(tmp_path) + ":/usr/bin:/bin")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return program


def write(program: Path, body: str) -> None:
    program.write_text("#!/bin/sh\n" + body)
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("name", "quoted"), [("app", '"app"'), ('a"b', '"a""b"'), ("a; DROP", '"a; DROP"'), ("A b", '"A b"')]
)
def test_quote_identifier(name: str, quoted: str) -> None:
    assert quote_identifier(name) == quoted


def test_quote_identifier_refuses_zero_bytes() -> None:
    with pytest.raises(ValueError, match="zero byte"):
        quote_identifier("a\0b")


def test_tables_are_told_apart_and_texts_may_hold_anything(psql: Path) -> None:
    write(
        psql,
        'printf \'name,paused\\n"a,""b""\\n2",0\\n\'; echo \'-- pgtier: next result --\'\n'
        "echo 'key,value'; echo '-- pgtier: next result --'\n",
    )
    assert SERVER.tables(["SHOW DATABASES", "SHOW STATE"]) == [[{"name": 'a,"b"\n2', "paused": "0"}], []]


def test_the_script_is_not_in_the_command_line(psql: Path) -> None:
    write(psql, """echo "[\\"$*\\"]" | tr -d '\\n' >/dev/null; read script; echo "[\\"$*\\", \\"$script\\"]" """)
    arguments, script = SERVER.json("SELECT 1")
    assert script == "SELECT 1"
    assert "SELECT" not in arguments
    assert "--host=/run/x --port=6432 --dbname=pgbouncer --username=pgbouncer" in arguments


def test_an_error_says_where(psql: Path) -> None:
    write(psql, "echo 'ERROR: no such database: x' >&2; exit 3")
    with pytest.raises(PsqlError, match=r"^pgbouncer at /run/x:6432 as pgbouncer: ERROR: no such database: x$"):
        SERVER.execute("PAUSE x")


def test_a_timeout_ends_psql(psql: Path, tmp_path: Path) -> None:
    write(psql, f"echo $$ >{tmp_path}/pid; exec sleep 30")
    begin = time.monotonic()
    with pytest.raises(PsqlTimeout, match=r"not done after 0\.3 s: PAUSE"):
        SERVER.execute("PAUSE", timeout=0.3)
    assert time.monotonic() - begin < 5
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_psql_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "PATH", "/nonexistent")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PsqlError, match="apt-get install postgresql-client"):
        SERVER.execute("RESUME")


def test_the_user_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(PsqlError, match="user nobody-has-this does not exist"):
        Psql("/run/x", 5432, "postgres", "nobody-has-this").execute("SELECT 1")
