# SPDX-License-Identifier: Apache-2.0
"""The controller's side: arguments and rendering, with Ansible's own templar and loader."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.pgtier.cluster.plugins.action.component import ActionModule, checked_arguments

CANARY = "canary-s3cret"


class Action(ActionModule):
    """Keeps what it would have sent to the host."""

    sent: dict[str, Any]

    def _execute_module(self, module_name: str, module_args: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        assert module_name == "pgtier.cluster.component"
        self.sent = module_args
        return {"changed": True}


@pytest.fixture
def action(tmp_path: Path) -> Action:
    (tmp_path / "templates").mkdir()
    (tmp_path / "files").mkdir()
    loader = DataLoader()
    loader.set_basedir(str(tmp_path))
    task = mock.MagicMock(async_val=0, diff=False, check_mode=False)
    task.args = {"name": "x"}
    task.get_search_path.return_value = [str(tmp_path)]
    return Action(
        task=task,
        connection=mock.MagicMock(),
        play_context=mock.MagicMock(check_mode=False),
        loader=loader,
        templar=Templar(loader=loader),
        shared_loader_obj=None,
    )


def template(action: Action, text: str, name: str = "a.j2") -> str:
    path = Path(action._loader.get_basedir()) / "templates" / name
    path.write_text(text)
    return str(path)


def contents(action: Action, files: list[dict[str, Any]], **task_vars: Any) -> dict[str, str]:
    action._task.args = {"name": "x", "files": files}
    variables = {"ansible_search_path": [action._loader.get_basedir()], **task_vars}
    result = action.run(task_vars=variables)
    assert result["changed"]
    return {path: base64.b64decode(text).decode() for path, text in action.sent["contents"].items()}


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("port {{ port }}\n", {}, "port 5000\n"),
        ("{{ who }}", {"variables": {"who": "instance"}}, "instance"),
        ("{{ port }}", {"variables": {"port": 1}}, "1"),
        ("{% if true %}\nx\n{% endif %}\n", {}, "x\n"),
        ("{% if true %}\nx\n{% endif %}\n", {"trim_blocks": False}, "\nx\n"),
        ("  {% if true %}\nx\n  {% endif %}\n", {"lstrip_blocks": True}, "x\n"),
        ("{{ list | join(',') }}", {"variables": {"list": [1, 2]}}, "1,2"),
        ("{{ plan.name }}", {}, "main"),
        ("a\\nb", {}, "a\\nb"),
        ("# {{ ansible_managed }}", {}, "# Ansible managed"),
        ("{% include 'other.j2' %}", {}, "included 5000"),
        ("", {}, ""),
        ("true", {}, "true"),
        ("{{ raw }}", {}, "{{ not_a_template }}"),
    ],
)
def test_templates(action: Action, text: str, options: dict[str, Any], expected: str) -> None:
    template(action, "included {{ port }}", "other.j2")
    files = [{"dest": "/x", "template": template(action, text), **options}]
    rendered = contents(action, files, port=5000, plan={"name": "main"}, raw="{{ not_a_template }}")
    assert rendered == {"/x": expected}


def test_a_relative_template_and_source_are_looked_for(action: Action) -> None:
    template(action, "one", "a.j2")
    (Path(action._loader.get_basedir()) / "files" / "b").write_bytes(b"two")
    files = [{"dest": "/a", "template": "a.j2"}, {"dest": "/b", "source": "b"}, {"path": "/c", "content": "three"}]
    assert contents(action, files) == {"/a": "one", "/b": "two", "/c": "three"}


def test_variables_of_one_file_do_not_reach_another(action: Action) -> None:
    path = template(action, "{{ who | default('nobody') }}")
    files: list[dict[str, Any]] = [
        {"dest": "/a", "template": path, "variables": {"who": "a"}},
        {"dest": "/b", "template": path},
    ]
    assert contents(action, files) == {"/a": "a", "/b": "nobody"}


def test_a_binary_source_arrives_as_it_is(action: Action) -> None:
    (Path(action._loader.get_basedir()) / "files" / "b").write_bytes(b"\xff\x00")
    action._task.args = {"name": "x", "files": [{"dest": "/b", "source": "b"}]}
    action.run(task_vars={})
    assert base64.b64decode(action.sent["contents"]["/b"]) == b"\xff\x00"


def test_secrets_travel_only_in_the_parameter_that_is_not_logged(action: Action) -> None:
    path = template(action, "{{ password }}")
    files = [
        {"dest": "/a", "content": CANARY, "secret": True},
        {"dest": "/b", "template": path, "variables": {"password": CANARY}, "secret": True},
    ]
    assert contents(action, files) == {"/a": CANARY, "/b": CANARY}
    assert CANARY not in repr(action.sent)
    assert all(set(file).isdisjoint({"content", "template", "source", "variables"}) for file in action.sent["files"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ok\n{{ nowhere }}\n", ", line 2: 'nowhere' is undefined"),
        ("ok\nnowhere\n{% if nowhere.x %}{% endif %}", ", line 3: 'nowhere' is undefined"),
        ("{{ plan.x }}", ", line 1: object of type 'dict' has no attribute 'x'"),
        ("a\nb\n{% if %}", ", line 3: Syntax error in template"),
        ("{{ 1 / 0 }}", "division by zero"),
    ],
)
def test_an_error_names_template_line_and_variable(action: Action, text: str, expected: str) -> None:
    path = template(action, text)
    with pytest.raises(AnsibleError) as error:
        contents(action, [{"dest": "/x", "template": path}], plan={})
    assert f"/x: template {path}" in str(error.value)
    assert expected in str(error.value)


def test_every_file_that_cannot_be_rendered_is_named(action: Action) -> None:
    files = [
        {"dest": "/a", "template": template(action, "{{ one }}", "a.j2")},
        {"dest": "/b", "template": template(action, "{{ two }}", "b.j2")},
        {"dest": "/c", "source": "nowhere"},
    ]
    with pytest.raises(AnsibleError) as error:
        contents(action, files)
    message = str(error.value)
    assert "'one' is undefined" in message and "'two' is undefined" in message and "- /c: " in message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ["missing required arguments: name"]),
        ({"name": "x", "what": 1}, ["unknown parameter what"]),
        ({"name": "x", "action": "destroy"}, ["value of action must be one of"]),
        ({"name": "x", "contents": {}}, ["contents is set by the action plugin"]),
        ({"name": "x", "files": [{"content": "x"}]}, ["missing required arguments: dest found in files"]),
        ({"name": "x", "packages": ["A"], "files": [{"dest": "x", "content": "y", "mode": 420}]},
         ["'A' is not a package name", "files: x: must be an absolute path", "mode 420 is a number"]),
    ],
)  # fmt: skip
def test_bad_arguments_never_reach_a_host(arguments: dict[str, Any], expected: list[str]) -> None:
    with pytest.raises(AnsibleActionFail) as error:
        checked_arguments(arguments)
    assert all(text in str(error.value) for text in expected)
