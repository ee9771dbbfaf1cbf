"""What a right inventory becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.build import build_plan
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.mistakes import PlanError
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.presets import RECOVERY_TIME
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.profiles import SAME_ON_ALL_MEMBERS, SOURCES
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.plan.examples import (
    GROUPS,
    MEMBERS,
    inventory,
    plan,
)

ONE = {"etcd": ("pg1",), "postgres": ("pg1",), "proxy": ("pg1",)}
TWO = {**GROUPS, "postgres": ("pg1", "pg2")}
FOUR = {**GROUPS, "postgres": (*MEMBERS, "pg4")}
ANALYTICS = {"pg4": {"patroni_role": "analytics"}}


def test_etcd_urls() -> None:
    etcd = plan(etcd_client_port=12379)["etcd"]
    assert etcd["initial_cluster"] == "pg1=https://10.0.0.11:2380,pg2=https://10.0.0.12:2380,pg3=https://10.0.0.13:2380"
    assert etcd["client_urls"] == [f"https://10.0.0.{number}:12379" for number in (11, 12, 13)]
    assert etcd["token"] == "main"


@pytest.mark.parametrize(
    ("groups", "variables", "point", "mode"),
    [
        (None, {}, "zero", "quorum"),
        (None, {"patroni_recovery_point": "async"}, "async", False),
        (TWO, {}, "async", False),
        (TWO, {"patroni_recovery_point": "zero"}, "zero", "quorum"),
        (ONE, {"postgresql_max_connections": 300}, "async", False),
    ],
)
def test_recovery_point(groups: Any, variables: dict[str, Any], point: str, mode: Any) -> None:
    made = plan(groups, **variables)
    assert made["cluster"]["recovery_point"] == point
    assert made["patroni"]["dynamic"]["synchronous_mode"] == mode
    assert any("Recovery point is async" in note for note in made["notes"]) == (
        point == "async" and not {*variables} & {"patroni_recovery_point"}
    )


@pytest.mark.parametrize("preset", RECOVERY_TIME)
def test_recovery_time_leaves_a_margin(preset: str) -> None:
    times = RECOVERY_TIME[preset]
    assert times.ttl >= 20 and times.loop_wait >= 1 and times.retry_timeout >= 3
    assert times.margin >= 5
    made = plan(patroni_recovery_time=preset)
    dynamic = made["patroni"]["dynamic"]
    assert dynamic["loop_wait"] + 2 * dynamic["retry_timeout"] < dynamic["ttl"] == times.ttl
    # An etcd that elects a leader has time to say so, in the share that Patroni gives each of three members.
    assert dynamic["retry_timeout"] / 3 >= 1.3 * made["etcd"]["election_timeout_ms"] / 1000


@pytest.mark.parametrize(
    ("preset", "fence", "calm", "silence"),
    [
        ("fast", [], 2.0, 5.0),
        ("fast", ["/usr/local/bin/fence", "{host}"], 0.4, 1.2),
        ("tolerant", [], 2.0, 30),
        ("tolerant", ["/usr/local/bin/fence", "{host}"], 0.4, 30),
    ],
)
def test_who_can_be_fenced_is_listened_to_more_closely(
    preset: str, fence: list[str], calm: float, silence: float
) -> None:
    made = plan(patroni_recovery_time=preset, patroni_fence_command=fence)["patroni"]["succession"]["pg1"]
    assert (made["calm_seconds"], made["silence_seconds"]) == (calm, silence)


def test_analytics_replica_is_kept_apart() -> None:
    made = plan(FOUR, ANALYTICS)
    assert made["members"]["pg4"]["tags"] == {"nofailover": True, "nosync": True}
    assert made["members"]["pg1"]["tags"] == {}
    backends = {backend["name"]: backend for backend in made["haproxy"]["backends"]}
    assert [server["name"] for server in backends["analytics"]["servers"]] == ["pg4"]
    assert [server["name"] for server in backends["replica"]["servers"]] == list(MEMBERS)
    assert backends["analytics"]["fallback"] is None
    assert not backends["analytics"]["shutdown_sessions_on_down"]
    assert made["endpoints"]["analytics"]["port"] == 6452
    assert made["postgresql"]["per_member"]["pg4"]["hot_standby_feedback"] == "off"
    assert made["postgresql"]["parameters"]["hot_standby_feedback"] == "on"
    # It has nobody's failover to count for: three candidates are left.
    assert made["cluster"]["recovery_point"] == "zero"


def test_without_an_analytics_replica_nothing_of_it_exists() -> None:
    made = plan()
    assert "analytics" not in made["endpoints"]
    assert [backend["name"] for backend in made["haproxy"]["backends"]] == ["primary", "replica"]


@pytest.mark.parametrize(
    ("variables", "check", "fallback"),
    [
        ({}, "/replica?lag=16MB&replication_state=streaming", "primary"),
        ({"haproxy_read_fallback": "no"}, "/replica?lag=16MB&replication_state=streaming", None),
        ({"haproxy_replica_max_lag_mb": 1}, "/replica?lag=1MB&replication_state=streaming", "primary"),
    ],
)
def test_read_backend(variables: dict[str, Any], check: str, fallback: str | None) -> None:
    made = plan(**variables)
    primary, replica = made["haproxy"]["backends"]
    assert primary["check"] == "/primary" and primary["fallback"] is None
    assert (replica["check"], replica["fallback"]) == (check, fallback)
    # The pools fall back as the direct port does.
    assert made["pgbouncer"]["route"]["reads"]["fallback"] is (fallback == "primary")


def test_endpoints_are_those_of_the_design() -> None:
    made = plan()["endpoints"]
    assert {name: (end["port"], end["target"], end["pool_mode"]) for name, end in made.items()} == {
        "primary": (6432, "primary", "transaction"),
        "primary_session": (6433, "primary", "session"),
        "replica": (6442, "replica", "transaction"),
        "replica_session": (6443, "replica", "session"),
        "primary_direct": (5000, "primary", None),
        "replica_direct": (5001, "replica", None),
    }
    assert all(end["hosts"] == ["10.0.0.14", "10.0.0.15"] for end in made.values())


def test_endpoint_changes() -> None:
    changes = {
        "primary": {"port": 7432, "pool_size": 5, "max_client_connections": "100"},
        "replica": {"enabled": False},
    }
    instances = {instance["name"]: instance for instance in plan(pgbouncer_endpoints=changes)["pgbouncer"]["instances"]}
    assert list(instances) == ["primary", "primary_session", "replica_session"]
    assert instances["primary"]["port"] == 7432
    assert instances["primary"]["settings"]["default_pool_size"] == 5
    assert instances["primary"]["settings"]["max_client_conn"] == 100
    assert instances["primary_session"]["settings"]["default_pool_size"] == 10


def test_processes_of_an_endpoint_share_what_it_has() -> None:
    made = plan(pgbouncer_endpoints={"replica": {"processes": 3, "pool_size": 20, "max_client_connections": 1000}})
    instances = {instance["name"]: instance for instance in made["pgbouncer"]["instances"]}
    assert list(instances) == ["primary", "primary_session", "replica", "replica.2", "replica.3", "replica_session"]
    third = instances["replica.3"]
    assert (third["unit"], third["endpoint"], third["port"]) == ("pgbouncer@replica.3.service", "replica", 6442)
    assert third["start_settings"]["so_reuseport"] == 1 and third["start_settings"]["peer_id"] == 3
    assert third["peers"] == {
        number: f"/run/pgbouncer/replica{suffix}" for number, suffix in (("1", ""), ("2", ".2"), ("3", ".3"))
    }
    sizes = [third["settings"][name] for name in ("default_pool_size", "max_client_conn", "min_pool_size")]
    assert sizes == [7, 334, 7]
    (term,) = (term for term in made["pgbouncer"]["budget"]["terms"] if term["endpoint"] == "replica")
    assert term["text"] == "replica: 2 pools x 7 connections x 3 processes x 2 proxies = 84"
    (reads,) = (one for one in made["pgbouncer"]["route"]["reads"]["endpoints"] if one["name"] == "replica.pgtier")
    assert len(reads["consoles"]) == 3


def test_a_process_alone_has_a_stand_in() -> None:
    made = plan(pgbouncer_endpoints={"replica": {"processes": 2}})["pgbouncer"]
    instances, standins = ({one["name"]: one for one in made[key]} for key in ("instances", "standins"))
    assert list(standins) == ["primary.standin", "primary_session.standin", "replica_session.standin"]
    own, standin = instances["primary"], standins["primary.standin"]
    assert (own["port"], own["peers"]) == (standin["port"], standin["peers"])
    assert list(own["peers"].values()) == ["/run/pgbouncer/primary", "/run/pgbouncer/primary.standin"]
    assert [one["start_settings"]["peer_id"] for one in (own, standin)] == [1, 2]
    assert standin["unit"] == "pgbouncer-standin@primary.service"
    assert [one["settings"]["default_pool_size"] for one in (own, standin)] == [20, 10]
    assert [one["database_limits"]["app"] for one in (own, standin)] == [40, 20]
    assert "/run/pgbouncer/primary.standin/.s.PGSQL.6432" in made["route"]["primary"]["consoles"]


def test_modes_have_their_own_settings() -> None:
    instances = {instance["name"]: instance["settings"] for instance in plan()["pgbouncer"]["instances"]}
    assert instances["primary"]["max_prepared_statements"] == 200
    for name in ("primary", "primary_session"):
        assert instances[name]["server_reset_query"] == "DISCARD ALL"
        assert instances[name]["server_reset_query_always"] == 1
    assert instances["replica"]["server_round_robin"] == 1
    assert instances["primary"]["max_client_conn"] >= 2000
    # An even share of the two replicas, kept open.
    assert instances["replica"]["min_pool_size"] == 20


def test_a_pool_may_keep_what_clients_set() -> None:
    instances = plan(pgbouncer_endpoints={"primary": {"reset": False}})["pgbouncer"]["instances"]
    (primary,) = (instance["settings"] for instance in instances if instance["name"] == "primary")
    assert primary["server_reset_query"] == ""
    assert "server_reset_query_always" not in primary


def test_budget_counts_users_databases_and_proxies() -> None:
    budget = plan()["pgbouncer"]["budget"]
    assert [(term["endpoint"], term["connections"]) for term in budget["terms"]] == [
        ("primary", 2 * 20 * 2),
        ("primary_session", 2 * 10 * 2),
        ("replica", 2 * 20 * 2),
        ("replica_session", 2 * 10 * 2),
        ("password lookup", 4 * 2),
    ]
    assert budget["total"] == 248 and budget["available"] == 300 - 5 - 20


def test_budget_of_the_primary_is_without_reads_when_they_do_not_fall_back() -> None:
    terms = plan(haproxy_read_fallback=False)["pgbouncer"]["budget"]["terms"]
    assert [term["endpoint"] for term in terms] == ["primary", "primary_session", "password lookup"]


@pytest.mark.parametrize(
    ("users", "pools"),
    [
        ([{"name": "app"}], 1),
        # One who owns nothing and is granted nothing cannot connect.
        ([{"name": "app"}, {"name": "web"}], 1),
        ([{"name": "app"}, {"name": "web", "member_of": ["app"]}], 2),
        ([{"name": "app"}, {"name": "web", "member_of": ["mid"]}, {"name": "mid", "member_of": ["app"]}], 3),
        ([{"name": "app"}, {"name": "web", "member_of": ["app"], "attributes": ["NOLOGIN"]}], 1),
        # Nobody logs in as the owner, but users may be made later.
        ([{"name": "app", "attributes": ["NOLOGIN"]}], 1),
    ],
)
def test_pools_are_for_users_that_can_connect(users: list[dict[str, Any]], pools: int) -> None:
    made = plan(databases_users=users, postgresql_max_connections=500)
    assert made["pgbouncer"]["budget"]["terms"][0]["pools"] == pools
    assert made["pgbouncer"]["instances"][0]["database_limits"] == {"app": pools * 20}


def test_hba_refuses_before_it_lets_clients_in() -> None:
    lines = plan(postgresql_hba=[{"database": "app", "user": "app", "address": "10.9.0.0/16", "method": "reject"}])[
        "patroni"
    ]["dynamic"]["postgresql"]["pg_hba"]
    assert lines == [
        "local all postgres peer",
        "local all all scram-sha-256",
        "hostssl replication replicator 127.0.0.1/32 scram-sha-256",
        "hostssl replication replicator 10.0.0.11/32 scram-sha-256",
        "hostssl replication replicator 10.0.0.12/32 scram-sha-256",
        "hostssl replication replicator 10.0.0.13/32 scram-sha-256",
        "hostssl postgres rewind 10.0.0.11/32 scram-sha-256",
        "hostssl postgres rewind 10.0.0.12/32 scram-sha-256",
        "hostssl postgres rewind 10.0.0.13/32 scram-sha-256",
        "hostssl postgres pgbouncer_auth 10.0.0.14/32 scram-sha-256",
        "hostssl postgres pgbouncer_auth 10.0.0.15/32 scram-sha-256",
        "hostssl all pgtier_monitor 127.0.0.1/32 scram-sha-256",
        *(f"hostssl all pgtier_monitor 10.0.0.{number}/32 scram-sha-256" for number in (11, 12, 13, 14, 15)),
        "host all postgres,replicator,rewind,pgbouncer_auth,pgtier_monitor 0.0.0.0/0 reject",
        "host all postgres,replicator,rewind,pgbouncer_auth,pgtier_monitor ::/0 reject",
        "hostssl app app 10.9.0.0/16 reject",
        "hostssl app all 10.0.0.14/32 scram-sha-256",
        "hostssl app all 10.0.0.15/32 scram-sha-256",
        "hostssl app all 10.0.0.0/24 scram-sha-256",
    ]


@pytest.mark.parametrize(
    ("memory_mb", "cores", "profile", "expected"),
    [
        (8192, 4, "web", ("2GB", "6GB", "512MB", "6MB", 2)),
        (8192, 4, "analytics", ("2GB", "6GB", "1GB", "4MB", 2)),
        (65536, 32, "web", ("16GB", "48GB", "2GB", "49MB", 2)),
        (65536, 32, "mixed", ("16GB", "48GB", "2GB", "24MB", 4)),
        (65536, 32, "analytics", ("16GB", "48GB", "2GB", "24MB", 16)),
        (2048, 1, "web", ("512MB", "1536MB", "128MB", "4MB", 1)),
    ],
)
def test_sizes(memory_mb: int, cores: int, profile: str, expected: tuple[Any, ...]) -> None:
    own = plan(memory_mb=memory_mb, cores=cores, postgresql_profile=profile)["postgresql"]["per_member"]["pg1"]
    names = ("shared_buffers", "effective_cache_size", "maintenance_work_mem", "work_mem")
    assert (*(own[name] for name in names), own["max_parallel_workers_per_gather"]) == expected


@pytest.mark.parametrize(
    ("disk_mb", "variables", "expected"),
    [
        (20480, {}, "5GB"),
        (65536, {}, None),
        (0, {}, None),
        (102400, {"postgresql_profile": "analytics"}, "25GB"),
        (20480, {"postgresql_parameters": {"max_slot_wal_keep_size": "8GB"}}, None),
        (20480, {"postgresql_member_parameters": {"max_slot_wal_keep_size": "8GB"}}, "8GB"),
    ],
    ids=["a quarter", "the profile's is less", "unknown", "of another profile's", "as all shall", "as this one shall"],
)
def test_wal_for_a_replica_that_is_away_leaves_room_on_the_disk(
    disk_mb: int, variables: dict[str, Any], expected: str | None
) -> None:
    made = plan(disk_mb=disk_mb, **variables)
    assert made["postgresql"]["per_member"]["pg1"].get("max_slot_wal_keep_size") == expected
    assert made["patroni"]["local"]["pg1"]["postgresql"]["parameters"].get("max_slot_wal_keep_size") == expected


def test_sizes_nobody_knows_are_left_out() -> None:
    made = plan(memory_mb=None)["postgresql"]
    assert made["per_member"] == {member: {} for member in MEMBERS}


def test_variables_win_over_what_hosts_say() -> None:
    made = plan(hosts={"pg2": {"postgresql_memory_mb": 16384, "postgresql_cores": 16}})["postgresql"]
    assert made["per_member"]["pg2"]["shared_buffers"] == "4GB"
    assert made["per_member"]["pg1"]["shared_buffers"] == "2GB"


def test_members_come_and_go_without_a_change_that_takes_a_restart() -> None:
    """What a standby may not have less of than its primary does not follow from how many and how large members are,
    and a member's own file does not name the others."""
    small, large = plan(), plan(FOUR, hosts={"pg4": {"postgresql_cores": 64}})
    assert small["postgresql"]["parameters"] == large["postgresql"]["parameters"]
    assert (small["patroni"]["local"]["pg1"], small["postgresql"]["parameters"]["max_wal_senders"]) == (
        large["patroni"]["local"]["pg1"],
        20,
    )
    assert [small["tls"]["hosts"][name] for name in MEMBERS] == [large["tls"]["hosts"][name] for name in MEMBERS]


