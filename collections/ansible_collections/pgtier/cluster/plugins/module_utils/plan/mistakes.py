"""Mistakes of an inventory: gathered as values, so that all of them can be told at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, order=True)
class Mistake:
    """One thing wrong. `where` is a host, a group or the cluster; `value` is already text."""

    where: str
    variable: str
    value: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        shown = f"{self.variable} = {self.value}" if self.value else self.variable
        subject = f"{self.where}: {shown}" if shown else self.where
        return f"{subject}: {self.problem}\n      {self.remedy}"


class PlanError(ValueError):
    """The inventory is refused. Holds every mistake that was found, sorted."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes)))
        count = len(self.mistakes)
        head = "The inventory has one mistake" if count == 1 else f"The inventory has {count} mistakes"
        lines = "\n".join(f"  {number}. {mistake}" for number, mistake in enumerate(self.mistakes, 1))
        super().__init__(f"{head}; no host was touched.\n{lines}")


def show(value: Any) -> str:
    """A value as a reader of the inventory knows it: short, and strings with quotes only where they are needed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) and value.strip() == value and value else repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
