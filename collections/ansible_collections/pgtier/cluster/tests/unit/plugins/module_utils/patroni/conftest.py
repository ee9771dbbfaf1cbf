from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .fake import FakeMember


@pytest.fixture
def member() -> Iterator[Callable[..., FakeMember]]:
    """Makes members, and stops them after the test."""
    made: list[FakeMember] = []

    def make(config: dict[str, Any] | None = None, name: str = "pg1") -> FakeMember:
        made.append(FakeMember(config, name))
        return made[-1]

    yield make
    for one in made:
        one.close()
