# SPDX-License-Identifier: Apache-2.0
"""What modules of this collection say about check mode, diff and idempotence, said once."""

from __future__ import annotations


class ModuleDocFragment:
    """A module says what differs: less support, or details."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and tell what it would change, without changing anything.
    support: full
  diff_mode:
    description: Tells in C(diff_mode) what it changed, or would change in C(check_mode).
    support: full
  idempotent:
    description: Run a second time in a row, it changes nothing.
    support: full
"""
