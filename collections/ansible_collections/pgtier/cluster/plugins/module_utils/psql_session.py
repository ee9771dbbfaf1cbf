"""A connection that is kept open: psql, fed and read through pipes.

psql for the reasons of postgresql.py, and because it brings TLS and SCRAM along. It speaks to PgBouncer's console over
the network, and to a PostgreSQL server, as one host alone has to reach all of them at once.

A connection may have a last word: a statement that is sent, once `arm` was called, when this process is no more -
whatever ended it. It is carried by a process that only waits for the pipe to close, in a session of its own, so that
no signal to this one's terminal or process group reaches it.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass

from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import PATH, PsqlError, PsqlTimeout

_MARK = "-- pgtier: answered --"
# $1 is the last word; before it, whoever else was bound to this process has a moment to be gone.
_CARRIER = """cat; sleep 0.2; printf '\\\\if :armed\\n%s;\\n\\\\endif\\n' "$1\""""
# Nothing here takes longer; a process that would stay for ever does not.
_LIFETIME_SECONDS = 900


@dataclass(frozen=True)
class Login:
    """Who logs in, and the certificates that the server is verified with (`""`: no TLS)."""

    user: str
    password: str
    cafile: str
    connect_timeout: int = 10

    def environment(self) -> dict[str, str]:
        """By the environment, which only root and the user itself can read; a command line is for everybody."""
        tls = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": self.cafile} if self.cafile else {"PGSSLMODE": "disable"}
        return {
            "PATH": PATH,
            "LC_ALL": "C.UTF-8",
            "PGAPPNAME": "pgtier",
            "PGPASSWORD": self.password,
            "PGCONNECT_TIMEOUT": str(self.connect_timeout),
            **tls,
        }


class Session:
    """`send` and `answer` are apart, so that several servers can be at something at the same time."""

    def __init__(self, where: str, host: str, port: int, database: str, login: Login, last_word: str = "") -> None:
        self.where = where
        self.waiting = False  # for an answer
        where_to = [f"--host={host}", f"--port={port}", f"--dbname={database}", f"--username={login.user}"]
        psql = ["psql", "-Xqw", "--csv", "-v", "armed=0", *where_to]
        environment = login.environment()
        self._carrier: subprocess.Popen[bytes] | None = None
        if last_word:
            psql = ["timeout", "--foreground", "--signal=KILL", str(_LIFETIME_SECONDS), *psql]
            self._carrier = subprocess.Popen(
                ["sh", "-c", _CARRIER, "pgtier-last-word", last_word],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        else:
            # It ends with this process: the kernel sees to that.
            psql = ["setpriv", "--pdeathsig=KILL", *psql]
        self._process = subprocess.Popen(
            psql,
            stdin=self._carrier.stdout if self._carrier else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
        if self._carrier and self._carrier.stdout:
            self._carrier.stdout.close()
        self._input = (self._carrier or self._process).stdin

    def query(self, statement: str, timeout: float = 15.0) -> list[dict[str, str]]:
        self.send(statement)
        return self.answer(timeout)

    def send(self, statement: str) -> None:
        self._write(f"{statement};\n\\echo\n\\echo '{_MARK}' :ERROR :LAST_ERROR_MESSAGE\n")
        self.waiting = True

    def answer(self, timeout: float) -> list[dict[str, str]]:
        """Rows of what was sent. Raises PsqlError, PsqlTimeout if there is no answer in time."""
        text = self._read(timeout)
        self.waiting = False
        rows, outcome = text.rsplit("\n" + _MARK, 1)
        failed, message = f"{outcome.strip()} ".split(" ", 1)
        if failed == "true":
            raise PsqlError(f"{self.where}: {message.strip()}")
        return list(csv.DictReader(io.StringIO(rows)))

    def arm(self) -> None:
        """From now on the last word is said if this process ends without `close`."""
        self._write("\\set armed 1\n")

    def close(self) -> None:
        with contextlib.suppress(OSError, PsqlError):
            self._write("\\q\n")
            self._hang_up()
        try:
            self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self.kill()
        self._reap()

    def kill(self) -> None:
        """At once: what was sent and is not answered yet is given up."""
        for process in (self._carrier, self._process):
            if process:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # a session of its own: its number is the process's
        self._process.wait()
        self._reap()

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            if self._input:
                self._input.close()

    def _reap(self) -> None:
        if self._carrier:
            self._hang_up()
            self._carrier.wait(timeout=5)

    def _write(self, text: str) -> None:
        try:
            if self._input is None:
                raise BrokenPipeError
            self._input.write(text.encode())
            self._input.flush()
        except (OSError, ValueError):
            raise PsqlError(f"{self.where}: {self._why()}") from None

    def _read(self, timeout: float) -> str:
        if self._process.stdout is None:
            raise PsqlError(f"{self.where}: {self._why()}")
        end, text = time.monotonic() + timeout, b""
        descriptor, mark = self._process.stdout.fileno(), f"\n{_MARK} ".encode()
        while not (mark in text and text.endswith(b"\n")):
            if not select.select([descriptor], [], [], max(0.0, end - time.monotonic()))[0]:
                raise PsqlTimeout(f"{self.where}: no answer after {timeout:.1f} s")
            chunk = os.read(descriptor, 65536)
            if not chunk:
                raise PsqlError(f"{self.where}: {self._why()}")
            text += chunk
        return text.decode(errors="replace")

    def _why(self) -> str:
        """What psql said when it ended."""
        self._hang_up()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.kill()
        said = ""
        if self._process.stderr and not self._process.stderr.closed:
            said = self._process.stderr.read().decode(errors="replace").strip()
            self._process.stderr.close()
        return said or "the connection is closed"
