# SPDX-License-Identifier: Apache-2.0
"""A load leaves nothing behind, whatever its last moments met with."""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg
import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.drill import load


class Tier:
    """Refuses so many connections, then takes statements."""

    description = None

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.statements: list[str] = []

    def connect(self, *_: Any, **__: Any) -> Any:
        self.refusals -= 1
        if self.refusals >= 0:
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
    made.clean_up()
    assert tier.statements == [f"DROP SCHEMA IF EXISTS {made.schema} CASCADE"]


def test_a_refusal_that_lasts_is_told(made: load.Load, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(0, 1000, 10))
    monkeypatch.setattr(load.time, "monotonic", lambda: next(moments))
    monkeypatch.setattr(psycopg, "connect", Tier(refusals=1000).connect)
    with pytest.raises(psycopg.OperationalError, match=f"DROP SCHEMA IF EXISTS {made.schema} CASCADE.*cached error"):
        made.clean_up()
