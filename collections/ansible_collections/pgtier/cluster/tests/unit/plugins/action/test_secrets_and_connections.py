# SPDX-License-Identifier: Apache-2.0
"""The two plugins that work on the controller's files: what they write, when, and what they tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.pgtier.cluster.plugins.action import connections, secrets

ENDPOINT = {
    "name": "primary",
    "port": 6432,
    "pool_mode": "session",
    "hosts": ["10.0.0.4"],
    "server_name": "",
    "purpose": "all",
}
PLAN = {
    "tls": {"enabled": True},
    "databases": {"app": {"name": "app", "owner": "app"}},
    "users": {"app": {"name": "app", "service": False, "databases": ["app"], "attributes": []}},
    "endpoints": {"primary": ENDPOINT},
}


def run(plugin: Any, check_mode: bool = False, **args: Any) -> dict[str, Any]:
    task = MagicMock(args={name: str(value) if isinstance(value, Path) else value for name, value in args.items()})
    task.check_mode, task.async_val, task.no_log = check_mode, 0, False
    action = plugin.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    result: dict[str, Any] = action.run(task_vars={})
    return result


def test_secrets_are_made_once(tmp_path: Path) -> None:
    args: dict[str, Any] = {
        "directory": tmp_path / "s",
        "users": ["app", "mine"],
        "services": ["api"],
        "given": {"mine": "x"},
    }
    first = run(secrets, **args)
    assert (first["changed"], first["generated"], first["users"]["mine"]) == (True, ["api", "app"], "x")
    second = run(secrets, **args)
    assert (second["changed"], second["generated"]) == (False, [])
    assert (second["users"], second["services"]) == (first["users"], first["services"])
    assert "mine" not in json.loads((tmp_path / "s" / "passwords.json").read_text())["users"]


def test_renewed_secrets_are_told_as_made(tmp_path: Path) -> None:
    args: dict[str, Any] = {"directory": tmp_path / "s", "users": ["app"], "services": ["api"]}
    first, second = run(secrets, **args), run(secrets, **args, renew=["api"])
    assert second["changed"] and second["generated"] == ["api"]
    assert second["users"] == first["users"] and second["services"]["api"] != first["services"]["api"]
    assert run(secrets, **args)["services"] == second["services"]


def test_secrets_in_check_mode_stay_in_memory(tmp_path: Path) -> None:
    result = run(secrets, check_mode=True, directory=tmp_path / "s", users=["app"])
    assert result["changed"] and len(result["users"]["app"]) == 32
    assert not (tmp_path / "s").exists()


def test_secrets_are_hidden_without_being_asked_to(tmp_path: Path) -> None:
    assert run(secrets, directory=tmp_path / "s", users=["app"])["_ansible_no_log"] is True


@pytest.mark.parametrize(
    ("text", "mode", "given", "problem"),
    [
        ("{}", 0o600, {}, "nothing else"),
        ('{"users": {}, "services": {}}', 0o644, {}, "chmod 600"),
        ('{"users": {}, "services": {}}', 0o600, {"app": "a\n"}, "control character"),
    ],
)
def test_secrets_that_cannot_be_used(tmp_path: Path, text: str, mode: int, given: dict[str, str], problem: str) -> None:
    directory = tmp_path / "s"
    directory.mkdir(0o700)
    path = directory / "passwords.json"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(AnsibleActionFail, match=problem):
        run(secrets, directory=directory, users=["app"], given=given)
    assert path.read_text() == text


def test_connections_are_written_once_and_not_told(tmp_path: Path) -> None:
    args: dict[str, Any] = {
        "directory": tmp_path / "s",
        "plan": PLAN,
        "passwords": {"app": "hush-hush"},
        "trusted": "PEM\n",
    }
    assert run(connections, check_mode=True, **args)["changed"]
    assert not (tmp_path / "s").exists()
    first = run(connections, **args)
    assert first["changed"] and "hush-hush" not in str({k: v for k, v in first.items() if k != "invocation"})
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["ca.crt", "connections.json", "pgpass"]
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "s").iterdir()} == {0o600}
    assert not run(connections, **args)["changed"]
    changed = run(connections, **{**args, "passwords": {"app": "new"}})["files_changed"]
    assert changed == [path for path in first["files"] if not path.endswith("ca.crt")]


def test_connections_without_a_password(tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match="no password for app"):
        run(connections, directory=tmp_path / "s", plan=PLAN, passwords={})
