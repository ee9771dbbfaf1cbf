# SPDX-License-Identifier: Apache-2.0
"""What a person is told at the end of a run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pgtier.cluster.plugins.module_utils import connections


def endpoint_summary(plan: Any, inventory_directory: str) -> str:
    """One text, with the inventory's path as short as it can be said where Ansible runs.

    A text and not a list, because Ansible's output folds the long items of a list, and a folded line cannot be pasted.
    """
    absolute = str(Path(inventory_directory).absolute())
    shortest = min(absolute, os.path.relpath(absolute), key=len)
    try:
        return "\n".join(connections.endpoint_summary(plan, f"{shortest}/secrets"))
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"endpoint_summary: needs a plan, and this is none ({error!r})") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"endpoint_summary": endpoint_summary}
