# SPDX-License-Identifier: Apache-2.0
"""Connections to the server on this host, and the running of a plan's statements over them."""

from __future__ import annotations

import os
import pwd
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from types import TracebackType
from typing import Any

from .model import MAINTENANCE, Statement

try:
    import psycopg2
except ImportError:
    psycopg2 = None

_ACCOUNT = "postgres"
_LOCK_SECONDS = 10
_STATEMENT_SECONDS = 60
_COMMIT_SECONDS = 30
_SETTINGS = {
    # With an empty path no name of ours can be caught by an object that somebody made (CVE-2018-1058).
    "search_path": "",
    "lock_timeout": f"{_LOCK_SECONDS}s",
    "statement_timeout": f"{_STATEMENT_SECONDS}s",
    "idle_in_transaction_session_timeout": "120s",
    "standard_conforming_strings": "on",
    # One warning of the server is looked for by its text.
    "client_min_messages": "warning",
    "lc_messages": "C",
    "client_encoding": "UTF8",
}
# A stored secret is as good as a password to whoever guesses offline, so it goes into no log, and not into the
# statistics that the monitoring login reads.
_SILENCE = (
    "SET LOCAL log_statement = 'none'",
    "SET LOCAL log_min_duration_statement = -1",
    "SET LOCAL log_duration = off",
    "SET LOCAL log_min_error_statement = 'panic'",
    "SET LOCAL track_activities = off",
    "SET LOCAL pg_stat_statements.track = 'none'",
)
_LOCK_NOT_AVAILABLE = "55P03"
_QUERY_CANCELED = "57014"
_COMMITTED_ALONE = "canceling wait for synchronous replication"
_OLDEST = """
SELECT pid, coalesce(usename, backend_type), coalesce(application_name, ''), (now() - xact_start)::text, left(query, 60)
FROM pg_stat_activity
WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND datname IN (%(name)s, current_database())
ORDER BY xact_start LIMIT 3"""


class SessionError(Exception):
    """Something went wrong between this host and its server. The text says what to do."""


class NoServer(SessionError):
    """There is no server to talk to."""


@contextmanager
def _as_account() -> Iterator[None]:
    """Be the operating system user `postgres` to the kernel while a connection is made.

    The server asks the kernel for the effective user at the other end of the socket (peer authentication), so no
    password exists. Changing it here for a moment spares the second Python process that `become_user: postgres` or a
    subprocess would need, and Ansible's temporary files stay root's own.
    """
    try:
        account = pwd.getpwnam(_ACCOUNT)
    except KeyError as error:
        raise NoServer(f"this host has no user {_ACCOUNT}: PostgreSQL is not installed") from error
    user, group = os.geteuid(), os.getegid()
    if user == account.pw_uid:
        yield
        return
    if user != 0:
        raise SessionError(f"only {_ACCOUNT} and root can do this, not user id {user}: say `become: true`")
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(user)
        os.setegid(group)


