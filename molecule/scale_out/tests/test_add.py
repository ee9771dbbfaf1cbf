"""Members come, under load, and those that are there are left alone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import load
from tier import TOP, Tier, wait_until

# What would differ on a member that was restarted, or was given another certificate.
LOOK = """
head -n 3 /var/lib/postgresql/17/main/postmaster.pid | sed -n '1p;3p'
systemctl show --property=InvocationID patroni etcd
sha256sum /etc/patroni/tls/host.crt /etc/etcd/tls/host.crt
"""


def start(tier: Tier, *arguments: str) -> subprocess.Popen[str]:
    command = [str(Path(sys.executable).with_name("ansible-playbook")), *arguments]
    command += [argument for path in tier.files for argument in ("-i", path)]
    return subprocess.Popen(command, cwd=TOP, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)


def test_members_come_under_load_and_a_second_run_finishes_an_interrupted_one(with_hosts: Callable[..., Tier]) -> None:
    before, tier = with_hosts(), with_hosts("pg4", "pg5")
    wait_until("every member streams", 90, before.streaming)
    looked = {name: before.host(name).check_output(LOOK) for name in before.groups["postgres"]}
    tier.playbook("playbooks/lab.yml")
    with load.running(before) as under_load:
        interrupted = start(tier, "playbooks/add_replica.yml")
        try:
            # In the middle of it: Patroni has begun, and no proxy knows of it yet.
            wait_until("a new member begins", 240, lambda: {"pg4", "pg5"} & before.members().keys())
        finally:
            interrupted.kill()
            interrupted.wait()
        tier.playbook("playbooks/add_replica.yml")
        assert tier.streaming()
        # Reads reach it, spread anew by the pools that were open.
        time.sleep(5)
    assert load.problems(under_load.report) == []
    assert tier.address("pg4") in under_load.report.servers
    assert tier.address("pg5") not in under_load.report.servers, "reports only"
    assert {name: before.host(name).check_output(LOOK) for name in looked} == looked
    assert tier.ask("analytics", "SELECT host(inet_server_addr())") == tier.address("pg5")
    assert tier.psql("pg5", "SELECT sender_host FROM pg_stat_wal_receiver") == [[tier.address("pg2")]]


def test_again_nothing_changes(with_hosts: Callable[..., Tier]) -> None:
    tier = with_hosts("pg4", "pg5")
    tier.unchanged("playbooks/add_replica.yml")
    tier.unchanged("site.yml")


def test_a_host_that_is_not_listed_is_refused(with_hosts: Callable[..., Tier]) -> None:
    said = with_hosts().refusal("playbooks/add_replica.yml", "-e", "new_hosts=pg9")
    assert "pg9 is not in the group postgres" in " ".join(said.split())
