# SPDX-License-Identifier: Apache-2.0
"""Every fault names whom it strikes, is shell that a shell can read, and lays its healing down before it strikes."""

from __future__ import annotations

import re
import subprocess

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.drill import faults
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.faults import FAULTS, Fault
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.logins import SETTINGS, LoginError, logins
from psycopg.conninfo import conninfo_to_dict

PORTS = {
    "postgresql_port": "5432",
    "patroni_restapi_port": "8008",
    "etcd_client_port": "2379",
    "etcd_peer_port": "2380",
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_whole(fault: Fault) -> None:
    assert fault.target in faults.TARGETS
    assert bool(fault.heal) == bool(fault.lasts), "what lasts is healed, what heals by itself does not last"
    for script in (faults.strike_script(fault, PORTS), faults.heal_script(fault)):
        assert not re.search(r"@\w+@", script)
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)


def test_the_host_heals_itself_if_nobody_does() -> None:
    script = faults.strike_script(FAULTS["freeze_patroni"], PORTS)
    laid_down, timer, strike = script.index("kill -CONT"), script.index("systemd-run"), script.index("kill -STOP")
    assert laid_down < timer < strike
    assert "--on-active=100s" in script


def test_defaults_are_faults_and_none_of_them_lasts() -> None:
    assert [fault.lasts for fault in faults.chosen(faults.DEFAULT)] == [0] * len(faults.DEFAULT)


@pytest.mark.parametrize("names", [["kill_postgres", "kill_pogstres"], []], ids=["one is unknown", "none"])
def test_an_unknown_fault_is_named_with_those_that_there_are(names: list[str]) -> None:
    with pytest.raises(faults.FaultError, match=r"there is no (kill_pogstres|fault); there are kill_postgres, "):
        faults.chosen(names)


@pytest.mark.parametrize(
    ("target", "hosts"),
    [
        ("leader", ["a"]),
        ("replica", ["b"]),
        ("replicas", ["b", "c"]),
        ("etcd_leader", ["b"]),
        ("etcd_follower", ["a"]),
        ("etcd_majority", ["b", "a"]),
        ("proxy", ["p"]),
        ("proxies", ["p", "q"]),
    ],
)
def test_targets(target: str, hosts: list[str]) -> None:
    etcd = {"a": False, "b": True, "c": False}
    assert faults.targets(target, "a", ["b", "c"], etcd, ["p", "q"]) == hosts


def test_a_target_that_there_is_not_is_refused() -> None:
    with pytest.raises(faults.FaultError, match="no etcd leader"):
        faults.targets("etcd_leader", "a", [], {"a": False}, ["p"])


CONNECTIONS = {
    "app": {
        "owner": {"primary": "postgresql://owner:x@p1:6432,p2:6432/app?sslmode=disable", "replica": "postgresql:///r"},
        "web": {"primary": "postgresql:///web"},
    }
}


def test_clients_take_the_other_proxy_when_one_hangs() -> None:
    found = conninfo_to_dict(logins(CONNECTIONS)["primary"])
    assert found["user"] == "owner" and found["host"] == "p1,p2" and found["sslmode"] == "disable"
    assert {key: found[key] for key in SETTINGS} == SETTINGS
    assert "tcp_user_timeout" in logins(CONNECTIONS)["replica"]


@pytest.mark.parametrize(
    ("database", "user", "said"),
    [("other", "", "there are app"), ("app", "nobody", "there are owner, web")],
)
def test_who_cannot_log_in_is_told_who_can(database: str, user: str, said: str) -> None:
    with pytest.raises(LoginError, match=said):
        logins(CONNECTIONS, database, user)
