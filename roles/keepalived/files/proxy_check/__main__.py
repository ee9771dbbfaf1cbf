# SPDX-License-Identifier: Apache-2.0
"""Tell keepalived by how much this proxy is worse than a sound one, so that the virtual address goes to the best.

Asked several times a second: each process of PgBouncer, HAProxy, and the primary through a pool. Each check is a thread
that writes down when it was last passed, so that one that hangs holds up nobody else: what counts is how long ago that
was (judge.py). One that refuses or was stopped is dead within a second; one that is alive has longer to answer, for it
may only lack a processor (process.py).
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ask
import judge
import process
import psycopg2

INTERVAL = 0.25  # between two questions to one process, seconds
TICK = 0.1  # between two verdicts


# Says which process answered, where it is one of this host.
Check = Callable[[], "int | None"]


def checks(config: dict[str, Any]) -> dict[str, tuple[judge.Kind, Check]]:
    found: dict[str, tuple[judge.Kind, Check]] = {
        f"PgBouncer {Path(directory).name}": (judge.SERVICE, partial(ask.console, directory, port))
        for directory, port in config["consoles"].items()
    }
    found["HAProxy"] = judge.SERVICE, partial(ask.haproxy, config["haproxy"])
    if config["query"]:
        found["a query to the primary"] = judge.PATH, ask.PathToPrimary(config["query"], config["password_file"])
    return found


def repeat(court: judge.Judge, processes: dict[str, int], name: str, check: Check) -> None:
    while True:
        try:
            number = check()
            court.passed(name, time.monotonic())
            if number is not None:
                processes[name] = number
        except TimeoutError:
            court.errors[name] = judge.SILENT
        except (OSError, ValueError, psycopg2.Error) as error:
            court.errors[name] = next(iter(str(error).splitlines()), type(error).__name__)
        time.sleep(INTERVAL)


def main(path: str) -> None:
    config: dict[str, Any] = json.loads(Path(path).read_text())
    wanted = checks(config)
    court = judge.Judge({name: kind for name, (kind, _check) in wanted.items()}, time.monotonic())
    processes: dict[str, int] = {}
    for name, (_kind, check) in wanted.items():
        threading.Thread(target=repeat, args=(court, processes, name, check), daemon=True).start()
    last: int | None = None
    while True:
        court.stopped = frozenset(name for name, number in list(processes.items()) if process.is_stopped(number))
        verdict = court.verdict(time.monotonic(), ask.has(config["address"]), Path(config["drained_file"]).exists())
        if verdict.weight != last:
            ask.write(config["weight_file"], verdict.weight)
            said = "; ".join(verdict.reasons) or "it serves"
            print(f"{verdict.weight:+d}: {said}", flush=True)
            ask.notify(f"READY=1\nSTATUS={said}")
            last = verdict.weight
        ask.notify("WATCHDOG=1")
        time.sleep(TICK)


if __name__ == "__main__":
    main(sys.argv[1])
