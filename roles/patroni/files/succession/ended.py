# SPDX-License-Identifier: Apache-2.0
"""The proof that a host gives by itself: Patroni's unit has ended, and no process of its PostgreSQL is left.

systemd runs this between the end of Patroni and its next start (ExecStopPost), so nobody starts PostgreSQL meanwhile.
A PostgreSQL that is alive goes on alone, as it is meant to, and keeps the leader key."""

from __future__ import annotations

from pathlib import Path

import decide
import etcd


def alive(data_directory: str, proc: Path = Path("/proc")) -> list[int]:
    """Processes of the PostgreSQL in this directory. All of them work there, and a backend may outlive the postmaster
    for as long as its commit takes. One of this user's that cannot be looked at counts."""
    found = []
    for entry in proc.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if (entry / "cwd").samefile(data_directory):
                found.append(int(entry.name))
        except PermissionError:
            if _named_postgres(entry):
                found.append(int(entry.name))
        except OSError:
            continue  # ended meanwhile
    return found


def _named_postgres(entry: Path) -> bool:
    try:
        return (entry / "comm").read_text().strip() == "postgres"
    except OSError:
        return False


def release(store: etcd.Etcd, base: str, own: str, me: str) -> bool:
    """Give up the leader key if this member holds it, and the cluster is not in maintenance mode."""
    view = decide.read(base, own, store.pairs(base, own))
    if view.leader is None or view.leader.name != me or view.paused:
        return False
    key = f"{base}leader"
    held = [etcd.value_is(key, me), etcd.revision_is(key, view.leader.revision)]
    return store.transaction(held, [etcd.delete(key)])