def test_a_cluster_begins_with_rules_that_let_its_members_stream() -> None:
    rules = plan()["patroni"]["local"]["pg1"]["bootstrap"]["dcs"]["postgresql"]["pg_hba"]
    assert rules == [
        "local all postgres peer",
        "hostssl replication replicator 0.0.0.0/0 scram-sha-256",
        "hostssl replication replicator ::/0 scram-sha-256",
    ]


def test_a_member_streams_from_another_one() -> None:
    made = plan(FOUR, hosts={"pg3": {"patroni_replicate_from": "pg2"}, "pg4": {"patroni_replicate_from": "pg3"}})
    assert made["members"]["pg4"]["tags"] == made["patroni"]["local"]["pg4"]["tags"] == {"replicatefrom": "pg3"}
    assert made["cluster"]["recovery_point"] == "async", "two candidates stream from the primary"


def test_a_host_that_leaves_is_checked_as_listed_and_planned_as_gone() -> None:
    five = {**FOUR, "etcd": (*FOUR["postgres"], "pg5"), "postgres": (*FOUR["postgres"], "pg5")}
    made = build_plan(inventory(five), leaving="pg4")
    assert list(made["members"]) == [*MEMBERS, "pg5"]
    assert list(made["etcd"]["members"]) == [*MEMBERS, "pg5"]
    assert "pg4" not in made["hosts"]
    assert "10.0.0.14" not in str(made["patroni"])
    assert [server["name"] for server in made["haproxy"]["backends"][0]["servers"]] == [*MEMBERS, "pg5"]


