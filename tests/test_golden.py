"""The example inventories against their golden files; every template has to be rendered for them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bin" / "lib"))

from goldens import TEMPLATES, goldens, leftovers, plan_of  # noqa: E402

EXAMPLES = ("analytics", "compact", "single", "split")
RENEW = "run bin/generate, and look at the difference before you commit it"
WANTED = goldens(ROOT)


def test_examples_are_all_there() -> None:
    assert tuple(sorted(path.name for path in (ROOT / "tests" / "inventories").iterdir())) == EXAMPLES


@pytest.mark.parametrize("path", WANTED, ids=lambda path: str(path.relative_to(ROOT / "tests" / "golden")))
def test_golden(path: Path) -> None:
    assert path.is_file(), f"missing: {RENEW}"
    assert path.read_text() == WANTED[path], RENEW


def test_no_golden_file_is_left_over() -> None:
    assert leftovers(ROOT, WANTED) == [], RENEW


def test_every_template_is_rendered() -> None:
    found = {str(path.relative_to(ROOT / "templates")) for path in (ROOT / "templates").rglob("*.j2")}
    assert found == TEMPLATES.keys(), "add a row to TEMPLATES in bin/lib/goldens.py"


def test_production_example_is_right() -> None:
    plan = plan_of(ROOT / "inventories" / "example")
    assert len(plan["hosts"]) == 5
    assert plan["cluster"]["recovery_point"] == "zero"
    assert plan["notes"] == []
