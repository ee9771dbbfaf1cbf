# SPDX-License-Identifier: Apache-2.0
"""What Patroni calls a member's replication slot. Pure."""

from __future__ import annotations

import re


def slot_name(member: str) -> str:
    """What Patroni makes of a member's name: a slot's may have small letters, digits and underscores only."""
    named = re.sub(r"[-.]", "_", member.lower())
    return "".join(c if re.fullmatch(r"[a-z0-9_]", c) else f"u{ord(c):04d}" for c in named)[:63]