def test_parameters_of_the_user_win() -> None:
    made = plan(
        hosts={"pg2": {"postgresql_member_parameters": {"work_mem": "64MB"}}},
        postgresql_parameters={"shared_buffers": "1GB", "work_mem": "32MB", "jit": True, "random_page_cost": 2},
    )["postgresql"]
    assert made["parameters"]["shared_buffers"] == "1GB"
    assert made["parameters"]["jit"] == "on"
    assert made["parameters"]["random_page_cost"] == 2
    # A member's own would win over the cluster's: it must not be there.
    assert "shared_buffers" not in made["per_member"]["pg1"] and "work_mem" not in made["per_member"]["pg1"]
    assert made["per_member"]["pg2"]["work_mem"] == "64MB"


def test_what_patroni_wants_equal_is_in_the_dynamic_configuration() -> None:
    made = plan()
    assert made["patroni"]["dynamic"]["postgresql"]["parameters"].keys() >= SAME_ON_ALL_MEMBERS
    for local in made["patroni"]["local"].values():
        assert not local["postgresql"]["parameters"].keys() & SAME_ON_ALL_MEMBERS


def test_every_computed_parameter_has_a_source() -> None:
    made = plan(FOUR, ANALYTICS)["postgresql"]
    computed = {name for values in (made["parameters"], *made["per_member"].values()) for name in values}
    assert made["sources"].keys() == computed
    assert SOURCES.keys() == computed


