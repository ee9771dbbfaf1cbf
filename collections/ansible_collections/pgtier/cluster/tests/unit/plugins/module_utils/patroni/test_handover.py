"""The handover itself, on members of loopback: when the pools are let go, and what is said if nobody takes over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni import handover
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.choice import Switchover
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.client import PatroniClient
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.cluster import Member, parse

from .fake import FakeMember

PLAN = Switchover("pg1", "pg2", needed=True)


class Pools:
    def __init__(self) -> None:
        self.log: list[str] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        self.log.append("held")
        try:
            yield
        finally:
            self.log.append("let go")


@pytest.fixture
def pair() -> Iterator[tuple[FakeMember, FakeMember]]:
    old, new = FakeMember({}, "pg1"), FakeMember({}, "pg2")
    new.leads = False
    yield old, new
    old.close()
    new.close()


def members(*fakes: FakeMember) -> list[Member]:
    raw = [{"name": one.name, "role": "replica", "api_url": f"{one.url}/patroni"} for one in fakes]
    return parse({"members": raw})["members"]


def hand_over(pair: tuple[FakeMember, FakeMember], pools: Pools, limit: float = 5) -> tuple[str, dict[str, float]]:
    client = PatroniClient([pair[0].url], "patroni", "secret")
    return handover.hand_over(client, members(*pair), PLAN, pools.held, limit)


def test_the_pools_are_let_go_when_the_candidate_leads_and_not_when_patroni_answers(
    pair: tuple[FakeMember, FakeMember],
) -> None:
    old, new = pair
    asked: list[dict[str, Any]] = []

    def switch(body: dict[str, Any]) -> tuple[int, Any]:
        asked.append(body)
        time.sleep(0.2)
        old.leads, new.leads = False, True
        time.sleep(3)
        return 200, 'Successfully switched over to "pg2"'

    old.posts["/switchover"] = switch
    pools = Pools()
    begin = time.monotonic()
    successor, took = hand_over(pair, pools)
    assert successor == "pg2"
    assert time.monotonic() - begin < 2
    assert asked == [{"leader": "pg1", "candidate": "pg2"}] and pools.log == ["held", "let go"]
    assert 0.2 <= took["switch_seconds"] <= took["held_seconds"] < 2


def test_without_a_name_whoever_wins_is_known_even_if_another_one_hangs(pair: tuple[FakeMember, FakeMember]) -> None:
    old, new = pair
    hangs = FakeMember({}, "pg3")
    hangs.says_nothing_for = 3.0
    asked: list[dict[str, Any]] = []

    def switch(body: dict[str, Any]) -> tuple[int, Any]:
        asked.append(body)
        old.leads, new.leads = False, True
        return 200, 'Successfully switched over to "pg2"'

    old.posts["/switchover"] = switch
    plan = Switchover("pg1", "pg2", needed=True, anyone=("pg2", "pg3"))
    pools = Pools()
    begin = time.monotonic()
    try:
        client = PatroniClient([old.url], "patroni", "secret")
        successor = handover.hand_over(client, members(old, new, hangs), plan, pools.held, 5)[0]
    finally:
        hangs.close()
    assert successor == "pg2" and asked == [{"leader": "pg1"}]
    assert time.monotonic() - begin < 1


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (412, "candidate does not exist"),
        (503, "Switchover failed"),
        (401, "no auth header received"),
        (200, 'Switched over to "pg3" instead of "pg2"'),
    ],
)
def test_patronis_refusal_lets_go_at_once_and_is_quoted(
    pair: tuple[FakeMember, FakeMember], status: int, text: str
) -> None:
    pair[0].posts["/switchover"] = lambda _body: (status, text)
    pools = Pools()
    begin = time.monotonic()
    with pytest.raises(handover.Failed) as failed:
        hand_over(pair, pools)
    assert time.monotonic() - begin < 2 and pools.log == ["held", "let go"]
    assert "pg1 leads now" in str(failed.value)
    assert (text if status != 401 else "user and password") in str(failed.value)


def test_the_limit_lets_go_and_says_so(pair: tuple[FakeMember, FakeMember]) -> None:
    def hang(_body: dict[str, Any]) -> tuple[int, Any]:
        time.sleep(3)
        return 503, "status unknown"

    pair[0].posts["/switchover"] = hang
    pools = Pools()
    with pytest.raises(handover.Failed, match=r"pg2 does not lead after 0\.3 s, so the pools are resumed"):
        hand_over(pair, pools, limit=0.3)
    assert pools.log == ["held", "let go"]


def test_a_leader_that_is_gone_by_now_lets_go_at_once(pair: tuple[FakeMember, FakeMember]) -> None:
    client, seen = PatroniClient([pair[1].url], "patroni", "secret"), members(*pair)
    pair[0].close()
    pools = Pools()
    with pytest.raises(handover.Failed, match="no Patroni member answers POST /switchover"):
        handover.hand_over(client, seen, PLAN, pools.held, 5)
    assert pools.log == ["held", "let go"]


def test_who_is_not_well_afterwards_is_named(pair: tuple[FakeMember, FakeMember]) -> None:
    client = PatroniClient([pair[0].url])
    pair[0].others = [{"name": "pg2", "role": "replica", "state": "starting"}]
    assert handover.await_whole(client, "pg1", ["pg2"], {}, 0.3) == ["pg2 is starting, not streaming"]
    assert handover.await_whole(client, "pg2", ["pg1"], {}, 0.3) == ["pg1 leads by now, not pg2"]
    pair[0].others = [{"name": "pg2", "role": "replica", "state": "streaming", "timeline": 1}]
    assert handover.await_whole(client, "pg1", ["pg2"], {}, 5) == []
