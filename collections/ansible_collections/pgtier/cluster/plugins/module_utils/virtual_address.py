# SPDX-License-Identifier: Apache-2.0
"""The virtual address on a proxy: whether it is here, and how to have the proxy give it up for a while."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.component.host import Host

# Told in a tenth of a second, it is taken over within one; a busy host has several.
PATIENCE = 10.0


@contextmanager
def given_up(host: Host, address: str, drained_file: str) -> Iterator[None]:
    """While its services are replaced: the check on the host goes by the file. Where all other proxies are worse it
    stays, for they serve nobody."""
    if not address:
        yield
        return
    host.path(drained_file).parent.mkdir(parents=True, exist_ok=True)
    host.path(drained_file).touch()
    try:
        deadline = host.now() + PATIENCE
        while has(address) and host.now() < deadline:
            host.sleep(0.1)
        yield
    finally:
        host.path(drained_file).unlink(missing_ok=True)


def state(address: str, weight_file: str) -> dict[str, Any]:
    """Whether this host has it, and by how much the check finds it better than a sound proxy; None before it says."""
    try:
        weight: int | None = int(Path(weight_file).read_text())
    except (OSError, ValueError):
        weight = None
    return {"here": has(address), "weight": weight}


def has(address: str) -> bool:
    """Whether this host has an address: only then can it be bound to."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
