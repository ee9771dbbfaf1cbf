"""What is open to whom: the same table for people and for the firewall."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.build import build_plan
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.inventory import HostFacts
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.mistakes import PlanError
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.openings import collapsed
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.summary import summary
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.plan.examples import (
    GROUPS,
    MEMBERS,
    PROXIES,
    inventory,
    plan,
)

EXTRA = {"port": 9100, "networks": ["10.9.0.0/16"], "purpose": "node exporter"}


def test_each_port_is_open_to_whom_it_has_to_be() -> None:
    opened = plan()["openings"]
    assert [(row["port"], row["hosts"], row["networks"]) for row in opened["pg1"]] == [
        (2379, ["pg2", "pg3"], []),
        (2380, ["pg2", "pg3"], []),
        (5432, ["pg2", "pg3", "proxy1", "proxy2"], ["10.0.0.0/24"]),
        (8008, ["pg2", "pg3", "proxy1", "proxy2"], []),
    ]
    assert [row["port"] for row in opened["proxy1"]] == [6432, 6433, 6442, 6443, 5000, 5001]
    for row in opened["proxy1"]:
        assert (row["hosts"], row["networks"]) == (["pg1", "pg2", "pg3", "proxy2"], ["10.0.0.0/24"])


def test_every_port_that_is_not_on_loopback_is_in_the_table() -> None:
    made = plan()
    for host, described in made["hosts"].items():
        ports = {port["port"] for port in described["ports"] if port["variable"] != "haproxy_stats_port"}
        assert ports == {row["port"] for row in made["openings"][host]}


def test_rules_of_the_user_open_postgresql_and_those_that_refuse_do_not() -> None:
    rule = {"database": "app", "user": "app"}
    rules = [{**rule, "address": "10.5.0.0/16"}, {**rule, "address": "10.6.0.0/16", "method": "reject"}]
    (opening,) = (row for row in plan(postgresql_hba=rules)["openings"]["pg1"] if row["port"] == 5432)
    assert opening["networks"] == ["10.5.0.0/16", "10.0.0.0/24"]


def test_proxies_and_poolers_let_in_the_same() -> None:
    made = plan()
    assert made["haproxy"]["client_networks"] == ["127.0.0.0/8", *made["pgbouncer"]["client_networks"]]


def test_there_are_no_rules_unless_they_are_asked_for() -> None:
    made = plan()
    assert made["firewall"] == {"enabled": False, "hosts": {}}
    assert "nftables" not in made["hosts"]["pg1"]["packages"]


def test_the_firewall_opens_what_the_table_says_and_ssh() -> None:
    made = plan(hosts={"pg1": {"firewall_extra": [EXTRA]}}, firewall_enabled=True)
    assert "nftables" in made["hosts"]["pg1"]["packages"]
    for host, rules in made["firewall"]["hosts"].items():
        ssh, *others = rules
        assert (ssh["port"], ssh["ip4"], ssh["ip6"]) == (22, ["0.0.0.0/0"], ["::/0"])
        assert [rule["port"] for rule in others] == [row["port"] for row in made["openings"][host]]
    assert made["firewall"]["hosts"]["pg1"][-1] == {
        "port": 9100,
        "protocol": "tcp",
        "what": "node exporter",
        "ip4": ["10.9.0.0/16"],
        "ip6": [],
    }
    etcd = made["firewall"]["hosts"]["pg1"][1]
    assert (etcd["port"], etcd["ip4"]) == (2379, ["10.0.0.12/31"])
    # Proxies have no business with etcd.
    reached = [ipaddress.ip_network(network) for network in etcd["ip4"]]
    assert not any(ipaddress.ip_address("10.0.0.14") in network for network in reached)


def test_ssh_stays_open_at_the_port_that_ansible_came_in_by() -> None:
    facts = dict.fromkeys((*MEMBERS, *PROXIES), HostFacts(8192, 4, ssh_client="192.0.2.5", ssh_port=2222))
    made = build_plan(inventory(firewall_enabled=True, firewall_admin_networks=["192.0.2.0/24"]), facts)
    ssh = made["firewall"]["hosts"]["proxy1"][0]
    assert (ssh["port"], ssh["ip4"], ssh["ip6"]) == (2222, ["192.0.2.0/24"], [])


@pytest.mark.parametrize(
    ("client", "refused"), [("192.0.2.5", True), ("198.51.100.9", False), ("", False), ("x", False)]
)
def test_networks_that_would_lock_ansible_out_are_refused(client: str, refused: bool) -> None:
    facts = {"pg2": HostFacts(8192, 4, ssh_client=client, ssh_port=22)}
    locked = inventory(firewall_enabled=True, firewall_admin_networks=["198.51.100.0/24"])
    if refused:
        with pytest.raises(PlanError, match=r"host pg2: .* would lock Ansible out, which comes from 192\.0\.2\.5"):
            build_plan(locked, facts)
    else:
        build_plan(locked, facts)
    # Where the firewall is off the networks hold nobody back.
    build_plan(inventory(firewall_admin_networks=["198.51.100.0/24"]), facts)


def test_networks_are_told_apart_and_do_not_overlap() -> None:
    networks = ["10.0.0.0/8", "10.1.2.0/24", "2001:db8::/33", "2001:db8:8000::/33", "10.0.0.1/32"]
    assert collapsed(networks) == (["10.0.0.0/8"], ["2001:db8::/32"])


def test_one_host_alone_opens_nothing_to_nobody() -> None:
    one = ("pg1",)
    made = plan(dict.fromkeys(GROUPS, one), firewall_enabled=True, postgresql_client_networks=[])
    assert [rule["what"] for rule in made["firewall"]["hosts"]["pg1"]] == ["ssh"]


def test_the_summary_says_what_is_open() -> None:
    lines = summary(plan())
    assert "    2379/tcp etcd, for Patroni from pg2, pg3" in lines
    assert any("hostssl app all 10.0.0.0/24 scram-sha-256" in line for line in lines)
    assert any(line.startswith("  Without a firewall") for line in lines)
    assert any(line == "  248 of 275: max_connections 300 less 25" for line in lines)
    walled = summary(plan(firewall_enabled=True))
    assert "    22/tcp ssh from 0.0.0.0/0, ::/0" in walled
    assert not any(line.startswith("  Without a firewall") for line in walled)
