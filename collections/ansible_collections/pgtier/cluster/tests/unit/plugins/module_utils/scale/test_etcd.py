# SPDX-License-Identifier: Apache-2.0
"""Joining and leaving etcd, from every state that an interrupted run can leave."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.scale.etcd import (
    EtcdMember,
    EtcdRefusal,
    initial_cluster,
    parse_members,
    plan_join,
    plan_leave,
)


def peer(number: int) -> str:
    return f"https://10.0.0.{number}:2380"


def client(number: int) -> str:
    return f"https://10.0.0.{number}:2379"


def member(number: int, name: str | None = None, learner: bool = False) -> EtcdMember:
    """pg<number>; one without a name has not started yet."""
    name = f"pg{number}" if name is None else name
    return EtcdMember(number, name, (peer(number),), (client(number),) if name else (), learner)


THREE = [member(number) for number in (1, 2, 3)]
FIVE = [*THREE, member(4), member(5)]


def test_parse() -> None:
    started = {"ID": 0xC0FFEE0000000001, "name": "pg1", "peerURLs": [peer(1)], "clientURLs": [client(1)]}
    learner = {"ID": 2, "peerURLs": [peer(2)], "isLearner": True}
    first, second = parse_members({"members": [started, learner]})
    assert (first.hex_id, first.learner) == ("c0ffee0000000001", False)
    assert (second.name, second.client_urls, second.learner) == ("", (), True)


@pytest.mark.parametrize(
    ("members", "has_data", "steps"),
    [
        (THREE, False, ["add", "start", "promote"]),
        (THREE, True, ["set_aside", "add", "start", "promote"]),  # it was a member once
        ([*THREE, member(4, "", True)], False, ["start", "promote"]),  # ended after the add
        ([*THREE, member(4, "", True)], True, ["start", "promote"]),  # ended while it started
        ([*THREE, member(4, learner=True)], True, ["start", "promote"]),  # ended before the promotion
        ([*THREE, member(4, "")], False, ["start"]),  # added by hand, with a vote
        ([*THREE, member(4)], True, []),
    ],
)
def test_join(members: list[EtcdMember], has_data: bool, steps: list[str]) -> None:
    assert plan_join(members, "pg4", peer(4), has_data) == steps


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([*THREE, member(9, "pg4")], f"etcd has a member pg4 at {peer(9)}, and this host is at {peer(4)}"),
        ([*THREE, member(4)], "etcd knows pg4 as a member with data, and this host has none"),
        ([*THREE, member(4, learner=True)], "etcd knows pg4 as a member with data, and this host has none"),
        ([*THREE, member(5, learner=True)], "etcd takes one learner at a time, and pg5 is one"),
        ([*THREE, member(5, "", True)], f"etcd takes one learner at a time, and {peer(5)} is one"),
    ],
)
def test_join_is_refused(members: list[EtcdMember], why: str) -> None:
    with pytest.raises(EtcdRefusal, match=re.escape(why)):
        plan_join(members, "pg4", peer(4), False)


def test_who_joins_names_everybody_and_itself_before_it_has_a_name() -> None:
    assert initial_cluster([*THREE[:1], member(4, "", True)], "pg4", peer(4)) == f"pg1={peer(1)},pg4={peer(4)}"


def leave(members: list[EtcdMember], number: int, well: tuple[int, ...]) -> Any:
    found, note = plan_leave(members, f"pg{number}", peer(number), {client(one) for one in well})
    return found and found.id, note


@pytest.mark.parametrize(
    ("members", "number", "well", "found", "note"),
    [
        (FIVE, 5, (1, 2, 3, 4, 5), 5, ""),
        (FIVE, 5, (1, 2, 3, 4), 5, ""),
        (FIVE, 5, (1, 2, 3), 5, "etcd has 4 members and survives the loss of none until another one is added"),
        (THREE, 3, (1, 2), 3, "etcd has 2 members and survives the loss of none until another one is added"),
        (THREE, 4, (1, 2, 3), None, ""),  # it has gone already
        ([*THREE, member(4, learner=True)], 4, (1, 2), 4, ""),  # half joined
        ([*THREE, member(4, "", True)], 4, (1, 2, 3), 4, ""),
    ],
)
def test_leave(members: list[EtcdMember], number: int, well: tuple[int, ...], found: Any, note: str) -> None:
    assert leave(members, number, well) == (found, note)


@pytest.mark.parametrize(
    ("members", "number", "well", "why"),
    [
        (THREE, 3, (1, 3), "of which 1 answer and 2 are needed for a quorum (silent: pg2)"),
        (THREE, 3, (1, 2, 3), "etcd would have 2 members and survive the loss of none, where it now survives one"),
        (THREE[:1], 1, (1,), "etcd would have 0 members"),
        (FIVE, 5, (1, 2), "of which 2 answer and 3 are needed"),
        (THREE, 3, (), "of which 0 answer"),  # nobody answers: nothing is known
    ],
)
def test_leave_is_refused(members: list[EtcdMember], number: int, well: tuple[int, ...], why: str) -> None:
    with pytest.raises(EtcdRefusal, match=re.escape(why)):
        leave(members, number, well)


def test_a_host_that_came_back_with_another_address_is_found_by_its_name() -> None:
    found, _note = plan_leave([*THREE, member(4), member(5)], "pg4", peer(9), {client(one) for one in (1, 2, 3)})
    assert found is not None
    assert found.id == 4
