"""The virtual address: who may have it, and who is told of it."""

from __future__ import annotations

import re

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.build import build_plan
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.inventory import HostFacts
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.keepalived import last_byte
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.mistakes import PlanError
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.summary import summary
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.plan.examples import inventory, plan

VIRTUAL = "10.0.0.20"
PROXIES = {"proxy1": "10.0.0.14", "proxy2": "10.0.0.15"}


def facts(interface: str = "eth0", network: str = "10.0.0.14/24") -> dict[str, HostFacts]:
    return dict.fromkeys(PROXIES, HostFacts(8192, 4, interface=interface, network=network))


def test_without_one_nothing_is_said_of_it() -> None:
    made = plan()
    assert (made["keepalived"]["address"], made["keepalived"]["proxies"]) == ("", {})
    assert not any("keepalived" in host["packages"] for host in made["hosts"].values())


def test_clients_are_told_of_it_first_and_certificates_name_it() -> None:
    made = plan(keepalived_address=VIRTUAL)
    assert {tuple(end["hosts"]) for end in made["endpoints"].values()} == {(VIRTUAL, *PROXIES.values())}
    assert all(VIRTUAL in made["tls"]["hosts"][host]["addresses"] for host in ("pg1", *PROXIES))
    # A client on the proxy that has it comes from there.
    for networks in (made["pgbouncer"]["client_networks"], made["haproxy"]["client_networks"]):
        assert f"{VIRTUAL}/32" in networks
    assert VIRTUAL not in str(made["postgresql"]["hba"]), "nothing connects to PostgreSQL from it"


def test_proxies_hear_each_other_through_the_firewall() -> None:
    made = plan(keepalived_address=VIRTUAL, firewall_enabled=True)
    opening = made["openings"]["proxy1"][-1]
    assert (opening["port"], opening["protocol"], opening["hosts"]) == (0, "vrrp", ["proxy2"])
    assert made["firewall"]["hosts"]["proxy1"][-1]["ip4"] == ["10.0.0.15/32"]
    assert "    vrrp who has the virtual address from proxy2" in summary(made)
    assert all(row["protocol"] == "tcp" for row in made["openings"]["pg1"])


def test_the_interface_is_that_of_the_host_unless_one_is_named() -> None:
    named = inventory(keepalived_address=VIRTUAL, hosts={"proxy2": {"keepalived_interface": "bond1"}})
    made = build_plan(named, facts())["keepalived"]
    assert made["interfaces"] == {"proxy1": "eth0", "proxy2": "bond1"}
    assert made["proxies"] == PROXIES


@pytest.mark.parametrize(
    ("address", "found"), [("10.0.0.20", 20), ("10.0.1.0", 0), ("2001:db8::1:ab", 0xAB), ("2001:db8::", 0)]
)
def test_last_byte(address: str, found: int) -> None:
    assert last_byte(address) == found


def test_the_router_is_numbered_by_the_address_unless_a_number_is_given() -> None:
    assert plan(keepalived_address=VIRTUAL)["keepalived"]["router_id"] == 20
    assert plan(keepalived_address=VIRTUAL, keepalived_router_id=7)["keepalived"]["router_id"] == 7


def test_each_process_of_pgbouncer_is_checked_and_the_primary_through_a_pool() -> None:
    check = plan(keepalived_address=VIRTUAL, pgbouncer_endpoints={"replica": {"processes": 2}})["keepalived"]["check"]
    assert {"/run/pgbouncer/replica": 6442, "/run/pgbouncer/replica.2": 6442}.items() <= check["consoles"].items()
    assert check["query"] is not None and check["query"]["port"] == 6432
    off = {"primary": {"enabled": False}, "primary_session": {"enabled": False}}
    assert plan(keepalived_address=VIRTUAL, pgbouncer_endpoints=off)["keepalived"]["check"]["query"] is None


@pytest.mark.parametrize(
    ("interface", "network", "problem"),
    [
        ("", "", "no interface has the host's address 10.0.0.14"),
        ("eth0", "10.0.0.14/29", "is no host's address in the network of interface eth0, 10.0.0.8/29"),
        # The network's last address is for all of its hosts.
        ("eth0", "10.0.0.17/30", "is no host's address in the network of interface eth0, 10.0.0.16/30"),
    ],
)
def test_hosts_that_could_not_take_it_are_refused(interface: str, network: str, problem: str) -> None:
    virtual = "10.0.0.19" if network == "10.0.0.17/30" else VIRTUAL
    with pytest.raises(PlanError, match=re.escape(problem)):
        build_plan(inventory(keepalived_address=virtual), facts(interface, network))
    # Whoever names the interface knows what is on it.
    build_plan(inventory(keepalived_address=virtual, keepalived_interface="eth1"), facts(interface, network))
