"""What a check looks at."""

from __future__ import annotations

from dataclasses import dataclass

from ..inventory import Inventory
from ..postgresql import Facts
from ..settings import Settings
from ..topology import Topology


@dataclass(frozen=True)
class Subject:
    """The inventory as written, as read, and what hosts said. Any of it may be wrong: a check must not raise."""

    inventory: Inventory
    settings: Settings
    topology: Topology
    facts: Facts
