# SPDX-License-Identifier: Apache-2.0
"""What every module of this collection says about check mode, diff and idempotence, said once."""

from __future__ import annotations


class ModuleDocFragment:
    """Modules add `support` to each of these attributes."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and tell what it would change, without changing anything.
  diff_mode:
    description: Tells in C(diff_mode) what it changed, or would change in C(check_mode).
  idempotent:
    description: Run a second time in a row, it changes nothing.
"""
