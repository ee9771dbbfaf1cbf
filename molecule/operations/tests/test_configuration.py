"""A change of the configuration reaches every member, also one whose PostgreSQL starts at that moment."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tier import Tier, wait_until

RULE = (
    '{"postgresql_hba": [{"database": "all", "user": "nobody_at_all", "address": "192.0.2.1/32", "method": "reject"}]}'
)
DATA = "/var/lib/postgresql/17/main"
# Patroni starts it again, and it gets no further than having read its files.
HOLD_AT_ITS_START = f"""old=$(head -n 1 {DATA}/postmaster.pid); kill -9 $old
for _ in $(seq 3000); do
  new=$(head -n 1 {DATA}/postmaster.pid 2> /dev/null || true)
  if [ -n "$new" ] && [ "$new" != "$old" ]; then kill -STOP $new; echo $new; exit 0; fi
  sleep 0.01
done
exit 1"""
GOES_ON_AFTER_SECONDS = 4


def rules(tier: Tier, name: str) -> int:
    return int(tier.psql(name, "SELECT count(*) FROM pg_hba_file_rules WHERE user_name = '{nobody_at_all}'")[0][0])


def state(tier: Tier, name: str) -> str:
    return tier.members()[name].state


def test_a_member_that_starts_meanwhile_has_the_change_as_well(tier: Tier) -> None:
    """Patroni takes a change that comes while PostgreSQL starts for applied, and it has written the old files."""
    name, leader = tier.replicas()[0], tier.leader()
    held = tier.host(name).check_output(HOLD_AT_ITS_START)
    try:
        wait_until(f"{name} starts", 20, lambda: state(tier, name) == "starting")
        with ThreadPoolExecutor(1) as aside:
            run = aside.submit(tier.playbook, "site.yml", "-e", RULE)
            wait_until(f"{leader} has the change", 60, lambda: rules(tier, leader) == 1)
            # So that the loop of the one that starts has seen it.
            time.sleep(GOES_ON_AFTER_SECONDS)
            assert state(tier, name) == "starting"
            tier.host(name).check_output(f"kill -CONT {held}")
            run.result()
        assert {one: rules(tier, one) for one in tier.groups["postgres"]} == dict.fromkeys(tier.groups["postgres"], 1)
        tier.unchanged("site.yml", "-e", RULE)
    finally:
        tier.host(name).run(f"kill -CONT {held}")
        tier.playbook("site.yml")
    assert not any(rules(tier, one) for one in tier.groups["postgres"])
