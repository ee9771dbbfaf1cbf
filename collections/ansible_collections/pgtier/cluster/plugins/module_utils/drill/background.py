# SPDX-License-Identifier: Apache-2.0
"""A load that outlives whoever starts it, until told to end: for a playbook, whose tasks are processes apart.

Run as a program with a directory: what to do comes as JSON on standard input. `ready` appears in the directory when all
clients are at work, and `ledger.json` when the load has ended and its schema is gone. It ends when `stop` is there, and
in any case after a time, so that no load goes on for ever whose playbook was killed.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.drill import load as loads
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.ledger import Ledger

_PROGRAM = "ansible_collections.pgtier.cluster.plugins.module_utils.drill.background"
_READY_SECONDS = 120.0
_END_SECONDS = 240.0


class BackgroundError(Exception):
    """The load did not come up, or did not end. The text says what it said."""


@dataclass(frozen=True)
class Seen:
    """What a load left behind: its ledger, whose moments are of the clock that began at `epoch` of the wall's."""

    ledger: Ledger
    epoch: float
    begin: float
    end: float


def start(directory: Path, connections: loads.Connections, limit: float, options: dict[str, float]) -> str:
    """Start a load and wait until it is at work; the name of its schema."""
    if problem := loads.missing():
        raise BackgroundError(problem)
    directory.mkdir(mode=0o700, parents=True)
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", _PROGRAM, str(directory)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
            env=loads.environment(),
        )
    wanted = {
        "owner": connections.owner,
        "writers": list(connections.writers),
        "readers": list(connections.readers),
        "limit": limit,
        "options": options,
    }
    loads.pipe(process.stdin).write(json.dumps(wanted))
    loads.pipe(process.stdin).close()
    _wait(directory, "ready", _READY_SECONDS, process)
    return (directory / "ready").read_text()


def finish(directory: Path) -> Seen:
    """End the load; what it saw."""
    (directory / "stop").touch()
    _wait(directory, "ledger.json", _END_SECONDS)
    seen = json.loads((directory / "ledger.json").read_text())
    ledger = Ledger()
    ledger.add(seen)
    ledger.rows.update({(client, sequence, half): number for client, sequence, half, number in seen["rows"]})
    return Seen(ledger, seen["epoch"], seen["begin"], seen["end"])


def _wait(directory: Path, name: str, seconds: float, process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + seconds
    while not (directory / name).exists():
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            said = (directory / "log").read_text().strip() if (directory / "log").exists() else ""
            raise BackgroundError(f"the load has no {name} in {directory}: {said or 'it said nothing'}")
        time.sleep(0.1)


def _put(path: Path, text: str) -> None:
    """Whole, or not at all: somebody waits for it to appear."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.rename(path)


def _end(*_signal: object) -> None:
    raise SystemExit("ended by a signal")


def _run(directory: Path, wanted: dict[str, Any]) -> None:
    signal.signal(signal.SIGTERM, _end)
    connections = loads.Connections(wanted["owner"], wanted["writers"], wanted["readers"])
    epoch = time.time() - time.monotonic()
    with loads.running(connections, **wanted["options"]) as load:
        begin = time.monotonic()
        _put(directory / "ready", load.schema)
        while not (directory / "stop").exists() and time.monotonic() - begin < wanted["limit"]:
            time.sleep(0.1)
        end = time.monotonic()
        load.stop()
    report = load.report
    _put(
        directory / "ledger.json",
        json.dumps(
            {
                "writes": report.writes,
                "looks": report.looks,
                "reads": report.reads,
                "ticks": report.ticks,
                "failures": report.failures,
                "rows": [[*row, number] for row, number in report.rows.items()],
                "epoch": epoch,
                "begin": begin,
                "end": end,
            }
        ),
    )


if __name__ == "__main__":
    _run(Path(sys.argv[1]), json.loads(sys.stdin.read()))
