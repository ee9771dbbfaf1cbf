# SPDX-License-Identifier: Apache-2.0
"""The WAL that the leader keeps for members that are away, and who can no longer follow for lack of it. Pure.

WAL is kept for a member that is away until max_slot_wal_keep_size is reached, or Patroni drops its slot
(member_slots_ttl). What decides is where the leader's WAL begins, and that is looked at; its slot only for a member
that says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.slots import slot_name

_MIB = 1024 * 1024


class Follower(NamedTuple):
    """`position` is the end of the WAL that it has, in bytes; None while it does not say."""

    name: str
    streams: bool
    position: int | None


def follower(name: str, own: Mapping[str, Any]) -> Follower:
    """By what its Patroni says of it, which is empty if it says nothing."""
    xlog = own.get("xlog", {})
    known = [at for key in ("received_location", "replayed_location") if isinstance(at := xlog.get(key), int) and at]
    return Follower(name, own.get("replication_state") == "streaming", max(known, default=None))


def lost(followers: Sequence[Follower], leader: Mapping[str, Any]) -> Iterator[str]:
    """`leader` is what M(replication_info) found there; empty if it could not be asked."""
    begins, slots = leader.get("oldest_wal"), _slots(leader)
    for one in followers:
        if one.streams:
            continue
        gone = slots.get(slot_name(one.name), {}).get("wal_status") == "lost"
        if one.position is None and not gone:
            continue
        if gone if one.position is None else isinstance(begins, int) and one.position < begins:
            yield (f"{one.name} cannot catch up: the leader has no longer the WAL that it lacks: {_reinit(one.name)}")


def kept(followers: Sequence[Follower], leader: Mapping[str, Any], limit: str) -> Iterator[str]:
    slots = _slots(leader)
    for one in followers:
        slot = slots.get(slot_name(one.name), {})
        size = slot.get("retained_bytes")
        if not one.streams and size and slot.get("wal_status") != "lost":
            yield f"the leader keeps {int(size) // _MIB} MiB of WAL for {one.name}, which is away, and up to {limit}"
        if one.streams and slot.get("invalidation_reason"):
            yield (
                f"{one.name} was away for so long that the leader keeps no WAL for it any more, now or the next time: "
                f"{_reinit(one.name)}"
            )


def _reinit(name: str) -> str:
    return f"copy it anew, playbooks/reinit.yml -e member={name} -e reinit_confirm={name}"


def _slots(leader: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {slot["slot_name"]: slot for slot in leader.get("slots", [])}
