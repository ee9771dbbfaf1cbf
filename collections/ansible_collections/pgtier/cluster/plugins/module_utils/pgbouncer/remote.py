"""The consoles of an endpoint's PgBouncer processes on all proxies, held open from one host, and a pause of them all.

Nothing may be left paused. Whoever pauses resumes on every way out of the `with` block, a signal's too. If it is killed
there, each console's last word resumes (psql_session.py). If its whole host is lost, a timer on each proxy does, which
was set before (deadman.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.commands import State
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.console import instance_name, parse_state, typed
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import PsqlError
from ansible_collections.pgtier.cluster.plugins.module_utils.psql_session import Login, Session

# Processes share a port, and the kernel picks one for each connection: so many tries for each process that is missing.
_TRIES = 40
# The trailing semicolon is the session's.
RESUME = "RESUME"


class Talk(Protocol):
    """What is needed of a Session."""

    where: str

    @property
    def waiting(self) -> bool: ...
    def query(self, statement: str, timeout: float = 5.0) -> list[dict[str, str]]: ...
    def send(self, statement: str) -> None: ...
    def answer(self, timeout: float) -> list[dict[str, str]]: ...
    def arm(self) -> None: ...
    def close(self) -> None: ...
    def kill(self) -> None: ...


@dataclass(frozen=True)
class Target:
    """An endpoint's port on a proxy, and the names of the processes that share it."""

    proxy: str
    address: str
    port: int
    instances: tuple[str, ...]


@dataclass(frozen=True)
class Console:
    """One PgBouncer process. The pause has a connection of its own: it does not answer until it is complete, and only
    the end of its connection gives it up."""

    name: str
    control: Talk
    pauser: Talk

    def state(self) -> State:
        settings, databases = self.control.query("SHOW STATE"), self.control.query("SHOW DATABASES")
        return parse_state(typed(settings), typed(databases))

    def servers(self) -> list[dict[str, Any]]:
        """Server connections, each with the address of the client that has it, `""` if nobody has."""
        clients = {row["ptr"]: f"{row['addr']}:{row['port']}" for row in self.control.query("SHOW CLIENTS")}
        return [{**row, "client": clients.get(row["link"], "")} for row in self.control.query("SHOW SERVERS")]

    def close(self) -> None:
        self.pauser.close()
        self.control.close()


class NotPaused(Exception):
    """The pools did not come to rest in time, or could not be reached; all of them are resumed."""


class StillPaused(Exception):
    """Pools that could not be resumed from here. A timer on their proxy does it, or who reads this."""


Connect = Callable[[Target, str], Talk]


def connect_with(login: Login) -> Connect:
    def connect(target: Target, last_word: str) -> Session:
        where = f"PgBouncer's console on {target.proxy}, {target.address}:{target.port}"
        return Session(where, target.address, target.port, "pgbouncer", login, last_word)

    return connect


def open_consoles(targets: Sequence[Target], connect: Connect) -> list[Console]:
    """Two connections to each process of each target. Raises PsqlError; what was opened is closed then."""
    opened: list[Talk] = []
    # Begun all at once: a login takes longer than all else before the pause.
    first = {target: [_begin(target, connect, opened) for _process in target.instances] for target in targets}
    try:
        consoles = [console for target in targets for console in _find(target, first[target], connect, opened)]
    except BaseException:
        for session in opened:
            session.kill()
        raise
    used = [id(session) for console in consoles for session in (console.control, console.pauser)]
    for session in opened:
        if id(session) not in used:
            session.close()
    return consoles


@contextmanager
def held(consoles: Sequence[Console], seconds: float) -> Iterator[None]:
    """All of them paused within this many seconds, and resumed after the block. Raises NotPaused, StillPaused."""
    try:
        for console in consoles:
            console.control.arm()
        try:
            for console in consoles:
                console.pauser.send("PAUSE")
            end = time.monotonic() + seconds
            for console in consoles:
                console.pauser.answer(max(0.0, end - time.monotonic()))
        except PsqlError as error:
            raise NotPaused(str(error)) from None
        yield
    finally:
        resume(consoles)


def resume(consoles: Sequence[Console]) -> None:
    """End the pauses, all at once. One that is not complete is given up first: PgBouncer 1.24 would never answer it."""
    for console in consoles:
        if console.pauser.waiting:
            console.pauser.kill()
    stuck: list[str] = []
    asked: list[Console] = []
    for console in consoles:
        try:
            console.control.send(RESUME)
            asked.append(console)
        except PsqlError as error:
            stuck.append(f"{console.name}: {error}")
    for console in asked:
        try:
            console.control.answer(5.0)
        except PsqlError as error:
            if _is_paused(console):  # what is not paused refuses to be resumed, and may be left so
                stuck.append(f"{console.name}: {error}")
    if stuck:
        raise StillPaused("; ".join(stuck))


def targets_of(consoles: Sequence[Mapping[str, Any]]) -> list[Target]:
    """As the plan writes them."""
    return [Target(one["proxy"], one["address"], one["port"], tuple(one["instances"])) for one in consoles]


def _is_paused(console: Console) -> bool:
    try:
        return console.state().paused
    except PsqlError:
        return True  # for all that is known


def _begin(target: Target, connect: Connect, opened: list[Talk]) -> tuple[Talk, Talk]:
    pair = connect(target, RESUME), connect(target, "")
    opened += pair
    return pair


def _find(target: Target, first: Sequence[tuple[Talk, Talk]], connect: Connect, opened: list[Talk]) -> list[Console]:
    controls: dict[str, Talk] = {}
    pausers: dict[str, Talk] = {}
    waiting = list(first)
    for _try in range(_TRIES * len(target.instances)):
        control, pauser = waiting.pop() if waiting else _begin(target, connect, opened)
        controls.setdefault(_name(control), control)
        pausers.setdefault(_name(pauser), pauser)
        if set(target.instances) <= controls.keys() & pausers.keys():
            return [Console(f"{target.proxy}/{name}", controls[name], pausers[name]) for name in target.instances]
    missing = sorted(set(target.instances) - (controls.keys() & pausers.keys()))
    raise PsqlError(
        f"{target.address}:{target.port} on {target.proxy} never leads to the PgBouncer {', '.join(missing)}; "
        f"see `systemctl status pgbouncer@{missing[0]}` there, and run site.yml if the number of processes was changed"
    )


def _name(session: Talk) -> str:
    settings = {row["key"]: row["value"] for row in session.query("SHOW CONFIG")}
    return instance_name(settings["conffile"])
