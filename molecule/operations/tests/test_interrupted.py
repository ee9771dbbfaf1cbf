"""Whatever dies in the middle of a switchover, the pools are resumed: clients are not left waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tier import TOP, Tier, wait_until

CONSOLE = "runuser -u postgres -- psql -h /run/pgbouncer/{name} -p 6432 -U pgbouncer -Atc 'SHOW STATE' pgbouncer"
INSTANCES = ("primary", "primary.2")
# The module is the parent of its connections; how it was started does not tell it from others. ([-] so that the pattern
# does not match the shell that it is written in.)
MODULE = "ps -o ppid= -p $(pgrep -o -f '[-]-csv .*[-]-username=pgtier_admin')"
# One psql that looks all the time: a new one for each look would miss the pause on a busy computer.
WATCH = "runuser -u postgres -- psql -h /run/pgbouncer/primary -p 6432 -U pgbouncer -At pgbouncer"
KILL_WHEN_PAUSED = f"""cd /
printf 'SHOW STATE \\\\watch 0.05\\n' | timeout 90 {WATCH} | grep -q -m1 '^paused|yes' || exit 1
pids=$({MODULE})
[ -z "$ALL" ] || pkill -KILL -f 'pgtier-[l]ast-word'
kill -9 $pids"""


def paused(tier: Tier) -> list[str]:
    """What is paused now, on all proxies."""
    return [
        f"{proxy}/{name}"
        for proxy in tier.groups["proxy"]
        for name in INSTANCES
        if "paused|yes" in tier.host(proxy).check_output("cd / && " + CONSOLE.format(name=name))
    ]


def begin(tier: Tier, *options: str) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).with_name("ansible-playbook")
    command = [str(program), "-i", str(tier.inventory / "hosts.yml"), "playbooks/switchover.yml", *options]
    return subprocess.Popen(
        command, cwd=TOP, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def kill_in_the_middle(tier: Tier, everything: bool) -> None:
    """Kill the module on the first proxy, which it runs on, once its pools are paused."""
    host = tier.host(tier.groups["proxy"][0])
    host.check_output("%s", "true")  # the connection is there
    host.check_output(f"ALL={'1' if everything else ''}; {KILL_WHEN_PAUSED}")


def test_the_module_is_killed(tier: Tier) -> None:
    playbook = begin(tier)
    try:
        kill_in_the_middle(tier, everything=False)
        begun = time.monotonic()
        wait_until("all pools are resumed", 10, lambda: not paused(tier), pause=0.1)
        # Not by the timer, and hardly by the playbook's own last task: by the module's last word.
        print(f"resumed after {time.monotonic() - begun:.1f} s")
        assert playbook.wait(timeout=60) != 0
    finally:
        if playbook.poll() is None:
            playbook.kill()
    assert tier.ask("primary", "SELECT 1") == 1


def test_the_module_its_last_word_and_the_controller_are_killed(tier: Tier) -> None:
    """As when the host that it runs on is lost, and with it the way to all proxies: the timer on each resumes."""
    playbook = begin(tier, "-e", "switchover_limit=5")
    waited: list[float] = []

    def client() -> None:
        moment = time.monotonic()
        assert tier.ask("primary", "SELECT 1", connect_timeout=60) == 1
        waited.append(time.monotonic() - moment)

    try:
        kill_in_the_middle(tier, everything=True)
        os.killpg(playbook.pid, signal.SIGKILL)
        playbook.wait()
        still = paused(tier)
        assert len(still) == 4, f"only {still} are paused: this run says nothing"
        thread = threading.Thread(target=client)
        thread.start()
        wait_until("all pools are resumed", 40, lambda: not paused(tier))
        thread.join(timeout=30)
    finally:
        if playbook.poll() is None:
            os.killpg(playbook.pid, signal.SIGKILL)
    # It was held back, and then served without an error.
    assert waited and waited[0] > 1
