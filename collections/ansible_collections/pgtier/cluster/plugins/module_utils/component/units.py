# SPDX-License-Identifier: Apache-2.0
"""Bring systemd's units to what the plan says, with one call a verb, and see that they stay up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ansible_collections.pgtier.cluster.plugins.module_utils.component.host import Host
from ansible_collections.pgtier.cluster.plugins.module_utils.component.masking import Masker
from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import (
    UNKNOWN_UNIT,
    Changes,
    ComponentError,
    Ready,
    UnitChange,
    UnitState,
)
from ansible_collections.pgtier.cluster.plugins.module_utils.component.observe import unit_states

# A service of Type=simple counts as started before it has read its configuration: give it a moment to fail.
_SETTLE = 0.4
_READY_INTERVAL = 0.25


def retire(host: Host, changes: Changes, masker: Masker) -> None:
    """Stop and disable instances that are listed no more, before others take their ports."""
    units = list(changes.obsolete_units)
    if units:
        _systemctl(host, masker, "disable", "--now", "--", *units)
        # One that had failed would stay in systemd's list of failed units for good.
        host.run(["systemctl", "reset-failed", "--", *units])


def reload_manager(host: Host, masker: Masker) -> None:
    _systemctl(host, masker, "daemon-reload")


def converge(
    host: Host, changes: Changes, ready: Ready | None, masker: Masker, done: Callable[[UnitChange], None]
) -> None:
    """Carry out the units' changes; `done` hears of each unit whose work is done and seen to hold."""
    for enable, verb in ((True, "enable"), (False, "disable")):
        names = [change.unit for change in changes.units if change.enable is enable]
        if names:
            _systemctl(host, masker, verb, "--", *names)
    failed = [change.unit for change in changes.units_to("start") if change.before.active == "failed"]
    if failed:
        host.run(["systemctl", "reset-failed", "--", *failed])
    for verb in ("stop", "reload"):
        concerned = changes.units_to(verb)
        if concerned:
            _systemctl(host, masker, verb, "--", *(change.unit for change in concerned))
        for change in concerned:
            done(change)
    # One after the other, so that what brings one instance down leaves the others up.
    for change in changes.units_to("restart"):
        _systemctl(host, masker, "restart", "--", change.unit)
        _verify(host, [change.unit], ready, masker)
        done(change)
    started = changes.units_to("start")
    if started:
        _systemctl(host, masker, "start", "--", *(change.unit for change in started))
    begun = changes.units_to("start", "verify")
    if begun:
        _verify(host, [change.unit for change in begun], ready, masker)
    for change in begun:
        done(change)


def _systemctl(host: Host, masker: Masker, verb: str, *arguments: str) -> None:
    ran = host.run(["systemctl", verb, *arguments])
    if ran.code == 0:
        return
    names = [name for name in arguments if not name.startswith("-")]
    states = unit_states(host, names)
    guilty = [name for name in names if _down(states.get(name, UNKNOWN_UNIT))] or names
    raise ComponentError(
        f"systemctl {' '.join([verb, *names])} failed: {masker(ran.output.strip())}"
        + (_journal(host, guilty[0], masker) if verb in ("start", "restart", "reload") else "")
    )


def _verify(host: Host, names: Sequence[str], ready: Ready | None, masker: Masker) -> None:
    """Up means: the ready command succeeds; or, without one, no unit has died or come back a moment later."""
    at_first = unit_states(host, list(names))
    if ready:
        _wait_ready(host, names, ready, masker)
    else:
        host.sleep(_SETTLE)
    now = unit_states(host, list(names))
    for name in names:
        state, first = now.get(name, UNKNOWN_UNIT), at_first.get(name, UNKNOWN_UNIT)
        came_back = not ready and (state.restarts, state.invocation) != (first.restarts, first.invocation)
        if _down(state) or came_back:
            how = "died and was started again" if came_back and not _down(state) else f"is {state.active} ({state.sub})"
            raise ComponentError(
                f"{name} did not stay up: it {how} right after its start. Correct what its log tells, then run again."
                + _journal(host, name, masker)
            )


def _wait_ready(host: Host, names: Sequence[str], ready: Ready, masker: Masker) -> None:
    deadline = host.now() + ready.timeout
    while True:
        ran = host.run(ready.command, timeout=max(1.0, deadline - host.now()))
        if ran.code == 0:
            return
        failed = [name for name, state in unit_states(host, list(names)).items() if state.active == "failed"]
        if failed or host.now() >= deadline:
            why = f"{failed[0]} has failed" if failed else f"it was not within {ready.timeout} s"
            raise ComponentError(
                f"{', '.join(names)}: not ready: {why}. The command '{' '.join(ready.command)}' last ended with "
                f"exit code {ran.code}: {masker(ran.output.strip()) or '(it printed nothing)'}"
                + _journal(host, (failed or list(names))[0], masker)
            )
        host.sleep(_READY_INTERVAL)


def _down(state: UnitState) -> bool:
    return state.active not in ("active", "reloading")


def _journal(host: Host, name: str, masker: Masker) -> str:
    ran = host.run(["journalctl", "--no-pager", "--output=short-iso", "--no-hostname", "--lines=30", "--unit", name])
    return f"\nThe end of its log (journalctl -u {name}):\n{masker(ran.output.strip())}"
