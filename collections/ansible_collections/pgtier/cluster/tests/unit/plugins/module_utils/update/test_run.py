# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.component.host import Ran
from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import ComponentError
from ansible_collections.pgtier.cluster.plugins.module_utils.component.packages import POLICY
from ansible_collections.pgtier.cluster.plugins.module_utils.update import run
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.component.fake_host import FakeHost

NAMES = ("haproxy", "pgbouncer")
NEWER = "Inst haproxy [1] (2 Debian:13 [amd64])\nInst pgbouncer [1] (2 Debian:13 [amd64])\n"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """One on which apt has a newer HAProxy and a newer PgBouncer, until it has installed them."""
    made = FakeHost(tmp_path)
    offered = [NEWER]

    def apt(argv: Sequence[str]) -> Ran:
        if "--simulate" in argv:
            return Ran(0, offered[0])
        if "install" in argv:
            made.policy_during_install.append(made.path(POLICY).exists())
            offered[0] = ""
        return Ran(0, "")

    made.answers["apt-get"] = apt
    return made


def plan(host: FakeHost) -> run.Plan:
    return run.look(host, NAMES, NAMES, reinstall=False)


def test_packages_first_then_the_services_one_by_one(host: FakeHost) -> None:
    order: list[str] = []
    found = plan(host)
    assert found.steps == ["haproxy", "pgbouncer"]
    done = run.carry_out(
        host,
        found,
        NAMES,
        False,
        {"haproxy": lambda: order.append("haproxy"), "pgbouncer": lambda: order.append("pgbouncer") or {"cut": {}}},
    )
    assert order == ["haproxy", "pgbouncer"]
    assert done["pgbouncer"] == {"cut": {}}
    # Services were kept as they are, and nothing is left behind.
    assert host.policy_during_install == [True]
    assert not host.path(POLICY).exists() and not host.path(run.JOURNAL).exists()
    assert plan(host) == run.Plan([], [])


def test_what_is_left_is_found_again_though_the_packages_are_new(host: FakeHost) -> None:
    def fails() -> None:
        raise ComponentError("the new process did not come up")

    with pytest.raises(ComponentError) as caught:
        run.carry_out(host, plan(host), NAMES, False, {"haproxy": lambda: None, "pgbouncer": fails})
    text = str(caught.value)
    assert text.startswith("the new process did not come up\nDone here: haproxy; left: pgbouncer.")
    assert "apt-get install --allow-downgrades haproxy=1 pgbouncer=1" in text
    assert plan(host) == run.Plan([], ["pgbouncer"])
    run.carry_out(host, plan(host), NAMES, False, {"pgbouncer": lambda: None})
    assert plan(host).steps == []


def test_packages_that_do_not_install_leave_the_services_due(host: FakeHost) -> None:
    found = plan(host)
    host.answers["apt-get"] = lambda argv: Ran(0 if "update" in argv or "--simulate" in argv else 100, "E: no space")
    with pytest.raises(ComponentError, match=r"(?s)no space.*left: haproxy, pgbouncer"):
        run.carry_out(host, found, NAMES, False, {})
    assert plan(host).steps == ["haproxy", "pgbouncer"]


def test_a_policy_of_the_host_would_let_services_restart_by_themselves(host: FakeHost) -> None:
    host.put(POLICY, "#!/bin/sh\nexit 0\n", 0o755)
    with pytest.raises(ComponentError, match=r"policy-rc\.d on this host is not pgtier's"):
        run.carry_out(host, plan(host), NAMES, False, {})


def test_a_damaged_note_is_not_passed_over(host: FakeHost) -> None:
    host.put(run.JOURNAL, "{")
    with pytest.raises(ComponentError, match=r"update\.json is damaged"):
        plan(host)
