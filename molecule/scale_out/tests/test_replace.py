"""A host that is gone, a member of PostgreSQL and of etcd, is replaced under load by a bare one of the same name."""

from __future__ import annotations

import json
from collections.abc import Callable

import load
from tier import Tier, wait_until

ETCDCTL = (
    "etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/etcd/tls/ca.crt --cert=/etc/etcd/tls/host.crt "
    "--key=/etc/etcd/tls/host.key "
)


def etcd(tier: Tier, name: str) -> dict[str, bool]:
    """Members of etcd as one of them has it, and whether they have a vote."""
    answer = json.loads(tier.host(name).check_output(ETCDCTL + "member list --write-out=json"))
    return {member.get("name", ""): not member.get("isLearner", False) for member in answer["members"]}


def test_a_host_that_is_gone_is_replaced(with_hosts: Callable[..., Tier]) -> None:
    tier = with_hosts("pg5")
    wait_until("every member streams", 90, tier.streaming)
    # Not pg2, which pg5 streams from.
    lost = next(name for name in ("pg3", "pg1") if name != tier.leader())
    asked = next(name for name in ("pg1", "pg2", "pg3") if name != lost)
    etcd_runs = tier.host(asked).check_output("systemctl show --property=InvocationID etcd")
    tier.playbook("playbooks/lab_fault.yml", "-e", f"host={lost}", "-e", "fault=killed")
    tier.playbook("playbooks/lab.yml", "-e", "lab_state=absent", "-e", json.dumps({"lab_only": [lost]}))
    wait_until("Patroni knows that it is gone", 60, lambda: lost not in tier.members())
    with load.running(tier) as under_load:
        tier.playbook("playbooks/remove_replica.yml", "-e", f"host={lost}")
        assert lost not in etcd(tier, asked)
        tier.playbook("playbooks/lab.yml")
        # Half joined, as a run that ended after its first step leaves it.
        address = tier.address(lost)
        tier.host(asked).check_output(ETCDCTL + f"member add {lost} --learner --peer-urls=https://{address}:2380")
        assert etcd(tier, asked)[""] is False
        tier.playbook("playbooks/add_replica.yml")
    assert load.problems(under_load.report) == []
    assert etcd(tier, asked) == {"pg1": True, "pg2": True, "pg3": True}
    assert tier.host(asked).check_output("systemctl show --property=InvocationID etcd") == etcd_runs
    assert tier.streaming()


def test_again_nothing_changes(with_hosts: Callable[..., Tier]) -> None:
    tier = with_hosts("pg5")
    tier.unchanged("playbooks/add_replica.yml")
    tier.unchanged("site.yml")
