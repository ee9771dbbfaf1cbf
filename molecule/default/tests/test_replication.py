"""Streaming replication with a quorum: what is written is on the replicas, and only the primary takes writes."""

from __future__ import annotations

import psycopg
import pytest
from tier import Tier, wait_until

# What may be outstanding on a cluster that nobody writes to: a standby's record or two, no application data.
QUIET_LAG_BYTES = 64 * 1024


def test_every_replica_streams_on_the_leaders_timeline(tier: Tier) -> None:
    members = tier.members()
    leader = members[tier.leader()]
    assert set(members) == set(tier.groups["postgres"])
    replicas = [member for member in members.values() if member is not leader]
    assert [(r.state, r.timeline) for r in replicas] == [("streaming", leader.timeline)] * 2
    # Patroni's word, and PostgreSQL's own.
    receivers = [tier.psql(r.name, "SELECT status, received_tli FROM pg_stat_wal_receiver") for r in replicas]
    assert receivers == [[["streaming", str(leader.timeline)]]] * 2


def test_two_standbys_make_the_quorum(tier: Tier) -> None:
    leader = tier.leader()
    standbys = tier.psql(leader, "SELECT application_name, sync_state FROM pg_stat_replication ORDER BY 1")
    assert standbys == [[name, "quorum"] for name in tier.replicas()]
    ((names,),) = tier.psql(leader, "SHOW synchronous_standby_names")
    assert names.startswith("ANY 1 (")
    assert tier.ask("primary", "SHOW synchronous_commit") == "on"


def test_a_row_written_through_the_primary_endpoint_is_read_on_each_replica(tier: Tier, table: str) -> None:
    with tier.connect("primary") as connection:
        connection.execute(f"INSERT INTO {table} VALUES (1, 'written through 6432')")
    for name in tier.replicas():
        tier.wait_for_rows(name, f"SELECT note FROM {table}", [["written through 6432"]])
    wait_until(
        "the row is read through the replica endpoint",
        10,
        lambda: tier.ask("replica", f"SELECT note FROM {table} WHERE id = 1") == "written through 6432",
    )


def test_lag_goes_away_once_it_is_quiet(tier: Tier, table: str) -> None:
    with tier.connect("primary") as connection:
        connection.execute(f"INSERT INTO {table} SELECT n, repeat('x', 500) FROM generate_series(1, 20000) n")
    behind = "SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), count(*) FROM pg_stat_replication"

    def caught_up() -> bool:
        ((lag, standbys),) = tier.psql(tier.leader(), behind)
        return standbys == "2" and float(lag) <= QUIET_LAG_BYTES

    wait_until(f"both replicas are within {QUIET_LAG_BYTES} bytes", 15, caught_up)


def test_a_replica_refuses_writes(tier: Tier, table: str) -> None:
    for name in tier.replicas():
        with pytest.raises(psycopg.DatabaseError, match="read-only transaction"):
            tier.psql(name, f"INSERT INTO {table} VALUES (1, 'on a replica')", "app")
    for endpoint in ("replica", "replica_session", "replica_direct"):
        with tier.connect(endpoint) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute(f"INSERT INTO {table} VALUES (1, 'through a read endpoint')")
    assert tier.ask("primary", f"SELECT count(*) FROM {table}") == 0


def test_each_replica_has_a_replication_slot_in_use(tier: Tier) -> None:
    slots = tier.psql(
        tier.leader(), "SELECT slot_name, slot_type, active FROM pg_replication_slots WHERE active ORDER BY 1"
    )
    assert slots == [[name, "physical", "t"] for name in tier.replicas()]
    for name in tier.replicas():
        assert tier.psql(name, "SELECT slot_name FROM pg_stat_wal_receiver") == [[name]]


def test_data_checksums_are_on_everywhere(tier: Tier) -> None:
    for name in tier.groups["postgres"]:
        assert tier.psql(name, "SHOW data_checksums") == [["on"]], name


def test_statements_are_counted_in_the_applications_database(tier: Tier, table: str) -> None:
    """A statement on a table of its own: pg_stat_statements takes those that differ in constants and names for one."""
    for _time in range(3):
        tier.ask("primary", f"SELECT count(*) FROM {table}")
    counted = f"SELECT sum(calls) FROM pg_stat_statements WHERE query LIKE 'SELECT count(*) FROM {table}%'"
    assert tier.psql(tier.leader(), counted, "app") == [["3"]]
