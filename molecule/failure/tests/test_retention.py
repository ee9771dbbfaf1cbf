"""A replica that is away for too long: the primary gives up its WAL, not its disk, and status.yml says what to do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import load
import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.drill import checker, report
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.logins import SETTINGS
from tier import Tier, wait_until

pytestmark = pytest.mark.full

EDIT = "patronictl -c /etc/patroni/config.yml edit-config --force"
# As of a host with a small disk. The plan's own limit, 16 GiB and more, would take a computer of its own.
LIMITS_MB = {"max_slot_wal_keep_size": 64, "wal_keep_size": 32, "min_wal_size": 32, "max_wal_size": 64}
WRITTEN_MB = 640
# Until a checkpoint, that is: what a slot may hold, and what may be written until the next one ends.
BOUND_MB = 64 + 2 * 64 + 64
FILL = "SELECT count(pg_logical_emit_message(false, 'fill', repeat('x', 1024 * 1024))) FROM generate_series(1, 32)"
RESTS = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{}'"
SIZE = "SELECT sum(size) / 1024 / 1024 FROM pg_ls_waldir()"


@contextmanager
def limits(tier: Tier) -> Iterator[None]:
    def switch(values: dict[str, str]) -> None:
        leader = tier.leader()
        sets = " ".join(f"--pg {name}={value}" for name, value in values.items())
        tier.host(leader).check_output(f"{EDIT} {sets}")
        for name, value in values.items():
            wait_until(f"{name} is {value}", 30, lambda: tier.psql(leader, f"SHOW {name}") == [[value]])  # noqa: B023

    before = {name: tier.psql(tier.leader(), f"SHOW {name}")[0][0] for name in LIMITS_MB}
    switch({name: f"{megabytes}MB" for name, megabytes in LIMITS_MB.items()})
    try:
        yield
    finally:
        switch(before)


@contextmanager
def away(tier: Tier, name: str) -> Iterator[None]:
    """Patroni is stopped, and with it PostgreSQL."""
    tier.host(name).check_output("systemctl stop patroni")
    try:
        yield
    finally:
        tier.host(name).check_output("systemctl start patroni")


def status(tier: Tier, path: Path) -> list[str]:
    """What status.yml finds to need care."""
    tier.playbook("playbooks/status.yml", "-e", f"status_file={path}")
    problems: list[str] = json.loads(path.read_text())["problems"]
    return problems


def test_a_replica_that_is_away_for_too_long(tier: Tier, tmp_path: Path) -> None:
    leader, name = tier.leader(), tier.replicas()[-1]
    file, reinit = tmp_path / "status.json", f"-e member={name} -e reinit_confirm={name}"

    def problem(said: str) -> bool:
        return any(name in one and said in one for one in status(tier, file))

    with limits(tier):
        with load.running(tier, 10, 10, settings=SETTINGS, patience=30.0) as under_load:
            begin = time.monotonic()
            with away(tier, name):
                assert problem("its Patroni does not answer") and problem("MiB of WAL for"), status(tier, file)
                sizes = []
                for _part in range(WRITTEN_MB // 32):
                    tier.psql(leader, FILL)
                    tier.psql(leader, "CHECKPOINT")
                    sizes.append(float(tier.psql(leader, SIZE)[0][0]))
                slot = tier.psql(leader, RESTS.format(name))
                assert problem("cannot catch up"), status(tier, file)
            end = time.monotonic()
            under_load.stop()
            ledger = under_load.report
        gap = report.longest_gap((write.end for write in ledger.writes), begin, end)
        print(
            f"{WRITTEN_MB} MiB written, WAL of {max(sizes):.0f} MiB at most; longest time without a write {gap:.2f} s"
        )
        assert slot == [["lost"]]
        assert max(sizes) < BOUND_MB, sizes
        assert gap < 10
        assert [anomaly.text for anomaly in checker.check(ledger)] == []

        wait_until("its PostgreSQL runs", 60, lambda: tier.status(name)["state"] == "running")
        wait_until("status.yml says what to do", 60, lambda: problem("cannot catch up"))
        assert problem(f"playbooks/reinit.yml {reinit}"), status(tier, file)
        assert tier.members()[name].state != "streaming"

        tier.playbook("playbooks/reinit.yml", *reinit.split())
        wait_until("every member is there and streams", 60, tier.whole)
        # Or WAL would not be kept for it the next time either.
        wait_until("its slot holds", 30, lambda: tier.psql(leader, RESTS.format(name)) == [["reserved"]])
    wait_until("nothing needs care", 60, lambda: status(tier, file) == [])
