"""Files that follow from the table of options: role defaults, argument_specs and docs/variables.md."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.option import Option
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.options import BY_ROLE, OPTIONS, ROLES

_GENERATED = "Made by bin/generate from module_utils/plan/options"
_SUMMARIES = {
    "system": "Packages and kernel settings of a host",
    "firewall": "What a host lets in, as the plan's openings say",
    "tls": "The certificate of each host, and whom hosts trust",
    "etcd": "A member of the configuration store that Patroni elects the primary in",
    "postgresql": "PostgreSQL itself; the role patroni, under which it runs, converges it",
    "patroni": "A PostgreSQL server under Patroni",
    "databases": "Databases, users and grants, on the primary",
    "pgbouncer": "One PgBouncer unit for each pooled endpoint",
    "haproxy": "Ports that lead to the primary and to replicas that are fit",
    "keepalived": "An address that moves between the proxies to one that serves",
}


class Dumper(yaml.SafeDumper):
    """Indents lists below their key, as yamllint wants them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def documents(root: Path) -> dict[Path, str]:
    readme = root / "README.md"
    files = {root / "docs" / "variables.md": variables_table(), readme: with_variables(readme.read_text())}
    for role in ROLES:
        files[root / "roles" / role / "defaults" / "main.yml"] = defaults(role)
        files[root / "roles" / role / "meta" / "argument_specs.yml"] = argument_specs(role)
    return files


def described(option: Option) -> str:
    """The description with what else bounds the value."""
    parts = [option.description]
    if option.minimum is not None and option.maximum is not None:
        parts.append(f"From {option.minimum} to {option.maximum}{' ' + option.unit if option.unit else ''}.")
    if option.scope == "host":
        parts.append("Each host may have its own.")
    return " ".join(parts)


def defaults(role: str) -> str:
    lines = [
        "---",
        f"# {_GENERATED}/{role}.py.",
        "# Variables whose default is computed stand in meta/argument_specs.yml only.",
    ]
    for option in BY_ROLE[role]:
        if option.default is not None:
            lines += ["", *textwrap.wrap(described(option), 118, initial_indent="# ", subsequent_indent="# ")]
            # `databases` is the role's name itself, which is as clear a prefix as there can be.
            exception = "" if option.name.startswith(f"{role}_") else "  # noqa: var-naming[no-role-prefix]"
            lines.append(f"{option.name}: {_inline(option.default)}{exception}")
    return "\n".join(lines) + "\n"


def argument_specs(role: str) -> str:
    specs = {
        "argument_specs": {
            "main": {
                "short_description": _SUMMARIES[role],
                "options": {option.name: _spec(option) for option in BY_ROLE[role]},
            }
        }
    }
    text = yaml.dump(specs, Dumper=Dumper, sort_keys=False, width=120, allow_unicode=True)
    return f"---\n# {_GENERATED}/{role}.py.\n{text}"


def _spec(option: Option) -> dict[str, Any]:
    spec: dict[str, Any] = {"description": described(option), "type": option.type}
    if option.elements:
        spec["elements"] = option.elements
    if option.required:
        spec["required"] = True
    if option.choices:
        spec["choices"] = list(option.choices)
    if option.default is not None:
        spec["default"] = option.default
    if option.name == "password":
        spec["no_log"] = True
    if option.keys:
        spec["options"] = {key.name: _spec(key) for key in option.keys}
    return spec


def variables_table() -> str:
    lines = [
        "# Variables",
        "",
        f"{_GENERATED}. All are optional. Set those of the cluster in",
        "`group_vars/all`; a value that differs between hosts is refused unless the table says *host*.",
    ]
    for role in ROLES:
        lines += ["", f"## {role}", "", f"{_SUMMARIES[role]}.", ""]
        lines += ["| Variable | Type | Default | Meaning |", "|---|---|---|---|"]
        for option in BY_ROLE[role]:
            lines += _rows(option, option.name, top=True)
    return "\n".join(lines) + "\n"


_BEGIN, _END = "<!-- variables: made by bin/generate -->\n", "<!-- end of variables -->"


def with_variables(readme: str) -> str:
    """The README with the table of variables put in: a row each, without the keys of lists."""
    before, rest = readme.split(_BEGIN)
    rows = [
        f"| `{option.name}` | {_default(option)} | {described(option)} |"
        for option in OPTIONS.values()
        if option.planned
    ]
    table = ["", "| Variable | Default | Meaning |", "|---|---|---|", *rows, "", ""]
    return before + _BEGIN + "\n".join(table) + _END + rest.split(_END)[1]


def _default(option: Option) -> str:
    return "required" if option.required else "" if option.default is None else f"`{_inline(option.default)}`"


def _rows(option: Option, path: str, *, top: bool = False) -> list[str]:
    kind = f"{option.type} of {option.elements}" if option.elements == "dict" else option.type
    if top and option.scope == "host":
        kind += ", *host*"
    meaning = described(option).removesuffix(" Each host may have its own.")
    if option.choices:
        meaning += " One of " + ", ".join(f"`{choice}`" for choice in option.choices) + "."
    rows = [f"| `{path}` | {kind} | {_default(option)} | {meaning} |"]
    inner = f"{path}[]" if option.elements else path
    for key in option.keys:
        rows += _rows(key, f"{inner}.{key.name}")
    return rows


def _inline(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"' if "{" in value else value
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()
