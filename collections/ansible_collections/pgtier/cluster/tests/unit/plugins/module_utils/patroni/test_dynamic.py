from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.dynamic import apply_patch, plan_patch, same
from hypothesis import given, settings
from hypothesis import strategies as st

SAME = [
    (300, "300"),
    (300, 300.0),
    ("0.90", 0.9),
    (-1, "-1"),
    (True, "on"),
    (True, "true"),
    (True, "YES"),
    (True, "1"),
    (False, "off"),
    (False, 0),
    ("replica", "replica"),
    (["a", "b"], ["a", "b"]),
    ([1, True], ["1", "on"]),
    ({"a": 1}, {"a": "1"}),
    (None, None),
]
DIFFERENT = [
    (300, "301"),
    (True, "off"),
    (True, 2),
    ("on", "true"),  # two words: one may be a program (archive_command: "true")
    ("10", "010"),  # octal to PostgreSQL
    ("1GB", "1024MB"),
    ("ON", "on"),
    (["a", "b"], ["b", "a"]),  # the order of pg_hba matters
    (["a"], "a"),
    ({"a": 1}, {"a": 1, "b": 2}),
    ({}, []),
    (None, ""),
    (None, 0),
    (None, False),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_same(left: Any, right: Any) -> None:
    assert same(left, right)
    assert same(right, left)


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_different(left: Any, right: Any) -> None:
    assert not same(left, right)
    assert not same(right, left)


EXACT = ("postgresql.parameters", "postgresql.pg_hba")
PATCHES: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...], dict[str, Any]]] = {
    # name: (current, desired, exact paths, patch)
    "nothing differs": ({"ttl": 20}, {"ttl": "20"}, (), {}),
    "a value": ({"ttl": 30, "loop_wait": 1}, {"ttl": 20, "loop_wait": 1}, (), {"ttl": 20}),
    "a new key": ({}, {"ttl": 20}, (), {"ttl": 20}),
    "an unknown key stays": ({"x": 1}, {"ttl": 20}, (), {"ttl": 20}),
    "null removes": ({"x": 1}, {"x": None}, (), {"x": None}),
    "null of what is not there": ({}, {"x": None}, (), {}),
    "null of a stored null": ({"x": None}, {"x": None}, (), {}),
    "only the key that differs": (
        {"postgresql": {"parameters": {"a": 1, "b": 2}}},
        {"postgresql": {"parameters": {"a": 1, "b": 3}}},
        (),
        {"postgresql": {"parameters": {"b": 3}}},
    ),
    "no null in a new parent": (
        {},
        {"postgresql": {"parameters": {"a": 1, "b": None}}},
        (),
        {"postgresql": {"parameters": {"a": 1}}},
    ),
    "a list is replaced": ({"l": [1, 2]}, {"l": [2]}, (), {"l": [2]}),
    "a value becomes a dict": ({"x": 1}, {"x": {"a": 1}}, (), {"x": {"a": 1}}),
    "a dict becomes a value": ({"x": {"a": 1}}, {"x": 1}, (), {"x": 1}),
    "not exact: a dropped parameter stays": (
        {"postgresql": {"parameters": {"a": 1, "b": 2}}},
        {"postgresql": {"parameters": {"a": 1}}},
        (),
        {},
    ),
    "exact: a dropped parameter goes": (
        {"postgresql": {"parameters": {"a": 1, "b": 2}}},
        {"postgresql": {"parameters": {"a": 1}}},
        EXACT,
        {"postgresql": {"parameters": {"b": None}}},
    ),
    "exact: only below the path": (
        {"postgresql": {"parameters": {}, "use_slots": True}, "ttl": 20},
        {"postgresql": {"parameters": {}}},
        EXACT,
        {},
    ),
    "exact: a parameter with a dot": (
        {"postgresql": {"parameters": {"pg_stat_statements.max": 1}}},
        {"postgresql": {"parameters": {}}},
        EXACT,
        {"postgresql": {"parameters": {"pg_stat_statements.max": None}}},
    ),
    "exact: a dropped list goes": (
        {"postgresql": {"pg_hba": ["host all all all trust"]}},
        {"postgresql": {"use_slots": True}},
        EXACT,
        {"postgresql": {"use_slots": True, "pg_hba": None}},
    ),
    "exact: nothing there, nothing wanted": ({}, {}, EXACT, {}),
    "exact: the parent goes as a whole": (
        {"postgresql": {"parameters": {"a": 1}}},
        {"postgresql": None},
        EXACT,
        {"postgresql": None},
    ),
}


@pytest.mark.parametrize(("current", "desired", "exact", "patch"), PATCHES.values(), ids=PATCHES)
def test_plan_patch(
    current: dict[str, Any], desired: dict[str, Any], exact: tuple[str, ...], patch: dict[str, Any]
) -> None:
    assert plan_patch(current, desired, exact) == patch


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from(["on", "1", "x", "0.5"]))
KEYS = st.sampled_from(["a", "b", "parameters", "postgresql"])
CONFIGS = st.dictionaries(
    KEYS, st.recursive(SCALARS | st.lists(SCALARS, max_size=2), lambda below: st.dictionaries(KEYS, below, max_size=3))
)


@settings(derandomize=True, max_examples=300)
@given(CONFIGS, CONFIGS, st.sampled_from([(), ("postgresql.parameters",), ("a", "postgresql.b")]))
def test_one_patch_is_enough(current: dict[str, Any], desired: dict[str, Any], exact: tuple[str, ...]) -> None:
    """What a second run would see: nothing left to patch."""
    assert plan_patch(apply_patch(current, plan_patch(current, desired, exact)), desired, exact) == {}


def test_apply_patch_leaves_its_input_alone() -> None:
    current = {"postgresql": {"parameters": {"a": 1}}}
    assert apply_patch(current, {"postgresql": {"parameters": {"a": None, "b": 2}}}) == {
        "postgresql": {"parameters": {"b": 2}}
    }
    assert current == {"postgresql": {"parameters": {"a": 1}}}
