"""What holds for every inventory: a plan with its invariants, or a list of mistakes, and never another error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.build import build_plan
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.inventory import HostFacts, Inventory
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.mistakes import PlanError
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.option import Option
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.options import OPTIONS
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.schema import Plan
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def right(draw: st.DrawFn) -> tuple[Inventory, dict[str, HostFacts]]:
    """An inventory that must be taken: any layout and figures, with connections enough for its pools."""
    count = draw(st.integers(1, 7))
    members = tuple(f"pg{number}" for number in range(1, count + 1))
    etcd = members[: draw(st.sampled_from([size for size in (1, 3, 5, 7) if size <= count]))]
    proxies = draw(st.sampled_from([members, members[:1], ("proxy1",), ("proxy1", "proxy2")]))
    names = [f"u{number}" for number in range(draw(st.integers(1, 4)))]
    databases = [
        {"name": f"d{number}", "owner": draw(st.sampled_from(names))} for number in range(draw(st.integers(0, 3)))
    ]
    common: dict[str, Any] = {
        "databases": databases,
        "databases_users": [{"name": name} for name in names],
        "postgresql_profile": draw(st.sampled_from(["web", "mixed", "analytics"])),
        "postgresql_disk": draw(st.sampled_from(["hdd", "ssd", "nvme"])),
        "patroni_recovery_time": draw(st.sampled_from(["fast", "default", "tolerant"])),
        "pgbouncer_pool_size": draw(st.integers(1, 20)),
        "pgbouncer_session_pool_size": draw(st.integers(1, 20)),
        "haproxy_read_fallback": draw(st.booleans()),
        "postgresql_max_connections": 3000,
    }
    variables = {
        host: {"ansible_host": f"10.0.0.{number}", **common}
        for number, host in enumerate(dict.fromkeys((*members, *proxies)), 1)
    }
    if count > 2 and draw(st.booleans()):
        variables[members[-1]]["patroni_role"] = "analytics"
    facts = {host: HostFacts(draw(st.integers(32768, 10**6)), draw(st.integers(1, 256))) for host in members}
    return Inventory({"etcd": etcd, "postgres": members, "proxy": proxies}, variables), facts


@REPEATABLE
@given(right())
def test_a_right_inventory_yields_a_plan(given_: tuple[Inventory, dict[str, HostFacts]]) -> None:
    made = build_plan(*given_)
    assert json.loads(json.dumps(made)) == made
    check_invariants(made)


def check_invariants(made: Plan) -> None:
    for host in made["hosts"].values():
        ports = [port["port"] for port in host["ports"]]
        assert len(ports) == len(set(ports))
    budget = made["pgbouncer"]["budget"]
    assert budget["total"] == sum(term["connections"] for term in budget["terms"]) <= budget["available"]
    for term in budget["terms"]:
        assert term["connections"] == term["pools"] * term["pool_size"] * term["processes"] * term["proxies"]
    dynamic = made["patroni"]["dynamic"]
    assert dynamic["loop_wait"] + 2 * dynamic["retry_timeout"] < dynamic["ttl"]
    backends = {backend["name"]: backend for backend in made["haproxy"]["backends"]}
    listening = {frontend["bind"]: frontend["backend"] for frontend in made["haproxy"]["frontends"]}
    routed = made["pgbouncer"]["route"]
    for instance in made["pgbouncer"]["instances"]:
        if instance["target"] != "primary":
            assert listening[f"*:{instance['lookup_port']}"] == instance["target"]
        if instance["target"] == "analytics":
            assert instance["server_host"] == "127.0.0.1"
            assert listening[f"*:{instance['server_port']}"] == instance["target"]
        else:
            # Straight to PostgreSQL, by a name that the route answers and that the members' certificates have.
            assert {member["port"] for member in made["members"].values()} == {instance["server_port"]}
            known = {routed["primary"]["name"], *(one["name"] for one in routed["reads"]["endpoints"])}
            assert instance["server_host"] in known
            for host, member in made["members"].items():
                if member["role"] == "candidate":
                    assert instance["server_host"] in made["tls"]["hosts"][host]["names"]
    names = [one["name"] for one in routed["reads"]["endpoints"]]
    assert len(names) == len(set(names)), "connections are counted by name"
    for backend in backends.values():
        assert backend["servers"] and (backend["fallback"] is None or backend["fallback"] in backends)
    assert len(made["etcd"]["members"]) % 2 == 1
    if made["cluster"]["recovery_point"] == "zero":
        assert sum(member["role"] == "candidate" for member in made["members"].values()) >= 2


def shaped(option: Option) -> st.SearchStrategy[Any]:
    """Junk that is nearly right, for it gets deeper into the checks."""
    if option.elements == "dict":
        return st.lists(record(option.keys), max_size=3)
    if option.keys:
        return record(option.keys)
    if option.type == "list":
        return st.lists(SCALARS, max_size=3)
    if option.type == "dict":
        return st.dictionaries(
            st.sampled_from(["work_mem", "shared_buffers", "max_wal_senders", "a.b", "X", "jit"]), JUNK
        )
    return st.sampled_from([*option.choices, option.default, option.minimum, option.maximum, "", "a", -1, 10**9])


def record(keys: tuple[Option, ...]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional={key.name: shaped(key) | JUNK for key in keys})


VALUES: dict[str, st.SearchStrategy[Any]] = {
    **{option.name: shaped(option) | JUNK for option in OPTIONS.values()},
    "ansible_host": st.sampled_from(["10.0.0.1", "10.0.0.2", "::1", "x", 5]) | JUNK,
    "patroni_unknown": JUNK,
}
NAMES = st.sampled_from(["pg1", "pg2", "PG.1", "a b", "é", "10.0.0.9"])
GROUPS = st.dictionaries(st.sampled_from(["etcd", "postgres", "proxy"]), st.lists(NAMES, max_size=5).map(tuple))


@st.composite
def some_variables(draw: st.DrawFn) -> dict[str, Any]:
    return {name: draw(VALUES[name]) for name in draw(st.sets(st.sampled_from(sorted(VALUES)), max_size=4))}


@REPEATABLE
@given(GROUPS, st.dictionaries(NAMES, some_variables(), max_size=3), some_variables(), st.booleans())
def test_junk_is_refused_or_taken_but_never_crashes(
    groups: dict[str, tuple[str, ...]], own: dict[str, dict[str, Any]], common: dict[str, Any], sized: bool
) -> None:
    hosts = {host for members in groups.values() for host in members}
    made = Inventory(groups, {host: {**common, **own.get(host, {})} for host in hosts})
    try:
        result = build_plan(made, dict.fromkeys(made.hosts, HostFacts(512, 1)) if sized else None)
    except PlanError as error:
        assert error.mistakes and list(error.mistakes) == sorted(set(error.mistakes))
    else:
        check_invariants(result)


@pytest.mark.parametrize(
    "option", [option for option in OPTIONS.values() if option.planned], ids=lambda option: option.name
)
def test_junk_in_one_variable_of_a_right_inventory(option: Option) -> None:
    @settings(REPEATABLE, max_examples=20)
    @given(shaped(option) | JUNK)
    def check(value: Any) -> None:
        hosts = ("pg1", "pg2", "pg3")
        made = Inventory(
            {"etcd": hosts, "postgres": hosts, "proxy": hosts},
            {host: {"ansible_host": f"10.0.0.{host[-1]}", option.name: value} for host in hosts},
        )
        try:
            result = build_plan(made, dict.fromkeys(hosts, HostFacts(8192, 4)))
        except PlanError as error:
            assert any(option.name in mistake.variable or "is too" in mistake.problem for mistake in error.mistakes)
        else:
            check_invariants(result)

    check()
