"""playbooks/plan.yml asks no host: those of the example inventory are addresses that nobody has (RFC 5737)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def plan(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "playbooks/plan.yml", *arguments]
    env = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "LC_ALL": "C.UTF-8", "ANSIBLE_FORCE_COLOR": "0"}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_the_plan_is_shown_without_a_host() -> None:
    done = plan("--inventory", "inventories/example")
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "5432/tcp PostgreSQL from db2, db3, proxy1, proxy2, 192.0.2.0/24",
        "248 of 275",
        "local all postgres peer",
    ):
        assert line in done.stdout
    assert "unreachable=0" in done.stdout


def test_a_mistake_is_shown_instead() -> None:
    done = plan("--inventory", "inventories/example", "--extra-vars", "postgresql_profile=oltp")
    assert done.returncode != 0
    assert "postgresql_profile = oltp: is not one of the choices" in done.stdout + done.stderr
