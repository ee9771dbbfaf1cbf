"""The proof that a host gives by itself: Patroni has ended, and no process of its PostgreSQL is left."""

from __future__ import annotations

import time

from failing import journal
from tier import Tier, wait_until

GIVEN_UP = "PostgreSQL is stopped and Patroni has ended: the leader key is given up"
POSTMASTER = "head -n 1 /var/lib/postgresql/17/main/postmaster.pid"


def test_a_patroni_that_dies_alone_keeps_the_lead(tier: Tier) -> None:
    """And is back as soon as ever."""
    leader = tier.leader()
    host, before = tier.host(leader), tier.host(leader).check_output(POSTMASTER)
    since = time.time()
    host.check_output("systemctl kill --kill-whom=main --signal=KILL patroni")
    wait_until("Patroni is back", 15, lambda: tier.leader() == leader and tier.whole())
    assert host.check_output(POSTMASTER) == before
    said = journal(tier, "patroni", since, [leader])
    assert GIVEN_UP not in said
    print(f"\n{said}")


def test_a_patroni_that_cannot_come_back_gives_the_lead_up(tier: Tier) -> None:
    """Its configuration is gone, say; and PostgreSQL is dead."""
    leader = tier.leader()
    host, since = tier.host(leader), time.time()
    host.check_output("mv /etc/patroni/config.yml /etc/patroni/config.kept")
    try:
        moment = time.monotonic()
        host.check_output("systemctl kill --kill-whom=all --signal=KILL patroni")
        wait_until("another member leads", 10, lambda: tier.leader() != leader)
        took = time.monotonic() - moment
    finally:
        host.check_output("mv /etc/patroni/config.kept /etc/patroni/config.yml")
    print(f"\n{took:.2f} s from the death of Patroni and PostgreSQL to another leader")
    assert journal(tier, "patroni", since, [leader]).count(GIVEN_UP) == 1
    wait_until("the old primary is back as a replica", 60, tier.whole)
