"""The direct ports, which no pool holds: where they lead, and that their sessions end when their primary does."""

from __future__ import annotations

import time

import psycopg
import pytest
from failing import FAULTS, Saboteur
from tier import Tier

pytestmark = pytest.mark.full

# The checks take some tries. A client that waits for the kernel would wait a quarter of an hour.
ENDS_WITHIN_SECONDS = 20


@pytest.mark.parametrize(("endpoint", "standby"), [("primary_direct", False), ("replica_direct", True)])
def test_the_direct_ports_lead_where_they_should(tier: Tier, endpoint: str, standby: bool) -> None:
    for proxy in range(len(tier.groups["proxy"])):
        assert {tier.ask(endpoint, "SELECT pg_is_in_recovery()", proxy=proxy) for _try in range(6)} == {standby}


def test_a_direct_session_ends_with_its_primary(tier: Tier, saboteur: Saboteur) -> None:
    leader = tier.leader()
    with tier.connect("primary_direct") as connection:
        connection.execute("SELECT 1")
        with saboteur.struck(FAULTS["hang_leader"], [leader]):
            begin = time.monotonic()
            # With nothing under way, and so with nothing that TCP would miss an answer to.
            while not ended(connection, 0.5):
                assert time.monotonic() - begin < ENDS_WITHIN_SECONDS, "the session hangs with its primary"
            print(f"the session ended after {time.monotonic() - begin:.1f} s")


def ended(connection: psycopg.Connection[object], seconds: float) -> bool:
    """Whether the server's side of a session is gone, seen without asking anything."""
    try:
        list(connection.notifies(timeout=seconds))
    except psycopg.OperationalError:
        return True
    return False
