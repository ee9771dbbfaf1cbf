# SPDX-License-Identifier: Apache-2.0
"""Replace PgBouncer's processes without dropping clients, as far as that can be.

A client's connection cannot move to another process. So another process takes new clients on the same port - the
endpoint's other processes, or its stand-in where it has only one - while the old one goes on serving those that it has,
until they have left. Applications renew their connections, most of them within minutes. For those that do not there is
a limit; then a client is let go when it is between two transactions, and last of all, after a short grace, in whatever
it does. The old process ends by itself, and systemd starts the new one in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.component.host import Host
from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import ComponentError
from ansible_collections.pgtier.cluster.plugins.module_utils.component.observe import unit_states
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.console import Instance
from ansible_collections.pgtier.cluster.plugins.module_utils.plan import pooler_databases
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import Psql, PsqlError
from ansible_collections.pgtier.cluster.plugins.module_utils.update.planner import waves

POLL_SECONDS = 0.25
# For transactions under way once a client's time is over.
GRACE_SECONDS = 10.0
START_SECONDS = 30.0


@dataclass
class Report:
    """`cut` are clients that were let go by the process of that name, because the limit was over."""

    replaced: list[str] = field(default_factory=list)
    cut: dict[str, int] = field(default_factory=dict)


def replace_all(
    host: Host,
    instances: Sequence[Mapping[str, Any]],
    standins: Sequence[Mapping[str, Any]],
    drain_seconds: float,
    console: Callable[[Mapping[str, Any]], Instance],
) -> Report:
    """Raises ComponentError where a new process does not come up. Stand-ins then go on serving."""
    report = Report()
    if standins:
        _systemctl(host, "start", [standin["unit"] for standin in standins])
    for wave in waves(instances):
        _replace(host, wave, drain_seconds, console, report)
    if standins:
        _retire(host, standins, drain_seconds, console, report)
    return report


def consoles(socket_directory: str, os_user: str) -> Callable[[Mapping[str, Any]], Instance]:
    def of(instance: Mapping[str, Any]) -> Instance:
        console = Psql(f"{socket_directory}/{instance['name']}", instance["port"], "pgbouncer", os_user, "pgbouncer")
        return Instance(instance["name"], instance["port"], console)

    return of


def clients(instance: Instance) -> int:
    """Those of applications: not whoever asks this, nor those that look up passwords."""
    rows = instance.show(["clients"])["clients"]
    return sum(1 for row in rows if row["database"] not in pooler_databases.OWN)


def _replace(
    host: Host,
    wave: Sequence[Mapping[str, Any]],
    drain_seconds: float,
    console: Callable[[Mapping[str, Any]], Instance],
    report: Report,
) -> None:
    units = {one["unit"]: one for one in wave}
    before = unit_states(host, list(units))

    def not_replaced() -> list[Mapping[str, Any]]:
        now = unit_states(host, list(units))
        return [
            one
            for unit, one in units.items()
            if now[unit].active != "active" or now[unit].invocation == before[unit].invocation
        ]

    _end(host, wave, drain_seconds, not_replaced, console, report)
    _wait(host, START_SECONDS, not_replaced)
    if missing := not_replaced():
        names = ", ".join(one["unit"] for one in missing)
        raise ComponentError(
            f"{names}: the new process did not come up; see `journalctl -u {missing[0]['unit']}`. Stand-ins and the "
            "endpoint's other processes go on serving"
        )
    for one in wave:
        # Active is one that listens: PgBouncer tells systemd. It answers too.
        console(one).state()
        report.replaced.append(one["name"])


def _retire(
    host: Host,
    standins: Sequence[Mapping[str, Any]],
    drain_seconds: float,
    console: Callable[[Mapping[str, Any]], Instance],
    report: Report,
) -> None:
    units = {one["unit"]: one for one in standins}

    def running() -> list[Mapping[str, Any]]:
        now = unit_states(host, list(units))
        return [one for unit, one in units.items() if now[unit].active not in ("inactive", "failed")]

    _end(host, running(), drain_seconds, running, console, report)
    _systemctl(host, "stop", list(units))


def _end(
    host: Host,
    instances: Sequence[Mapping[str, Any]],
    drain_seconds: float,
    left: Callable[[], list[Mapping[str, Any]]],
    console: Callable[[Mapping[str, Any]], Instance],
    report: Report,
) -> None:
    """Have processes end, each step harder than the last, until none is left."""
    for command, seconds in (
        ("SHUTDOWN WAIT_FOR_CLIENTS", drain_seconds),
        ("SHUTDOWN WAIT_FOR_SERVERS", GRACE_SECONDS),
        ("SHUTDOWN", START_SECONDS),
    ):
        if not instances:
            return
        for one in instances:
            try:
                if command == "SHUTDOWN WAIT_FOR_SERVERS":
                    report.cut[one["name"]] = clients(console(one))
                console(one).console.execute(command, timeout=10)
            except PsqlError:
                # It ended meanwhile, as SHUTDOWN does before it answers; whether it has is seen below.
                continue
        _wait(host, seconds, left)
        instances = left()


def _wait(host: Host, seconds: float, left: Callable[[], list[Mapping[str, Any]]]) -> None:
    deadline = host.now() + seconds
    while left() and host.now() < deadline:
        host.sleep(POLL_SECONDS)


def _systemctl(host: Host, verb: str, units: Sequence[str]) -> None:
    ran = host.run(["systemctl", verb, "--", *units])
    if ran.code != 0:
        raise ComponentError(f"systemctl {verb} {' '.join(units)} failed: {ran.output.strip()}")
