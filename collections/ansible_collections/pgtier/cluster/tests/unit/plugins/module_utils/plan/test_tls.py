"""TLS in the plan: who needs which certificate, and that nothing speaks in the clear."""

from __future__ import annotations

import json
import re

import pytest
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.plan.examples import (
    GROUPS,
    MEMBERS,
    PROXIES,
    plan,
)

FOUR = {**GROUPS, "postgres": (*MEMBERS, "pg4")}
# The examples number hosts in their order, which a new one would change.
ADDRESSES = {host: {"ansible_host": f"10.0.0.{number}"} for number, host in enumerate((*MEMBERS, *PROXIES, "pg4"), 11)}


def test_a_certificate_names_what_its_host_is_reached_as() -> None:
    hosts = plan(FOUR, {"pg4": {"patroni_role": "analytics"}}, tls_names=["db.example.com", "10.0.0.100"])["tls"][
        "hosts"
    ]
    more = {"names": ["db.example.com"], "addresses": ["10.0.0.100"]}
    assert hosts["pg1"] == {
        "names": ["pg1", "localhost", "primary.pgtier", "replica.pgtier", "session.replica.pgtier", *more["names"]],
        "addresses": ["10.0.0.11", "127.0.0.1", *more["addresses"]],
        "client": True,
    }
    assert hosts["pg4"]["names"] == ["pg4", "localhost", "analytics.pgtier", *more["names"]]
    assert hosts["proxy1"]["names"] == ["proxy1", "localhost", *more["names"]]


def test_a_proxy_cannot_pass_for_a_client_of_etcd() -> None:
    assert [host for host, wanted in plan()["tls"]["hosts"].items() if not wanted["client"]] == ["proxy1", "proxy2"]


def test_a_new_host_changes_no_other_certificate() -> None:
    before = plan(hosts=ADDRESSES)["tls"]["hosts"]
    after = plan(FOUR, ADDRESSES)["tls"]["hosts"]
    assert {host: after[host] for host in before} == before
    more_proxies = plan({**GROUPS, "proxy": (*PROXIES, "pg4")}, ADDRESSES, postgresql_max_connections=500)["tls"][
        "hosts"
    ]
    assert {host: more_proxies[host] for host in before} == before


@pytest.mark.parametrize("enabled", [True, False])
def test_nothing_speaks_in_the_clear_unless_told_to(enabled: bool) -> None:
    made = plan(tls_enabled=enabled)
    text = json.dumps(made)
    assert bool(re.search(r"\bhttp://", text)) is not enabled
    assert bool(re.search(r"\bhttps://", text)) is enabled
    rules = [rule for rule in made["postgresql"]["hba"] if rule["type"] != "local" and rule["method"] != "reject"]
    assert rules and {rule["type"] for rule in rules} == {"hostssl" if enabled else "host"}
    assert (made["postgresql"]["parameters"].get("ssl") == "on") is enabled
    local = made["patroni"]["local"]["pg1"]
    assert (local["etcd3"].get("protocol") == "https") is enabled
    for login in ("replication", "rewind"):
        assert (local["postgresql"]["authentication"][login].get("sslmode") == "verify-full") is enabled
    for instance in made["pgbouncer"]["instances"]:
        modes = [instance["settings"][f"{side}_tls_sslmode"] for side in ("client", "server")]
        assert modes == (["require", "verify-full"] if enabled else ["disable", "disable"])


def test_direct_endpoints_are_verified_by_what_they_serve() -> None:
    endpoints = plan()["endpoints"]
    assert {name: end["server_name"] for name, end in endpoints.items() if end["server_name"]} == {
        "primary_direct": "primary.pgtier",
        "replica_direct": "replica.pgtier",
    }
    assert not any(end["server_name"] for end in plan(tls_enabled=False)["endpoints"].values())