def test_no_password_in_the_plan() -> None:
    made = plan(databases_users=[{"name": "app", "password": "hunter2"}])
    assert "hunter2" not in json.dumps(made)


def test_packages_follow_groups_and_extensions() -> None:
    made = plan(databases=[{"name": "app", "owner": "app", "extensions": ["vector"]}], system_packages=["htop"])
    assert made["hosts"]["pg1"]["packages"] == [
        "etcd-server",
        "etcd-client",
        "postgresql-17",
        "patroni",
        "python3-etcd",
        "python3-psycopg2",
        "postgresql-17-pgvector",
        "htop",
    ]
    assert {"haproxy", "pgbouncer"} <= {*made["hosts"]["proxy1"]["packages"]}
    assert "patroni" not in made["hosts"]["proxy1"]["packages"]


@pytest.mark.parametrize(
    ("groups", "variables", "note"),
    [
        (ONE, {}, "One failover candidate: nothing takes over when it is lost."),
        (TWO, {"patroni_recovery_point": "zero"}, "Recovery point zero with two candidates"),
        ({**GROUPS, "etcd": ("pg1",)}, {}, "One etcd member"),
        ({**GROUPS, "proxy": ("proxy1",)}, {}, "One proxy host"),
        (None, {"postgresql_client_networks": []}, "postgresql_client_networks is empty"),
        (
            None,
            {"databases": [{"name": "app", "owner": "app", "extensions": ["citus", "hstore", "vector"]}]},
            "Extension citus: its package is not known",
        ),
    ],
)
def test_notes(groups: Any, variables: dict[str, Any], note: str) -> None:
    assert sum(text.startswith(note) for text in plan(groups, **variables)["notes"]) == 1
    assert not any(text.startswith(note) for text in plan()["notes"])


def test_system_settings_of_the_user_win() -> None:
    assert plan(system_sysctl={"vm.swappiness": 10})["hosts"]["pg1"]["sysctl"]["vm.swappiness"] == 10


def test_text_is_taken_for_numbers_and_choices_of_yes_and_no() -> None:
    made = plan(postgresql_port="5433", haproxy_read_fallback="off")
    assert made["members"]["pg1"]["port"] == 5433
    with pytest.raises(PlanError):
        plan(postgresql_port="5433.5")
