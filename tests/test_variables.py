"""Role defaults, argument_specs and the table of variables say the same, by value, as the table of options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bin" / "lib"))

from ansible_collections.pgtier.cluster.plugins.module_utils.plan.option import Option  # noqa: E402
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.options import (  # noqa: E402
    BY_ROLE,
    OPTIONS,
    PREFIXES,
)
from documents import documents  # noqa: E402

DOCUMENTS = documents(ROOT)


def read(role: str, part: str) -> Any:
    return yaml.safe_load((ROOT / "roles" / role / part).read_text()) or {}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_document_is_up_to_date(path: Path) -> None:
    assert path.is_file() and path.read_text() == DOCUMENTS[path], "run bin/generate"


@pytest.mark.parametrize("role", BY_ROLE)
def test_defaults_and_specs_agree_with_the_options(role: str) -> None:
    specs = read(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = read(role, "defaults/main.yml")
    options = {option.name: option for option in BY_ROLE[role]}
    assert specs.keys() == options.keys()
    assert defaults == {name: spec["default"] for name, spec in specs.items() if "default" in spec}
    assert defaults == {name: option.default for name, option in options.items() if option.default is not None}
    for name, spec in specs.items():
        agree(spec, options[name])


def agree(spec: dict[str, Any], option: Option) -> None:
    assert spec["type"] == option.type
    assert spec["description"].strip()
    assert spec.get("elements", "") == option.elements
    assert spec.get("choices", []) == list(option.choices)
    assert spec.get("required", False) == option.required
    assert spec.get("default") == option.default
    keys = {key.name: key for key in option.keys}
    assert spec.get("options", {}).keys() == keys.keys()
    for name, key in keys.items():
        agree(spec["options"][name], key)


@pytest.mark.parametrize("option", OPTIONS.values(), ids=lambda option: option.name)
def test_option_is_well_made(option: Option) -> None:
    assert option in BY_ROLE[option.role]
    assert option.name.startswith(PREFIXES) or option.name == "databases"
    assert option.description[0].isupper() or option.description[0] == "`"
    assert option.description.endswith(".")
    assert (option.minimum is None) == (option.maximum is None)
    assert option.type != "int" or option.minimum is not None or option.choices
    if option.minimum is not None and option.maximum is not None and option.default is not None:
        assert option.minimum <= option.default <= option.maximum
    if option.choices and option.default is not None:
        assert option.default in option.choices
