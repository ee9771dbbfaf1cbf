"""A pause that ends by itself: a systemd timer on the host resumes when nobody else has done so in time.

Whoever pauses the pools and then does something elsewhere may lose its connection, be killed or crash meanwhile. The
timer is armed before the pause, on the host of the PgBouncer, and depends on neither.
"""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Sequence

from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.console import Instance


class NotArmed(Exception):
    """The timer could not be set, so nothing was paused."""


def unit(name: str, databases: Sequence[str]) -> str:
    """One timer for each thing that can be paused: a second pause of it replaces the first one's timer. By the
    instance's name, for several may share a port."""
    which = f"{zlib.crc32(chr(0).join(sorted(databases)).encode()):08x}" if databases else "all"
    return f"pgtier-resume-{name}-{which}"


def arm_argv(instance: Instance, databases: Sequence[str], resume: Sequence[str], seconds: float) -> list[str]:
    # One RESUME that is not needed any more must not keep the next one from being sent: no ON_ERROR_STOP.
    psql = instance.console.argv(["-v", "ON_ERROR_STOP=0", *(f"--command={command}" for command in resume)])
    return [
        "systemd-run",
        "--quiet",
        "--collect",
        f"--unit={unit(instance.name, databases)}",
        f"--description=Resume PgBouncer {instance.name}, which was paused for {seconds:g} s at most",
        f"--on-active={seconds:g}s",
        "--timer-property=AccuracySec=100ms",
        f"--uid={instance.console.os_user}",
        "--working-directory=/",
        *psql,
    ]


def arm(instance: Instance, databases: Sequence[str], resume: Sequence[str], seconds: float) -> None:
    disarm(instance, databases)
    try:
        subprocess.run(
            arm_argv(instance, databases, resume, seconds), check=True, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError) as error:
        why = getattr(error, "stderr", None) or error
        raise NotArmed(
            f"{instance.name}: the timer for `resume_within` could not be set, so nothing was paused: {why}. "
            "It needs systemd and root (become)."
        ) from None


def disarm(instance: Instance, databases: Sequence[str]) -> None:
    """Without databases, all timers of the instance: then all of it was resumed."""
    which = unit(instance.name, databases) if databases else f"pgtier-resume-{instance.name}-*"
    # Stopping what does not exist is an error of no interest; that a timer fires once too often does no harm.
    subprocess.run(["systemctl", "stop", f"{which}.timer"], capture_output=True, timeout=10, check=False)
