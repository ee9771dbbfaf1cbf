# SPDX-License-Identifier: Apache-2.0
"""The user's command that switches a host off. Only its own word, in its time, that the host is off counts as one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from typing import NamedTuple


class Outcome(NamedTuple):
    confirmed: bool
    why: str


class Fence:
    """A run of the command, begun at `now` of a monotonic clock. What it prints goes to the journal."""

    def __init__(self, words: Sequence[str], seconds: float, now: float) -> None:
        self.seconds, self.until = seconds, now + seconds
        self.process: subprocess.Popen[bytes] | None = None
        self.problem = ""
        try:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, cwd="/", start_new_session=True)
        except OSError as error:
            self.problem = str(error)

    def outcome(self, now: float) -> Outcome | None:
        """None while it runs. One that takes too long is ended, with whatever it has started."""
        if self.process is None:
            return Outcome(False, f"the fence cannot be run: {self.problem}")
        status = self.process.poll()
        if status is None and now < self.until:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        if status is None:
            self.process.wait()
            return Outcome(False, f"the fence did not end within {self.seconds:g} s")
        return Outcome(
            status == 0, f"the fence failed: {status}" if status else "the fence confirms that the host is off"
        )