class Session:
    """One connection a database, opened when first needed."""

    def __init__(self, socket: str, port: int) -> None:
        self._socket = socket
        self._port = port
        self._connections: dict[str, Any] = {}

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for connection in self._connections.values():
            connection.close()

    def _connection(self, database: str) -> Any:
        if psycopg2 is None:
            raise NoServer("Python's psycopg2 is missing on this host: apt-get install python3-psycopg2")
        if database not in self._connections:
            with _as_account():
                try:
                    connection = psycopg2.connect(
                        host=self._socket,
                        port=self._port,
                        user=_ACCOUNT,
                        dbname=database,
                        connect_timeout=10,
                        application_name="pgtier databases",
                        options=" ".join(f"-c {name}={value}" for name, value in _SETTINGS.items()),
                    )
                except psycopg2.OperationalError as error:
                    raise NoServer(
                        f"no connection to database {database} over {self._socket}, port {self._port}: "
                        f"{str(error).strip()}. Look at: systemctl status patroni; pg_hba has to let {_ACCOUNT} in "
                        "over the socket (peer)"
                    ) from error
            connection.autocommit = True
            self._connections[database] = connection
        return self._connections[database]

    def is_replica(self) -> bool:
        return bool(self.query(MAINTENANCE, "SELECT pg_is_in_recovery()")[0][0])

    def query(self, database: str, sql: str, **values: object) -> list[tuple[Any, ...]]:
        connection = self._connection(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, values)
                return list(cursor.fetchall())
        except psycopg2.Error as error:
            raise SessionError(self._explain(database, "looking what is there", error)) from error

    def apply(self, statements: Sequence[Statement]) -> None:
        """Run all, in order. What one database gets is one transaction, so none is left half done."""
        for (database, alone), block in groupby(
            statements, key=lambda statement: (statement.database, statement.alone)
        ):
            if alone:
                for statement in block:
                    with self._patience(database, _STATEMENT_SECONDS):
                        self._execute(statement)
            else:
                self._transaction(database, list(block))

    def _transaction(self, database: str, block: list[Statement]) -> None:
        connection = self._connection(database)
        connection.autocommit = False
        try:
            if any(statement.secret for statement in block):
                with connection.cursor() as cursor:
                    for setting in _SILENCE:
                        cursor.execute(setting)
            for statement in block:
                self._execute(statement)
            # A commit waits for the synchronous standby, and statement_timeout does not cover that wait.
            with self._patience(database, _COMMIT_SECONDS):
                connection.commit()
        except psycopg2.Error as error:
            raise SessionError(
                f"database {database}: {str(error).strip()}. Whether the changes were kept is not known: "
                "run this again, it finds out"
            ) from error
        finally:
            if not connection.closed:
                connection.rollback()
                connection.autocommit = True

    def _execute(self, statement: Statement) -> None:
        try:
            with self._connection(statement.database).cursor() as cursor:
                cursor.execute(statement.sql)
        except psycopg2.Error as error:
            raise SessionError(self._explain(statement.database, f"statement {statement.text!r}", error)) from error

    @contextmanager
    def _patience(self, database: str, seconds: int) -> Iterator[None]:
        """Cancel what takes longer. A cancelled wait for a standby is a commit that is safe on this host only."""
        connection = self._connection(database)
        del connection.notices[:]
        timer = threading.Timer(seconds, connection.cancel)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
        if any(_COMMITTED_ALONE in notice for notice in connection.notices):
            raise SessionError(
                f"database {database}: committed on the leader, but no synchronous standby confirmed it within "
                f"{seconds} s. Bring a replica back (patronictl list shows them), then run this again: it does the rest"
            )

    def _explain(self, database: str, what: str, error: Any) -> str:
        where = f"database {database}, {what}"
        if error.pgcode == _LOCK_NOT_AVAILABLE:
            return (
                f"{where}: another transaction held what it needs for more than {_LOCK_SECONDS} s. "
                f"{self._oldest(database)}Wait until it ends, or end it with pg_terminate_backend(pid), then run this "
                "again. None of the changes to this database was made"
            )
        if error.pgcode == _QUERY_CANCELED:
            return (
                f"{where}: took more than {_STATEMENT_SECONDS} s and was cancelled. {self._oldest(database)}"
                "Look at the load of the server, then run this again"
            )
        text = error.diag.message_primary or str(error).strip() or "the connection was lost"
        extra = [part for part in (error.diag.message_detail, error.diag.message_hint) if part]
        return ". ".join([f"{where}: {text}", *extra])

    def _oldest(self, database: str) -> str:
        """Who may be in the way: the oldest open transactions. Nothing, if even that cannot be asked."""
        connection = self._connection(MAINTENANCE)
        try:
            connection.rollback()
            with connection.cursor() as cursor:
                cursor.execute(_OLDEST, {"name": database})
                rows = cursor.fetchall()
        except psycopg2.Error:
            return ""
        shown = "; ".join(f"pid {pid} of {who} ({name}), open for {age}: {sql}" for pid, who, name, age, sql in rows)
        return f"Oldest open transactions: {shown}. " if shown else ""
