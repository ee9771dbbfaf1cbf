"""A replica that hardly gets anything done keeps those who asked it waiting, and nobody else."""

from __future__ import annotations

import statistics
import time

import load
from tier import Tier

# More than a proxy's pool has connections, so that waiting for one would show.
READERS = 60
CPU_PERCENT = 2
# What the checks take at most to leave it, should it not even answer them: four in a row of a second each, and more.
CHECKS_SECONDS = 8
SECONDS = 12


def median_read(report: load.Report, server: str) -> float:
    return statistics.median(end - begin for begin, end, _, who in report.reads if who == server)


def test_a_starved_replica_slows_nobody_elses_reads(tier: Tier) -> None:
    starved, stays = tier.replicas()
    address = tier.address(stays)
    fault = ("playbooks/lab_fault.yml", "-e", f"host={starved}")
    with load.running(tier, writers=1, readers=READERS) as under_load:
        begin = time.monotonic()
        time.sleep(SECONDS)
        usual = (begin, time.monotonic())
        tier.playbook(*fault, "-e", "fault=slowed", "-e", f"cpu_percent={CPU_PERCENT}")
        try:
            time.sleep(CHECKS_SECONDS)
            begin = time.monotonic()
            time.sleep(SECONDS)
            slow = (begin, time.monotonic())
        finally:
            tier.playbook(*fault, "-e", "fault=unslowed")
    before, after = under_load.report.between(*usual), under_load.report.between(*slow)
    quick, still_quick = median_read(before, address), median_read(after, address)
    print(
        f"{len(before.reads)} and then {len(after.reads)} reads in {SECONDS} s; those of {stays}: "
        f"{quick * 1000:.1f} ms and then {still_quick * 1000:.1f} ms; {len(under_load.report.failures)} failures"
    )
    assert still_quick < 5 * quick
    assert len(after.reads) > len(before.reads) / 2
    # Nobody fails once the checks have decided; until then at most who had asked it.
    assert after.failures == []
    assert len(under_load.report.failures) <= READERS
