# SPDX-License-Identifier: Apache-2.0
"""Processes whose clients leave at once, late, or never; the real ones are in molecule/operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.component.host import Host, Ran
from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import ComponentError
from ansible_collections.pgtier.cluster.plugins.module_utils.update import handover

IDLE, BUSY = float("inf"), -1.0


class Systemd(Host):
    """Units that have an invocation while they run. `leave` is when a unit's clients leave, `IDLE` ones when they are
    sent away, `BUSY` ones never."""

    def __init__(self, **leave: float) -> None:
        super().__init__(Path("/nowhere"))
        self.leave = leave
        self.invocations = {f"pgbouncer@{name}.service": 1 for name in leave}
        self.told: list[tuple[float, str, str]] = []
        self.clock = 0.0
        self.comes_back = True

    def now(self) -> float:
        return self.clock

    def sleep(self, seconds: float) -> None:
        self.clock += seconds
        for name, moment in list(self.leave.items()):
            if any(one == name for _first, one, _last in self.told) and moment != BUSY and self.clock >= moment:
                self.end(name)

    def end(self, name: str) -> None:
        self.leave.pop(name, None)
        if name.endswith(".standin"):
            self.invocations.pop(f"pgbouncer-standin@{name.removesuffix('.standin')}.service", None)
        else:
            unit = f"pgbouncer@{name}.service"
            self.invocations[unit] = self.invocations[unit] + 1 if self.comes_back else 0

    def run(
        self, argv: Sequence[str], timeout: float | None = None, environment: Mapping[str, str] | None = None
    ) -> Ran:
        units = list(argv)[list(argv).index("--") + 1 :]
        if argv[1] == "start":
            self.told.append((self.clock, " ".join(units), "start"))
            for unit in units:
                name = unit.partition("@")[2].removesuffix(".service") + ".standin"
                self.invocations[unit] = 1
                self.leave.setdefault(name, self.clock)
        if argv[1] == "stop":
            for unit in units:
                self.invocations.pop(unit, None)
        blocks = [
            f"Id={unit}\nActiveState={'active' if self.invocations.get(unit) else 'inactive'}\n"
            f"InvocationID={self.invocations.get(unit, '')}\n"
            for unit in units
        ]
        return Ran(0, "\n".join(blocks))

    def console(self, instance: Mapping[str, Any]) -> Any:
        host, name = self, str(instance["name"])

        class Console:
            console: Any

            def execute(self, command: str, timeout: float) -> None:
                host.told.append((host.clock, name, command))
                if command == "SHUTDOWN WAIT_FOR_SERVERS" and host.leave.get(name) == IDLE:
                    host.end(name)
                if command == "SHUTDOWN":
                    host.end(name)

            def show(self, _what: Sequence[str]) -> Any:
                return {"clients": [{"database": "app"}, {"database": "pgbouncer"}]}

            def state(self) -> None:
                pass

        made = Console()
        made.console = made
        return made


def instances(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "endpoint": name.partition(".")[0], "unit": f"pgbouncer@{name}.service"} for name in names]


STANDIN = [{"name": "a.standin", "unit": "pgbouncer-standin@a.service"}]


def test_a_stand_in_is_there_before_the_process_is_told_to_end_and_goes_after_it() -> None:
    host = Systemd(a=2.0)
    report = handover.replace_all(host, instances("a"), STANDIN, 60, host.console)
    assert [(name, command) for _first, name, command in host.told] == [
        ("pgbouncer-standin@a.service", "start"),
        ("a", "SHUTDOWN WAIT_FOR_CLIENTS"),
        ("a.standin", "SHUTDOWN WAIT_FOR_CLIENTS"),
    ]
    assert (report.replaced, report.cut) == (["a"], {})
    assert host.invocations == {"pgbouncer@a.service": 2}
    assert host.told[2][0] >= 2.0


def test_idle_clients_are_let_go_when_their_time_is_over() -> None:
    host = Systemd(a=IDLE)
    report = handover.replace_all(host, instances("a"), [], 60, host.console)
    assert [command for _first, _name, command in host.told] == [
        "SHUTDOWN WAIT_FOR_CLIENTS",
        "SHUTDOWN WAIT_FOR_SERVERS",
    ]
    assert host.told[1][0] == pytest.approx(60, abs=1)
    assert report.cut == {"a": 1}


def test_a_transaction_that_does_not_end_has_a_grace() -> None:
    host = Systemd(a=BUSY)
    handover.replace_all(host, instances("a"), [], 60, host.console)
    assert [command for _first, _name, command in host.told] == [
        "SHUTDOWN WAIT_FOR_CLIENTS",
        "SHUTDOWN WAIT_FOR_SERVERS",
        "SHUTDOWN",
    ]
    assert host.told[2][0] == pytest.approx(60 + handover.GRACE_SECONDS, abs=1)


def test_processes_of_one_endpoint_take_turns() -> None:
    host = Systemd(**{"a": 1.0, "a.2": 0.0})
    handover.replace_all(host, instances("a", "a.2"), [], 60, host.console)
    assert [name for _first, name, _last in host.told] == ["a", "a.2"]
    assert host.told[1][0] >= 1.0


def test_if_the_new_process_does_not_come_up_the_stand_in_goes_on() -> None:
    host = Systemd(a=0.0)
    host.comes_back = False
    with pytest.raises(ComponentError, match=r"pgbouncer@a\.service: the new process did not come up.*go on serving"):
        handover.replace_all(host, instances("a"), STANDIN, 60, host.console)
    assert host.invocations["pgbouncer-standin@a.service"] == 1
