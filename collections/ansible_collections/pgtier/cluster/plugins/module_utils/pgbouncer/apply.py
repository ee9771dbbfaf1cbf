"""Send commands to several instances, and never leave behind a pause that nobody ends.

A pause is complete when all server connections are closed, which waits for running transactions (in session pools: for
the clients to leave). While it waits, new statements wait too. So it gets a time limit, and whatever the reason for
which it is not complete everywhere - limit, error, a signal - all that this run paused is resumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer import deadman
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.commands import (
    Action,
    State,
    plan_commands,
    undo_pause,
)
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.console import Instance
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import PsqlError, PsqlTimeout

POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Job:
    instance: Instance
    state: State
    commands: list[str]


class Failed(Exception):
    """Some instance did not do what it was told; the text names each, and what became of the others."""


def plan(action: Action, databases: Sequence[str], instances: Sequence[Instance]) -> list[Job]:
    """A job for each instance. Raises ValueError with all that speaks against it, before anything is sent."""
    jobs, problems = [], []
    for instance in instances:
        state = instance.state()
        try:
            jobs.append(Job(instance, state, plan_commands(action, databases, state)))
        except ValueError as error:
            problems.append(f"{instance.name}: {error}")
    if problems:
        raise ValueError("; ".join(problems))
    return jobs


def run(action: Action, databases: Sequence[str], jobs: Sequence[Job], timeout: float, resume_within: float) -> None:
    """Do it on all instances at once, within one limit of seconds. Raises Failed."""
    if action != "pause":
        end = time.monotonic() + timeout
        _at_once(jobs, lambda job: _send_one(job, end))
        if action == "resume":
            for job in jobs:
                deadman.disarm(job.instance, databases)
        return
    paused_here = [job for job in jobs if job.commands]
    with _resumed_on_failure(paused_here, databases):
        if resume_within:
            for job in paused_here:
                deadman.arm(job.instance, databases, undo_pause(job.commands), resume_within)
        end = time.monotonic() + timeout
        _at_once(jobs, lambda job: _pause_one(job, databases, end))


@contextmanager
def _resumed_on_failure(jobs: Sequence[Job], databases: Sequence[str]) -> Iterator[None]:
    """BaseException: a signal that ends the module must not leave the clients waiting either."""
    try:
        yield
    except BaseException as error:
        stuck = [text for job in jobs if (text := _resume_one(job, databases))]
        done = f"; resume by hand: {'; '.join(stuck)}" if stuck else "; all that was paused by this run is resumed"
        if isinstance(error, Failed):
            raise Failed(f"{error}{done}") from None
        raise


def _pause_one(job: Job, databases: Sequence[str], end: float) -> None:
    _send_one(job, end)
    # Someone else's pause may be on its way still; and with several PAUSEs each only waits for its own database.
    while (left := job.instance.server_connections(databases)) and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    if left:
        raise PsqlTimeout(f"{left} server connections are still in use")


def _send_one(job: Job, end: float) -> None:
    for command in job.commands:
        job.instance.console.execute(command, timeout=max(end - time.monotonic(), 0.1))


def _resume_one(job: Job, databases: Sequence[str]) -> str | None:
    """Undo this run's pauses that are in effect; what went wrong, if anything did.

    The PAUSE's own connection is closed by now: its psql was killed. PgBouncer 1.24 leaves a PAUSE without an answer
    for ever if it is resumed while somebody waits for it.
    """
    try:
        undo = undo_pause(job.commands)
        in_effect = plan_commands("resume", [], job.instance.state())
        for command in undo:
            if command in in_effect:
                job.instance.console.execute(command, timeout=10)
    except (PsqlError, ValueError) as error:
        return f"{job.instance.name}: {error}"  # the timer stays, if there is one
    deadman.disarm(job.instance, databases)
    return None


def _at_once(jobs: Sequence[Job], work: Callable[[Job], None]) -> None:
    if not jobs:
        return
    problems = []
    with ThreadPoolExecutor(len(jobs)) as pool:
        for job, future in [(job, pool.submit(work, job)) for job in jobs]:
            try:
                future.result()
            except PsqlError as error:
                problems.append(f"{job.instance.name}: {error}")
    if problems:
        raise Failed("; ".join(problems))
