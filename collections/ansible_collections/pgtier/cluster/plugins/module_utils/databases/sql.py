# SPDX-License-Identifier: Apache-2.0
"""Names and texts in statements. The planner is pure, so it cannot ask a connection to quote for it."""

from __future__ import annotations

from collections.abc import Iterable

from .model import PUBLIC


def identifier(name: str) -> str:
    """A name, always quoted: reserved words and capitals then need no thought."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text constant. `standard_conforming_strings` is on in every session of ours, so a backslash is itself."""
    return "'" + text.replace("'", "''") + "'"


def grantee(name: str) -> str:
    return "PUBLIC" if name == PUBLIC else identifier(name)


def listed(words: Iterable[str]) -> str:
    """Words in a fixed order, so that the same plan reads the same each time."""
    return ", ".join(sorted(words))
