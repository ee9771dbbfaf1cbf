# SPDX-License-Identifier: Apache-2.0
"""What a drill says when it cannot begin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.pgtier.cluster.plugins.action import drill

KNOWN = {"app": {"owner": {"primary": "postgresql://p1/app", "replica": "postgresql://p1/app"}}}


def start(path: Path, check_mode: bool = True) -> dict[str, Any]:
    task = MagicMock(args={"state": "started", "connections": str(path)})
    task.check_mode, task.async_val, task.no_log = check_mode, 0, False
    action = drill.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    result: dict[str, Any] = action.run(task_vars={})
    return result


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, r"connections\.json is not there: run site\.yml first"),
        ("{", r"connections\.json cannot be read .*: run site\.yml"),
        ('{"app": {}}', r"drill_user '' has no access to 'app'"),
    ],
    ids=["missing", "broken", "without a user"],
)
def test_what_is_missing_is_said_with_what_makes_it(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "connections.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(AnsibleActionFail, match=said):
        start(path)


def test_a_check_begins_no_load(tmp_path: Path) -> None:
    path = tmp_path / "connections.json"
    path.write_text(json.dumps(KNOWN))
    assert start(path) == {"changed": True, "directory": "", "schema": ""}
