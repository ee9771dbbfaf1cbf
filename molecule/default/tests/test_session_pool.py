"""6433: what needs a session works over many statements, and is gone with it."""

from __future__ import annotations

import psycopg
import pytest
from tier import Tier


def test_a_session_keeps_its_backend_and_shares_it_with_nobody(tier: Tier) -> None:
    pid = "SELECT pg_backend_pid()"
    with tier.connect("primary_session", proxy=0) as one, tier.connect("primary_session", proxy=0) as other:
        seen = [[connection.execute(pid).fetchone() for connection in (one, other)] for _ in range(5)]
    assert all(row == seen[0] for row in seen)
    assert seen[0][0] != seen[0][1]


def test_a_temporary_table_lives_as_long_as_the_session(tier: Tier) -> None:
    with tier.connect("primary_session") as connection:
        connection.execute("CREATE TEMPORARY TABLE kept (n int)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, 10)")
        assert connection.execute("SELECT sum(n) FROM kept").fetchone() == (55,)
    with tier.connect("primary_session") as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT FROM kept")


def test_a_setting_lives_as_long_as_the_session(tier: Tier) -> None:
    with tier.connect("primary_session", proxy=0) as connection:
        before = connection.execute("SHOW statement_timeout").fetchone()
        connection.execute("SET statement_timeout = '123s'")
        assert [connection.execute("SHOW statement_timeout").fetchone() for _ in range(3)] == [("123s",)] * 3
        pid = connection.info.backend_pid, connection.execute("SELECT pg_backend_pid()").fetchone()
    with tier.connect("primary_session", proxy=0) as connection:
        assert connection.execute("SELECT pg_backend_pid()").fetchone() == pid[1], "another backend: this says nothing"
        assert connection.execute("SHOW statement_timeout").fetchone() == before


def test_an_advisory_lock_is_held_across_statements(tier: Tier) -> None:
    lock = "SELECT pg_try_advisory_lock(20261)"
    with tier.connect("primary_session") as other, tier.connect("primary_session") as holder:
        assert holder.execute(lock).fetchone() == (True,)
        holder.execute("SELECT 1")
        assert other.execute(lock).fetchone() == (False,)
        assert holder.execute("SELECT pg_advisory_unlock(20261)").fetchone() == (True,)
        assert other.execute(lock).fetchone() == (True,)


def test_an_advisory_lock_is_given_back_when_its_client_goes(tier: Tier) -> None:
    lock = "SELECT pg_try_advisory_lock(20262)"
    holder = tier.connect("primary_session")
    assert holder.execute(lock).fetchone() == (True,)
    with tier.connect("primary_session") as other:
        assert other.execute(lock).fetchone() == (False,)
        holder.close()
        other.execute("SET statement_timeout = '10s'")
        assert other.execute("SELECT pg_advisory_lock(20262) IS NOT NULL").fetchone() == (True,)


def test_notifications_reach_who_listens(tier: Tier) -> None:
    with tier.connect("primary_session") as listener, tier.connect("primary_session") as speaker:
        listener.execute("LISTEN news")
        for number in range(3):
            speaker.execute("SELECT pg_notify('news', %s)", [f"number {number}"])
        heard = list(listener.notifies(timeout=10, stop_after=3))
    assert [notification.payload for notification in heard] == ["number 0", "number 1", "number 2"]


def test_what_was_notified_through_the_transaction_pool_is_heard_here(tier: Tier) -> None:
    """The application commits through 6432, a worker listens on 6433."""
    with tier.connect("primary_session") as listener:
        listener.execute("LISTEN from_transactions")
        tier.ask("primary", "SELECT pg_notify('from_transactions', 'hello')")
        heard = list(listener.notifies(timeout=10, stop_after=1))
    assert [notification.payload for notification in heard] == ["hello"]
