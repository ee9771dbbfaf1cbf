# SPDX-License-Identifier: Apache-2.0
"""The order of things. Everything that can be refused is refused before the first file is put in place; what has to
follow a change is in the journal before the change is made."""

from __future__ import annotations

import dataclasses
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.component import journal, packages, report, staging, units
from ansible_collections.pgtier.cluster.plugins.module_utils.component.host import Host
from ansible_collections.pgtier.cluster.plugins.module_utils.component.masking import Masker
from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import (
    UNKNOWN_UNIT,
    Changes,
    ComponentError,
    Desired,
    Directory,
    File,
    Journal,
    Observed,
    UnitChange,
)
from ansible_collections.pgtier.cluster.plugins.module_utils.component.observe import (
    installed_packages,
    observe,
    unit_states,
)
from ansible_collections.pgtier.cluster.plugins.module_utils.component.planner import journal_of, plan_changes

_APPLY_TIMEOUT = 120


def converge(host: Host, desired: Desired, check: bool, diff: bool) -> dict[str, Any]:
    """Bring the component to what is desired, or foresee it; returns the module's result."""
    observed = observe(host, desired)
    changes = plan_changes(desired, observed)
    run = _Run(host, desired)
    if check:
        run.foresee(changes, observed)
    elif changes.changed or changes.units_to("verify"):
        changes = run.carry_out(changes, observed)
    result = report.result_of(changes, run.skipped, run.notes)
    if diff:
        result["diff"] = report.diff_of(changes)
    return result


class _Run:
    """One run: what it still owes the journal, and what it has to tell."""

    def __init__(self, host: Host, desired: Desired) -> None:
        self.host = host
        self.desired = desired
        self.masker = Masker(
            (file.content for file in desired.files if file.secret),
            is_path=lambda path: host.look_at(path).kind != "absent",
        )
        self.due = Journal()
        self.skipped: list[str] = []
        self.notes: list[str] = []

    def foresee(self, changes: Changes, observed: Observed) -> None:
        self.skipped = staging.check_only(self.host, changes, observed.unknown_accounts, self.masker)
        self.notes += [f"{account} does not exist yet" for account in sorted(observed.unknown_accounts)]

    def carry_out(self, planned: Changes, observed: Observed) -> Changes:
        """Returns what was changed, which after an installation can be more than was planned before it."""
        changes, self.due = planned, observed.journal
        self._clean(changes)
        if changes.packages:
            self._install(changes, observed)
            observed = observe(self.host, self.desired)
            changes = plan_changes(self.desired, observed)
        due = journal_of(self.desired, changes, observed)
        if self.desired.action == "converge":
            self._refuse_unknown_accounts(observed, all_files=True)
            self._files(changes, due)
        units.converge(self.host, changes, self.desired.ready, self.masker, self._unit_done)
        self._remember_invocations([change.unit for change in changes.units_to("pending")])
        return report.merge(planned, changes) if planned.packages else changes

    # ---- steps

    def _clean(self, changes: Changes) -> None:
        for path in changes.leftovers:
            self.host.path(path).unlink(missing_ok=True)

    def _install(self, changes: Changes, observed: Observed) -> None:
        """Some files steer the installation itself, so they go first."""
        early = [change for change in changes.files if change.file.before_packages]
        self._refuse_unknown_accounts(observed, all_files=False)
        due = self._due_early(observed)
        self.skipped += staging.put_in_place(self.host, early, self.masker, lambda: self._owe(due), early=True)
        self.notes += packages.install(self.host, changes.packages)
        missing = sorted(set(changes.packages) - installed_packages(self.host, changes.packages))
        if missing:
            raise ComponentError(
                f"apt installed no package of the name {', '.join(missing)}. "
                "If that is a virtual package, name the real one"
            )

    def _refuse_unknown_accounts(self, observed: Observed, all_files: bool) -> None:
        files = [file for file in self.desired.files if all_files or file.before_packages]
        items: list[Directory | File] = [*files, *(self.desired.directories if all_files else ())]
        wanted = {f"user {item.owner}" for item in items} | {f"group {item.group}" for item in items}
        unknown = sorted(wanted & observed.unknown_accounts)
        if unknown:
            raise ComponentError(
                f"{', '.join(unknown)}: not on this host, yet files or directories of {self.desired.name} shall be "
                "theirs. Install the package that makes them first, or name another owner. No file was put in place"
            )

    def _due_early(self, observed: Observed) -> Journal:
        """What the files that go first ask for, besides what was due already. The others are not checked yet."""
        early = dataclasses.replace(
            self.desired, files=tuple(file for file in self.desired.files if file.before_packages)
        )
        due = journal_of(early, plan_changes(early, observed), observed)
        return dataclasses.replace(due, apply=due.apply | observed.journal.apply)

    def _files(self, changes: Changes, due: Journal) -> None:
        staging.make_directories(self.host, changes)
        self.skipped += staging.put_in_place(self.host, changes.files, self.masker, lambda: self._owe(due))
        units.retire(self.host, changes, self.masker)
        for path in changes.removed:
            self.host.path(path).unlink(missing_ok=True)
        if changes.daemon_reload:
            units.reload_manager(self.host, self.masker)
        for file in changes.apply:
            self._apply(file)

    def _apply(self, file: File) -> None:
        ran = self.host.run(file.apply, timeout=_APPLY_TIMEOUT)
        if ran.code != 0:
            said = self.masker(ran.output.strip()) or "(it printed nothing)"
            problem = f"{file.path}: '{' '.join(file.apply)}' failed with exit code {ran.code}: {said}"
            if not (file.apply_optional_in_container and self._in_container()):
                raise ComponentError(f"{problem}\nThe file is in place; the next run runs the command again")
            self.notes.append(f"this host is a container, so it was left at that: {problem}")
        self._owe(dataclasses.replace(self.due, apply=self.due.apply - {file.path}))

    def _in_container(self) -> bool:
        return self.host.run(["systemd-detect-virt", "--container", "--quiet"]).code == 0

    # ---- journal

    def _owe(self, due: Journal) -> None:
        if due != self.due:
            journal.write(self.host, self.desired.name, due)
        self.due = due

    def _unit_done(self, change: UnitChange) -> None:
        self._owe(
            dataclasses.replace(
                self.due, units={name: due for name, due in self.due.units.items() if name != change.unit}
            )
        )

    def _remember_invocations(self, pending: list[str]) -> None:
        """The files are in place now: a restart that was put off is about the unit as it runs at this moment."""
        states = unit_states(self.host, pending)
        stamped = {
            name: dataclasses.replace(due, invocation=states.get(name, UNKNOWN_UNIT).invocation)
            for name, due in self.due.units.items()
            if name in pending
        }
        self._owe(dataclasses.replace(self.due, units={**self.due.units, **stamped}))
