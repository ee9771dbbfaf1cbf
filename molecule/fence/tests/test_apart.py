"""etcd's leader is not on the primary's host: lost together, they cost an election more, which renews every lease."""

from __future__ import annotations

from failing import Saboteur
from tier import Tier, wait_until


def test_etcd_is_led_from_another_host(tier: Tier, saboteur: Saboteur) -> None:
    wait_until("etcd's leader is elsewhere", 20, lambda: saboteur.etcd_leader() != tier.leader())


def test_a_primary_that_comes_to_where_etcd_is_led_moves_it_on(tier: Tier, saboteur: Saboteur) -> None:
    there, old = saboteur.etcd_leader(), tier.leader()
    tier.playbook("playbooks/switchover.yml", "-e", f"candidate={there}")
    assert tier.leader() == there
    wait_until("etcd's leader has moved", 30, lambda: saboteur.etcd_leader() != there)
    print(f"\n{old} handed over to {there}, which led etcd; now {saboteur.etcd_leader()} does")
