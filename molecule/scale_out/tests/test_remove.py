"""Members go, under load, and what would break a promise is refused."""

from __future__ import annotations

from collections.abc import Callable

import load
from tier import Tier, wait_until

PLAYBOOK = "playbooks/remove_replica.yml"


def refused(tier: Tier, *arguments: str) -> str:
    """What is said, on one line."""
    given = [part for argument in arguments for part in ("-e", argument)]
    return " ".join(tier.refusal(PLAYBOOK, *given).replace("\\n", " ").split())


def test_what_the_cluster_cannot_do_without_stays(with_hosts: Callable[..., Tier]) -> None:
    tier = with_hosts("pg4", "pg5")
    leader = tier.leader()
    assert f"{leader} is the leader" in refused(tier, f"host={leader}")
    other = next(name for name in ("pg1", "pg3") if name != leader)
    assert "survive the loss of none" in refused(tier, f"host={other}"), "etcd has three members"
    if leader != "pg2":
        assert "pg5 streams from pg2" in refused(tier, "host=pg2")
    assert "Say which member is to be removed" in refused(tier)
    assert "Say which member is to be removed" in refused(tier, "host=pg4", "remove_data=pg5")
    assert tier.streaming()


def test_a_member_goes_under_load(with_hosts: Callable[..., Tier]) -> None:
    before, after = with_hosts("pg4", "pg5"), with_hosts("pg5")
    wait_until("every member streams", 90, before.streaming)
    with load.running(before) as under_load:
        before.playbook(PLAYBOOK, "-e", "host=pg4")
    assert load.problems(under_load.report) == []
    assert after.streaming()
    assert ["pg4"] not in after.psql(after.leader(), "SELECT slot_name FROM pg_replication_slots")
    assert before.host("pg4").file("/var/lib/postgresql/17/main/PG_VERSION").exists, "its data is kept"
    assert not before.host("pg4").service("patroni").is_enabled


def test_again_nothing_changes(with_hosts: Callable[..., Tier]) -> None:
    with_hosts("pg4", "pg5").unchanged(PLAYBOOK, "-e", "host=pg4")
    with_hosts("pg5").unchanged("site.yml")


def test_data_goes_when_the_name_is_said_twice(with_hosts: Callable[..., Tier]) -> None:
    tier = with_hosts("pg4", "pg5")
    tier.playbook(PLAYBOOK, "-e", "host=pg4", "-e", "remove_data=pg4")
    assert not tier.host("pg4").file("/var/lib/postgresql/17/main").exists
