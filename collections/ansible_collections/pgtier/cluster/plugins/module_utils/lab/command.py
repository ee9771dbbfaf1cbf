"""Running the programs a lab is made with, and the error that says which one failed and why."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
from typing import Any


class LabError(Exception):
    """Something the user has to know; the text says what, where, and what to do."""


def run(*argv: str, stdin: str | None = None, timeout: float = 60) -> str:
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError as error:
        raise LabError(f"program {argv[0]} is missing on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{' '.join(argv)}` did not end within {timeout:.0f} s") from error
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        shown = " ".join(argv) if len(argv) < 20 else f"{argv[0]} ..."
        raise LabError(f"`{shown}` ended with {done.returncode}: {said}")
    return done.stdout


def run_json(*argv: str) -> Any:
    return json.loads(run(*argv) or "[]")


def succeeds(*argv: str) -> bool:
    try:
        return subprocess.run(argv, capture_output=True, timeout=30, check=False).returncode == 0
    except FileNotFoundError:
        return False
