"""What bin/soak runs: faults chosen by a seed, the checker after each, a state file that a stopped run goes on from.

The n-th fault of a seed is always the same one, whatever was run before: `--seed 7` and the number are all that a bug
report needs.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "collections"), str(TOP / "tests/support")]

from ansible_collections.pgtier.cluster.plugins.module_utils.drill import checker  # noqa: E402
from failing import FAULTS, Saboteur, Trial  # noqa: E402
from tier import Tier, wait_until  # noqa: E402

STATE = TOP / ".cache/soak.json"
SCENARIO = "failure"
# With so long after each fault, and so long between two writes of a client, 200 faults have the million that is wanted.
SECONDS_AFTER = 6.0
PAUSE_SECONDS = 0.2


def fault_of(seed: int, number: int) -> str:
    return random.Random(f"{seed} {number}").choice(sorted(FAULTS))


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def begun(path: Path, seed: int | None, fresh: bool) -> dict[str, Any]:
    """The state to go on from: what is in the file, unless another seed or a fresh start is asked for."""
    if path.exists() and not fresh:
        state: dict[str, Any] = json.loads(path.read_text())
        if seed is None or seed == state["seed"]:
            return state
    return {
        "seed": seed if seed is not None else random.randrange(10**6),
        "done": 0,
        "writes": 0,
        "lost": 0,
        "rows": [],
    }


def row(number: int, name: str, trial: Trial) -> dict[str, Any]:
    """What is kept of a fault, and why it failed if it did."""
    fault = FAULTS[name]
    bad = [anomaly.text for anomaly in checker.check(trial.ledger)]
    seconds = trial.recovery_after_healing if fault.blocks else trial.recovery
    if seconds >= fault.bound:
        bad.append(f"{seconds:.1f} s without an acknowledged write, and {fault.bound:g} are allowed")
    return {
        "number": number,
        "fault": name,
        "targets": trial.targets,
        "writes": len(trial.ledger.writes),
        "lost": checker.lost(trial.ledger),
        "recovery_seconds": round(trial.recovery, 2),
        "failed_statements": len(trial.ledger.failures),
        "bad": bad,
    }


def did_not_come_back(number: int, name: str, why: str) -> dict[str, Any]:
    figures = {"writes": 0, "lost": 0, "recovery_seconds": 0.0, "failed_statements": 0}
    return {"number": number, "fault": name, "targets": [], **figures, "bad": [why]}


def molecule(action: str) -> None:
    subprocess.run([str(Path(sys.executable).with_name("molecule")), action, "-s", SCENARIO], cwd=TOP, check=True)


def summary(state: dict[str, Any]) -> str:
    bad = [row for row in state["rows"] if row["bad"]]
    lines = [f"  fault {row['number']}, {row['fault']} on {', '.join(row['targets'])}: {row['bad']}" for row in bad]
    recoveries = sorted(row["recovery_seconds"] for row in state["rows"]) or [0.0]
    lines.append(
        f"seed {state['seed']}: {state['done']} faults, {state['writes']} acknowledged writes, {state['lost']} lost, "
        f"{len(bad)} faults with a finding; recovery median {recoveries[len(recoveries) // 2]} s, "
        f"worst {recoveries[-1]} s"
    )
    return "\n".join(lines)


def main() -> int:
    options = argparse.ArgumentParser(prog="bin/soak", description="Random faults under load.")
    options.add_argument("--faults", type=int, default=200)
    options.add_argument("--writes", type=int, default=1_000_000)
    options.add_argument("--seed", type=int)
    options.add_argument("--fresh", action="store_true", help="begin anew, whatever an earlier run has done")
    options.add_argument("--keep", action="store_true", help="leave the hosts running")
    given = options.parse_args()
    state = begun(STATE, given.seed, given.fresh)
    stopped = False

    def stop(*_signal: Any) -> None:
        nonlocal stopped
        stopped = True
        say("stopping after this fault; bin/soak goes on from here")

    say(f"seed {state['seed']}, {state['done']} faults done")
    molecule("create")
    molecule("converge")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    tier = Tier(TOP / "molecule" / SCENARIO / "inventory")
    saboteur = Saboteur(tier)
    while not stopped and (state["done"] < given.faults or state["writes"] < given.writes):
        name = fault_of(state["seed"], state["done"])
        try:
            wait_until("every member is there and streams", 120, tier.whole)
            kept = row(state["done"], name, saboteur.attempt(FAULTS[name], after=SECONDS_AFTER, pause=PAUSE_SECONDS))
        except AssertionError as error:
            # The tier did not come back: what follows would be blamed on the wrong fault.
            stopped, kept = True, did_not_come_back(state["done"], name, str(error))
        state["rows"].append(kept)
        state["done"] += 1
        state["writes"] += kept["writes"]
        state["lost"] += kept["lost"]
        STATE.parent.mkdir(exist_ok=True)
        STATE.write_text(json.dumps(state, indent=1) + "\n")
        say(
            f"{kept['number']} {name} on {', '.join(kept['targets'])}: {kept['recovery_seconds']} s, "
            f"{state['writes']} writes so far, {kept['bad'] or 'well'}"
        )
    if not given.keep and not stopped:
        molecule("destroy")
    print(summary(state))
    return int(any(kept["bad"] for kept in state["rows"]))


if __name__ == "__main__":
    sys.exit(main())
