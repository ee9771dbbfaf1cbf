"""The console of each PgBouncer instance on a host.

PgBouncer lets in as `pgbouncer`, without a password, whoever comes over the Unix socket with the user id that it runs
as itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.commands import Database, State
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import Psql, PsqlError

SHOWN = ("pools", "stats", "databases", "clients", "servers", "config", "lists", "users", "state")

# What SHOW lists as text. All else that looks like an integer is one; a database may be called 2024.
_TEXT = {"name", "database", "user", "host", "addr", "local_addr", "application_name", "key", "value", "ptr", "link"}
_INTEGER = re.compile(r"-?[0-9]+")


@dataclass(frozen=True)
class Instance:
    name: str
    port: int
    console: Psql

    def show(self, what: Sequence[str], timeout: float = 10.0) -> dict[str, Any]:
        """`SHOW` each of `what`: rows, or a plain dict where the answer is keys and values."""
        tables = self.console.tables([f"SHOW {name.upper()}" for name in what], timeout)
        return {name: typed(table) for name, table in zip(what, tables, strict=True)}

    def state(self) -> State:
        answer = self.show(["state", "databases"])
        return parse_state(answer["state"], answer["databases"])

    def server_connections(self, databases: Sequence[str]) -> int:
        """Connections to PostgreSQL, of these databases or of all. A pause is complete when there are none."""
        return server_connections(self.show(["pools"])["pools"], databases)


def parse_state(state: Mapping[str, str], databases: Iterable[Mapping[str, Any]]) -> State:
    return State(
        paused=state["paused"] == "yes",
        suspended=state["suspended"] == "yes",
        databases={
            row["name"]: Database(paused=bool(row["paused"]), disabled=bool(row["disabled"]))
            for row in databases
            if row["name"] != "pgbouncer"
        },
    )


def server_connections(pools: Iterable[Mapping[str, Any]], databases: Sequence[str]) -> int:
    return sum(
        count
        for row in pools
        if row["database"] != "pgbouncer" and (not databases or row["database"] in databases)
        for column, count in row.items()
        if column.startswith("sv_") and isinstance(count, int)
    )


def typed(table: Sequence[Mapping[str, str]]) -> Any:
    """Rows with integers as integers and nulls as None; a dict for the tables of `key` and `value` (CONFIG, STATE)."""
    if table and {"key", "value"} <= table[0].keys():
        return {row["key"]: row["value"] for row in table}
    return [{column: _value(column, text) for column, text in row.items()} for row in table]


def instance_name(conffile: str) -> str:
    """An instance is called as its configuration: /etc/pgbouncer/primary.ini is `primary`."""
    path = PurePath(conffile)
    return path.parent.name if path.stem == "pgbouncer" and path.parent.name != "pgbouncer" else path.stem


@dataclass(frozen=True)
class Found:
    instances: list[Instance]
    silent: list[str]  # what went wrong where a socket is and no instance answers


def discover(socket_directory: str, os_user: str) -> Found:
    """All instances with a socket in the directory or in a directory of their own below. Each says its name itself."""
    instances, silent = [], []
    for directory, port in sockets(Path(socket_directory).glob("**/.s.PGSQL.*")):
        console = Psql(directory, port, "pgbouncer", os_user, user="pgbouncer")
        try:
            config = typed(console.tables(["SHOW CONFIG"])[0])
        except PsqlError as error:
            silent.append(str(error))
        else:
            instances.append(Instance(instance_name(config["conffile"]), port, console))
    return Found(instances, silent)


def choose(found: Found, names: Sequence[str], socket_directory: str) -> list[Instance]:
    """The instances named, by name or port; all of them if none is named. Raises ValueError for what is not there."""
    silent = "; ".join(found.silent)
    if not names:
        if found.silent:
            raise ValueError(silent)
        if not found.instances:
            raise ValueError(
                f"no PgBouncer has a socket in {socket_directory}: see `systemctl list-units 'pgbouncer*'`, "
                "or give the unix_socket_dir of its configuration as `socket_directory`"
            )
        return found.instances
    by_name = {key: one for one in found.instances for key in (one.name, str(one.port))}
    if missing := [name for name in names if name not in by_name]:
        running = ", ".join(f"{one.name} (port {one.port})" for one in found.instances) or "none"
        text = f"no PgBouncer instance {', '.join(missing)} runs here; running: {running}"
        raise ValueError(f"{text}; {silent}" if silent else text)
    return list(dict.fromkeys(by_name[name] for name in names))


def sockets(paths: Iterable[PurePath]) -> list[tuple[str, int]]:
    """Directory and port of each socket, in the order of the ports. Beside each lies a lock file, which is none."""
    named = ((path, re.fullmatch(r"\.s\.PGSQL\.([0-9]+)", path.name)) for path in paths)
    return sorted(((str(path.parent), int(match[1])) for path, match in named if match), key=lambda found: found[1])


def _value(column: str, text: str) -> Any:
    if text == "":
        return None
    return int(text) if column not in _TEXT and _INTEGER.fullmatch(text) else text
