"""psql as the operating system user that may log in without a password over the Unix socket.

psql and not a driver: it is on every database host, it speaks to PgBouncer's console too (which knows no extended
protocol and no transactions), and what it does can be repeated by hand. It is started directly as that user: runuser
would put a PAM session and one more process in between, which a timeout then has to kill as well.
"""

from __future__ import annotations

import csv
import io
import json
import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PATH = "/usr/bin:/bin"
_MARK = "-- pgtier: next result --"


class PsqlError(Exception):
    """psql could not do it; the text says where and what to do."""


class PsqlTimeout(PsqlError):
    """The statement had not ended in time. psql is gone, and its connection with it."""


@dataclass(frozen=True)
class Psql:
    socket_directory: str
    port: int
    database: str
    os_user: str = "postgres"
    user: str | None = None
    connect_timeout: int = 5

    def json(self, query: str, timeout: float = 30.0) -> Any:
        """The one JSON value that `query` returns."""
        return json.loads(self._run(["-At"], query, timeout))

    def tables(self, statements: Sequence[str], timeout: float = 30.0) -> list[list[dict[str, str]]]:
        """The rows of each statement, over one connection. An SQL null is an empty string."""
        script = "".join(f"{statement};\n\\echo '{_MARK}'\n" for statement in statements)
        results = self._run(["--csv"], script, timeout).split(_MARK + "\n")[:-1]
        return [list(csv.DictReader(io.StringIO(result))) for result in results]

    def execute(self, statement: str, timeout: float = 30.0) -> None:
        self._run([], statement, timeout)

    def argv(self, options: Sequence[str]) -> list[str]:
        where = [f"--host={self.socket_directory}", f"--port={self.port}", f"--dbname={self.database}"]
        who = f"--username={self.user or self.os_user}"
        return ["psql", "-Xqw", "-v", "ON_ERROR_STOP=1", *options, *where, who]

    def _run(self, options: Sequence[str], script: str, timeout: float) -> str:
        """The script goes through standard input, so that nothing of it shows in the process list."""
        try:
            done: subprocess.CompletedProcess[str] = subprocess.run(
                self.argv(options),
                input=script,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
                cwd="/",
                env={
                    "PATH": PATH,
                    "LC_ALL": "C.UTF-8",
                    "PGAPPNAME": "pgtier",
                    "PGCONNECT_TIMEOUT": str(self.connect_timeout),
                },
                **self._identity(),
            )
        except subprocess.TimeoutExpired:
            raise PsqlTimeout(f"{self._where()}: not done after {timeout:.1f} s: {script.splitlines()[0]}") from None
        except FileNotFoundError:
            raise PsqlError("psql is missing on this host; install it: apt-get install postgresql-client") from None
        if done.returncode != 0:
            raise PsqlError(f"{self._where()}: {done.stderr.strip() or f'psql ended with {done.returncode}'}")
        return done.stdout

    def _identity(self) -> dict[str, Any]:
        """Become `os_user`, as root can; the server believes the socket's peer."""
        if os.geteuid() != 0:
            return {}
        try:
            entry = pwd.getpwnam(self.os_user)
        except KeyError:
            raise PsqlError(
                f"the operating system user {self.os_user} does not exist on this host: nothing is deployed here yet, "
                "or `os_user` should name another one"
            ) from None
        return {
            "user": entry.pw_uid,
            "group": entry.pw_gid,
            "extra_groups": os.getgrouplist(entry.pw_name, entry.pw_gid),
        }

    def _where(self) -> str:
        return f"{self.database} at {self.socket_directory}:{self.port} as {self.user or self.os_user}"


def quote_identifier(name: str) -> str:
    """`name` as an SQL identifier, whatever is in it."""
    if "\0" in name:
        raise ValueError(f"a name cannot hold a zero byte: {name!r}")
    return '"' + name.replace('"', '""') + '"'
