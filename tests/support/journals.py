"""What the hosts said while a test failed: a failure that comes once in a hundred runs can be read afterwards."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tier import TOP, Tier

UNITS = ("patroni", "etcd", "haproxy", "keepalived", "pgbouncer@*", "pgtier-*")
# The end of each journal that the report shows; the whole of them is in the file that it names.
SHOWN = 12
MOMENT = "Jan 01 00:00:00.000000"  # what a line begins with
# How long a host may take to answer, seconds: some are frozen or gone.
PATIENCE = 15
# Said each second by a Patroni that is well, and each minute by a PgBouncer; the inner lines of a traceback.
CHATTER = re.compile(r"no action\. I am|Lock owner: |LOG stats: |\]: {2,}")


def told(journal: str) -> list[str]:
    """The lines of a journal that are worth to be read."""
    return [line for line in journal.splitlines() if line and not CHATTER.search(line)]


def _journal(tier: Tier, name: str, since: float) -> list[str]:
    units = " ".join(f"-u '{unit}'" for unit in UNITS)
    command = tier.ssh(name, f"journalctl -q --no-pager -o short-precise --since @{since:.3f} {units}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return [f"{name} did not answer within {PATIENCE} s"]
    return told(done.stdout if done.returncode == 0 else done.stderr)


def merged(found: Iterable[Sequence[str]]) -> str:
    """The lines of several hosts in the order of time, with which each begins."""
    return "\n".join(sorted((line for lines in found for line in lines), key=lambda line: line[: len(MOMENT)]))


def journals(tier: Tier, since: float) -> dict[str, list[str]]:
    """What each host has said since then, all asked at once."""
    names = sorted({name for group in tier.groups.values() for name in group})
    with ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(lambda name: _journal(tier, name, since), names), strict=True))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the ends of the journals to the report of a test that failed, and keep the whole of them in a file."""
    report = yield
    tier = getattr(item, "funcargs", {}).get("tier")
    if report.failed and isinstance(tier, Tier):
        found = journals(tier, call.start)
        test = re.sub(r"[^-.\w]", "_", item.name)
        path = TOP / ".cache/report/journals" / f"{tier.inventory.parent.name}-{test}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(merged(found.values()) + "\n")
        title = f"the ends of the journals since then, all of it is in {path.relative_to(TOP)}"
        report.sections.append((title, merged(lines[-SHOWN:] for lines in found.values())))
    return report
