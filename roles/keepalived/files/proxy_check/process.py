# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of a process that does not answer: one that was stopped will not, any other may be late."""

from __future__ import annotations

from pathlib import Path

# proc(5): stopped by a signal, by a debugger, or dead and not yet waited for.
STOPPED = "TtZXx"


def state(stat: str) -> str:
    """From /proc/PID/stat. The field before it is a name that may hold anything."""
    return stat.rpartition(")")[2].split()[0]


def is_stopped(number: int) -> bool:
    """Not of one that is gone: another may have taken its place, and if none has, a connection is refused."""
    try:
        return state(Path(f"/proc/{number}/stat").read_text("utf-8", "replace")) in STOPPED
    except OSError:
        return False
