"""What is done to one member, on members of loopback: done when it is, and once only."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni import member as subject
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.client import PatroniClient, PatroniError
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.cluster import Cluster, parse
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.converge import Deadline

from .fake import FakeMember

STREAMS = {"role": "replica", "state": "running", "replication_state": "streaming"}


@pytest.fixture
def pair() -> Iterator[tuple[FakeMember, FakeMember]]:
    leader, replica = FakeMember({}, "pg1"), FakeMember({}, "pg2")
    replica.leads = False
    leader.others = [{"name": "pg2", "role": "replica", "state": "streaming", "timeline": 1, "api_url": replica.url}]
    replica.says = {**STREAMS, "postmaster_start_time": "monday"}
    yield leader, replica
    leader.close()
    replica.close()


def client(pair: tuple[FakeMember, FakeMember]) -> PatroniClient:
    return PatroniClient([pair[0].url], "patroni", "secret")


def cluster(pair: tuple[FakeMember, FakeMember]) -> Cluster:
    return parse(client(pair).cluster())


def wait(seconds: float = 5) -> Deadline:
    return Deadline(seconds, time.monotonic, time.sleep)


def test_restart(pair: tuple[FakeMember, FakeMember]) -> None:
    asked: list[Any] = []
    pair[1].posts["/restart"] = lambda body: (asked.append(body), (200, "restarted successfully"))[1]  # type: ignore[func-returns-value]
    subject.restart(client(pair), "pg2", cluster(pair), {}, wait())
    assert asked == [{}] and not any(method == "POST" for method, *_rest in pair[0].requests)


def test_a_restart_that_fails_is_quoted(pair: tuple[FakeMember, FakeMember]) -> None:
    pair[1].posts["/restart"] = lambda _body: (503, "restart failed")
    with pytest.raises(PatroniError, match="pg2 did not restart: Patroni says restart failed"):
        subject.restart(client(pair), "pg2", cluster(pair), {}, wait())


def test_one_that_does_not_come_back_is_named(pair: tuple[FakeMember, FakeMember]) -> None:
    before = cluster(pair)
    pair[1].posts["/restart"] = lambda _body: (200, "restarted successfully")
    pair[0].others[0]["state"] = "starting"
    with pytest.raises(PatroniError, match=r"not well after 0\.3 s: pg2 is starting"):
        subject.restart(client(pair), "pg2", before, {}, wait(0.3))


def copied(replica: FakeMember, after: float) -> None:
    def copy() -> None:
        time.sleep(after)
        replica.says = {**STREAMS, "postmaster_start_time": "tuesday"}

    threading.Thread(target=copy, daemon=True).start()


def test_reinit_waits_until_the_copy_streams(pair: tuple[FakeMember, FakeMember]) -> None:
    asked: list[Any] = []

    def begin(body: dict[str, Any]) -> tuple[int, Any]:
        # Nothing is to be seen of it in the first moment.
        asked.append(body)
        copied(pair[1], 0.5)
        return 200, "reinitialize started"

    pair[1].posts["/reinitialize"] = begin
    moment = time.monotonic()
    subject.reinit(client(pair), "pg2", cluster(pair), {}, wait())
    assert time.monotonic() - moment >= 0.5 and asked == [{"force": True}]


def test_a_copy_that_is_under_way_is_not_begun_anew(pair: tuple[FakeMember, FakeMember]) -> None:
    pair[1].says = {"role": "replica", "state": "creating replica"}
    copied(pair[1], 0.3)
    subject.reinit(client(pair), "pg2", cluster(pair), {}, wait())
    assert not any(method == "POST" for method, *_rest in pair[1].requests)


def test_a_copy_that_takes_longer_goes_on(pair: tuple[FakeMember, FakeMember]) -> None:
    pair[1].posts["/reinitialize"] = lambda _body: (200, "reinitialize started")
    with pytest.raises(PatroniError, match=r"not copied after 0\.3 s; it goes on"):
        subject.reinit(client(pair), "pg2", cluster(pair), {}, wait(0.3))


def test_maintenance_is_over_when_every_member_knows(pair: tuple[FakeMember, FakeMember]) -> None:
    members = cluster(pair)["members"]
    subject.set_maintenance(client(pair), True)
    assert pair[0].config == {"pause": True}
    pair[0].says = pair[1].says = {"state": "running", "pause": True}
    subject.await_maintenance(client(pair), members, True, wait())
    subject.set_maintenance(client(pair), False)
    assert pair[0].config == {}
    pair[0].says = {"state": "running"}
    with pytest.raises(PatroniError, match=r"these members do not know of it: pg2$"):
        subject.await_maintenance(client(pair), members, False, wait(0.3))


def test_a_member_that_cannot_be_asked_is_named_with_the_reason(pair: tuple[FakeMember, FakeMember]) -> None:
    members = cluster(pair)["members"]
    pair[0].says = {"state": "running", "pause": True}
    pair[1].close()
    with pytest.raises(PatroniError, match="do not know of it: pg2: no Patroni member answers"):
        subject.await_maintenance(client(pair), members, True, wait(0.3))
