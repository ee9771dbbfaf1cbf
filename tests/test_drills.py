# SPDX-License-Identifier: Apache-2.0
"""docs/drills.md lists every fault there is, with what it is; there are enough of them."""

from __future__ import annotations

import re
from pathlib import Path

from failing import FAULTS

TOP = Path(__file__).parents[1]


def test_every_fault_is_listed_as_it_is() -> None:
    rows = re.findall(
        r"^\| `(\w+)`[ *]*\| (.*?) \| (.*?) ?\| (.*) \|$", (TOP / "docs/drills.md").read_text(), re.MULTILINE
    )
    assert rows == [
        (fault.name, fault.target.replace("_", " "), f"{fault.lasts:g} s" if fault.lasts else "", fault.does)
        for fault in FAULTS.values()
    ]
    assert len(FAULTS) >= 25
