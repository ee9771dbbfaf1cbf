# SPDX-License-Identifier: Apache-2.0
"""Controller side of `component`: checks the arguments, renders the files, executes the module once."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

from ansible._internal._templating import _template_vars
from ansible.errors import AnsibleActionFail, AnsibleError, AnsibleTemplateError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template
from ansible_collections.pgtier.cluster.plugins.module_utils.component.spec import ARGUMENT_SPEC, check_arguments

MODULE = "pgtier.cluster.component"


class ActionModule(ActionBase):
    """Contents travel beside the files' other arguments, in a parameter that is never logged."""

    supports_raw_params = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = checked_arguments(dict(self._task.args))
        arguments["contents"] = self._contents(arguments["files"], task_vars or {})
        for file in arguments["files"]:
            # What the contents were made from stays here: it can hold secrets, and the host has no use for it.
            for key in ("path", "template", "content", "source", "variables"):
                file.pop(key, None)
        result.update(self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars))
        return result

    def _contents(self, files: list[dict[str, Any]], task_vars: dict[str, Any]) -> dict[str, str]:
        """Final contents of the files in base64, or every mistake in their templates at once."""
        contents: dict[str, str] = {}
        mistakes: list[str] = []
        for file in files:
            try:
                contents[file["dest"]] = base64.b64encode(self._content(file, task_vars)).decode()
            except AnsibleError as error:
                mistakes.append(f"{file['dest']}: {error}")
        if mistakes:
            raise AnsibleActionFail(_listed("Not every file could be rendered", mistakes))
        return contents

    def _content(self, file: dict[str, Any], task_vars: dict[str, Any]) -> bytes:
        if file["content"] is not None:
            return str(file["content"]).encode()
        if file["source"] is not None:
            return Path(self._find_needle("files", file["source"])).read_bytes()
        return self._render(file, task_vars).encode()

    def _render(self, file: dict[str, Any], task_vars: dict[str, Any]) -> str:
        path = self._find_needle("templates", file["template"])
        text = self._loader.get_text_file_contents(path)
        variables = {
            **task_vars,
            **_template_vars.generate_ansible_template_vars(
                path=file["template"],
                fullpath=path,
                dest_path=file["dest"],
                include_ansible_managed="ansible_managed" not in task_vars,
            ),
            **file["variables"],
        }
        templar = self._templar.copy_with_new_env(
            searchpath=self._search_path(path, task_vars), available_variables=variables
        )
        try:
            rendered = templar.template(
                trust_as_template(text),
                escape_backslashes=False,
                overrides={"trim_blocks": file["trim_blocks"], "lstrip_blocks": file["lstrip_blocks"]},
            )
        except AnsibleTemplateError as error:
            raise AnsibleActionFail(f"template {path}{where_in(text, error)}: {error}") from error
        return "" if rendered is None else str(rendered)

    def _search_path(self, template: str, task_vars: dict[str, Any]) -> list[str]:
        """Where an include is looked for: as ansible.builtin.template does."""
        roots = [*task_vars.get("ansible_search_path", []), self._loader.get_basedir(), str(Path(template).parent)]
        return [path for root in roots for path in (str(Path(root) / "templates"), str(root))]


def checked_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with their defaults, or every mistake in them at once."""
    if "contents" in arguments:
        raise AnsibleActionFail("contents is set by the action plugin; use files[].content")
    validated = ArgumentSpecValidator(ARGUMENT_SPEC).validate(arguments)
    mistakes = [
        f"unknown parameter {error.msg}" if isinstance(error, UnsupportedError) else error.msg
        for error in validated.errors.errors
    ] or check_arguments(validated.validated_parameters)
    if mistakes:
        raise AnsibleActionFail(_listed(f"component {arguments.get('name', '')}: bad arguments", mistakes))
    parameters: dict[str, Any] = validated.validated_parameters
    return parameters


def where_in(template: str, error: AnsibleError) -> str:
    """ ", line N" of what the error is about. Jinja knows it for syntax; of an undefined variable Ansible only keeps
    the name, so that is the first line which uses it."""
    number = getattr(error.__cause__, "lineno", None)
    name = re.search(r"'([^']+)' is undefined|has no attribute '([^']+)'", str(error))
    if number is None and name:
        word = re.compile(rf"\b{re.escape(name[1] or name[2])}\b")
        inside = (
            number
            for number, line in enumerate(template.splitlines(), 1)
            if ("{{" in line or "{%" in line) and word.search(line)
        )
        number = next(inside, None)
    return f", line {number}" if number else ""


def _listed(title: str, mistakes: list[str]) -> str:
    return "\n".join([f"{title}:", *(f"- {mistake}" for mistake in mistakes)])
