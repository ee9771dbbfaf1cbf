# SPDX-License-Identifier: Apache-2.0
"""A load leaves nothing behind, whatever its last moments met with."""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg
import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.drill import load


class Tier:
    """Refuses `refusals` connections after the first `accepted`, and takes statements otherwise."""

    description = None

    def __init__(self, refusals: int, accepted: int = 1) -> None:
        self.asked = 0
        self.refused = range(accepted, accepted + refusals)
        self.statements: list[str] = []

    def connect(self, *_: Any, **__: Any) -> Any:
        self.asked += 1
        if self.asked - 1 in self.refused:
            raise psycopg.errors.ProtocolViolation("server login has been failing, cached error")
        return contextlib.nullcontext(self)

    def execute(self, statement: str) -> Tier:
        self.statements.append(statement)
        return self


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> load.Load:
    monkeypatch.setattr(load.time, "sleep", lambda _: None)
    return load.Load(load.Connections("", [], []))


def test_a_refusal_that_passes_leaves_no_schema(made: load.Load, monkeypatch: pytest.MonkeyPatch) -> None:
    tier = Tier(refusals=2)
    monkeypatch.setattr(psycopg, "connect", tier.connect)
    made.make_schema()
    made.clean_up()
    assert tier.statements[1:] == [f"DROP SCHEMA IF EXISTS {made.schema} CASCADE"]


def test_a_refusal_that_lasts_is_told(made: load.Load, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(0, 1000, 10))
    monkeypatch.setattr(load.time, "monotonic", lambda: next(moments))
    monkeypatch.setattr(psycopg, "connect", Tier(refusals=1000).connect)
    made.make_schema()
    with pytest.raises(psycopg.OperationalError, match=f"DROP SCHEMA IF EXISTS {made.schema} CASCADE.*cached error"):
        made.clean_up()


def test_a_tier_that_lets_nobody_in_is_told_as_that_and_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tier = Tier(refusals=1000, accepted=0)
    monkeypatch.setattr(psycopg, "connect", tier.connect)
    with (
        pytest.raises(psycopg.OperationalError, match=r"^server login has been failing, cached error$"),
        load.running(load.Connections("", [], [])),
    ):
        pass
    assert tier.asked == 1
