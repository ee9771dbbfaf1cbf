"""The host firewall, which is off by default: who is let in while it is on. Nobody is cut off when it comes or goes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from attacker import on
from ports import STRANGER, Port
from tier import Tier

ON = ("site.yml", "-e", "firewall_enabled=true")
# Of the cluster's own hosts alone; the lab's network is one that applications connect from.
INNER = {2379, 2380, 8008}
TABLE = "nft list table inet pgtier"


@pytest.fixture(autouse=True)
def whole() -> None:
    """In place of the one that asks Patroni from here, which the firewall is to prevent."""


@pytest.fixture(scope="module")
def firewall(tier: Tier) -> Iterator[None]:
    """On for the tests below. An application's connection is open all the time."""
    with tier.connect("primary_session") as before:
        pid = before.execute("SELECT pg_backend_pid()").fetchone()
        recap = tier.playbook(*ON)
        assert all(recap[host]["changed"] for host in tier.groups["postgres"]), recap
        assert before.execute("SELECT pg_backend_pid()").fetchone() == pid
        yield
        tier.playbook("site.yml", "-e", "firewall_enabled=false")
        assert before.execute("SELECT pg_backend_pid()").fetchone() == pid
    for host in tier.groups["postgres"]:
        assert tier.host(host).run(TABLE).rc != 0, f"{host}: the rules are still there"
        assert not tier.host(host).file("/etc/pgtier/firewall.nft").exists


@pytest.mark.usefixtures("firewall")
def test_a_stranger_gets_no_answer_where_only_the_cluster_has_business(tier: Tier, doors: list[Port]) -> None:
    asked = [
        ("tls", {"host": door.address, "port": door.number, "postgres": door.protocol == "postgres"}) for door in doors
    ]
    for door, answer in zip(doors, on(tier, STRANGER, asked), strict=True):
        if door.number in INNER:
            assert answer.get("error", "").startswith("TimeoutError"), f"{door}: {answer}"
        else:
            assert answer.get("served"), f"{door}: {answer}"


@pytest.mark.usefixtures("firewall")
def test_the_cluster_is_whole_behind_its_firewall(tier: Tier) -> None:
    command = "patronictl -c /etc/patroni/config.yml list --format json"
    members = json.loads(tier.host(tier.groups["postgres"][0]).check_output(command))
    assert sorted(member["State"] for member in members) == ["running", "streaming", "streaming"]
    for endpoint in ("primary", "replica", "primary_direct"):
        assert tier.ask(endpoint, "SELECT 1") == 1


@pytest.mark.usefixtures("firewall")
def test_rules_that_others_put_up_stay(tier: Tier) -> None:
    """A second run changes nothing, and a reload leaves another's table and an open connection alone."""
    host = tier.host(tier.groups["proxy"][0])
    host.check_output("nft add table inet somebody_else")
    try:
        with tier.connect("primary_session", proxy=0) as client:
            pid = client.execute("SELECT pg_backend_pid()").fetchone()
            tier.unchanged(*ON)
            host.check_output("systemctl reload pgtier-firewall.service")
            assert client.execute("SELECT pg_backend_pid()").fetchone() == pid
        assert host.run("nft list table inet somebody_else").rc == 0
        assert host.run(TABLE).rc == 0
    finally:
        host.check_output("nft delete table inet somebody_else")


@pytest.mark.usefixtures("firewall")
def test_rules_that_would_lock_the_administrator_out_are_refused(tier: Tier) -> None:
    said = tier.refusal(*ON, "-e", '{"firewall_admin_networks": ["192.0.2.0/24"]}')
    assert re.search(r"firewall_admin_networks", said), said
    assert tier.host(tier.groups["postgres"][0]).run("true").rc == 0
