from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.client import NoAnswer, PatroniClient, PatroniError
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.converge import Deadline, converge, predict

from .fake import FakeMember

Make = Callable[..., FakeMember]
WANTED = {"ttl": 20, "postgresql": {"parameters": {"max_connections": 300}}}
EXACT = ["postgresql.parameters"]


class Clock:
    """Time passes only by sleeping, and things may happen at a moment."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events: list[tuple[float, Callable[[], None]]] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment, event in list(self.events):
            if moment <= self.now:
                self.events.remove((moment, event))
                event()

    def deadline(self, seconds: float) -> Deadline:
        return Deadline(seconds, lambda: self.now, self.sleep)


def client(*members: FakeMember) -> PatroniClient:
    return PatroniClient([one.url for one in members], "patroni", "secret")


def writes(one: FakeMember) -> int:
    return sum(method == "PATCH" for method, _path, _authorization in one.requests)


def reloads(one: FakeMember) -> int:
    return sum((method, path) == ("POST", "/reload") for method, path, _authorization in one.requests)


def test_patches_what_differs_and_a_second_run_nothing(member: Make) -> None:
    one = member({"ttl": 30, "postgresql": {"parameters": {"max_connections": 100, "dropped": 1}}})
    one.pending = {"max_connections": {"old_value": "100", "new_value": "300"}}
    first = converge(client(one), WANTED, EXACT, ["pg1"], Clock().deadline(60))
    assert one.config == WANTED
    assert first["changed"]
    assert first["leader"] == "pg1"
    assert first["pending_restart"] == [{"member": "pg1", "parameters": one.pending}]
    assert first["diff"]["after"] == WANTED

    second = converge(client(one), WANTED, EXACT, ["pg1"], Clock().deadline(60))
    assert not second["changed"]
    assert second["patch"] == {}
    assert writes(one) == 1


def test_prediction_is_what_happens_and_writes_nothing(member: Make) -> None:
    one = member({"ttl": 30})
    predicted = predict(client(one), WANTED, EXACT)
    assert writes(one) == 0
    done = converge(client(one), WANTED, EXACT, [], Clock().deadline(60))
    assert {key: predicted[key] for key in ("changed", "patch", "config", "diff")} == {
        key: done[key] for key in ("changed", "patch", "config", "diff")
    }


def test_prediction_on_a_bare_host() -> None:
    predicted = predict(PatroniClient(["http://127.0.0.1:1"]), {"ttl": 20, "x": None}, [])
    assert predicted["changed"]
    assert predicted["config"] == {"ttl": 20}
    assert "not deployed yet" in predicted["notes"][0]


def test_waits_for_patroni_to_start_and_for_the_members(member: Make) -> None:
    one, clock = member(None), Clock()
    replica = {"name": "pg2", "role": "replica", "state": "creating replica", "api_url": one.url, "timeline": 1}
    clock.events = [
        (2.0, lambda: setattr(one, "config", dict(WANTED))),
        (4.0, lambda: one.others.append(dict(replica))),
        (6.0, lambda: one.others[0].update(state="streaming")),
    ]
    assert not converge(client(one), WANTED, EXACT, ["pg1", "pg2"], clock.deadline(60))["changed"]
    assert 6.0 <= clock.now <= 6.4


def test_waits_for_every_member_to_apply(member: Make) -> None:
    """Two more turns of the member's loop; its own view of the configuration comes first."""
    one, two, clock = member({"ttl": 30}), member({"ttl": 30}, "pg2"), Clock()
    one.others = [
        {"name": "pg2", "role": "replica", "state": "streaming", "api_url": two.url + "/patroni", "timeline": 1}
    ]
    clock.events = [(3.0, lambda: setattr(two, "config", {"ttl": 20}))]
    result = converge(client(one), {"ttl": 20}, [], ["pg1", "pg2"], clock.deadline(60))
    assert result["notes"] == []
    assert 3.4 <= clock.now <= 4.0


def test_a_member_that_does_not_apply_is_noted(member: Make) -> None:
    one, two, clock = member({"ttl": 30}), member({"ttl": 30}, "pg2"), Clock()
    one.others = [
        {"name": "pg2", "role": "replica", "state": "streaming", "api_url": two.url + "/patroni", "timeline": 1}
    ]
    result = converge(client(one), {"ttl": 20}, [], [], clock.deadline(5))
    assert result["changed"]
    assert result["notes"] == ["pg2 has not confirmed within 5 s that it applied the new configuration"]


def test_who_starts_meanwhile_reads_its_configuration_again(member: Make) -> None:
    """Patroni takes a patch that comes while its PostgreSQL starts for applied, and has written the old files."""
    one, two, three, clock = member({"ttl": 30}), member({"ttl": 30}, "pg2"), member({"ttl": 30}, "pg3"), Clock()
    one.others = [
        {"name": "pg2", "role": "replica", "state": "starting", "api_url": two.url + "/patroni", "timeline": 1},
        {"name": "pg3", "role": "replica", "state": "streaming", "api_url": three.url + "/patroni", "timeline": 1},
    ]
    for other in (two, three):
        other.config = {"ttl": 20}
        other.posts = {"/reload": lambda _body: (202, "reload scheduled")}
    clock.events = [(3.0, lambda: one.others[0].update(state="streaming"))]
    converge(client(one), {"ttl": 20}, [], ["pg1", "pg2", "pg3"], clock.deadline(60))
    assert reloads(two) == 1
    assert reloads(three) == 0
    assert clock.now >= 3.4

    converge(client(one), {"ttl": 20}, [], ["pg1", "pg2", "pg3"], clock.deadline(60))
    assert reloads(two) == 1


def test_not_ready_in_time(member: Make) -> None:
    with pytest.raises(PatroniError, match="not ready after 5 s: pg2 has not joined the cluster"):
        converge(client(member(dict(WANTED))), WANTED, EXACT, ["pg1", "pg2"], Clock().deadline(5))


def test_patroni_never_answers() -> None:
    clock = Clock()
    with pytest.raises(NoAnswer, match=r"after 5 s no Patroni member answers GET /config; tried http://127\.0\.0\.1:1"):
        converge(PatroniClient(["http://127.0.0.1:1"]), WANTED, EXACT, [], clock.deadline(5))
    assert clock.now == pytest.approx(5, abs=0.3)


def test_no_wait_does_not_judge(member: Make) -> None:
    one, clock = member({"ttl": 30}), Clock()
    assert converge(client(one), {"ttl": 20}, [], ["pg1", "pg2"], clock.deadline(0))["changed"]
    assert clock.now == 0


def test_someone_else_writes_at_the_same_moment(member: Make) -> None:
    one = member({"ttl": 30})
    one.conflicts, one.on_conflict = 2, lambda: setattr(one, "config", {"ttl": 30, "theirs": 1})
    converge(client(one), {"ttl": 20}, [], [], Clock().deadline(60))
    assert one.config == {"ttl": 20, "theirs": 1}

    one.conflicts, one.on_conflict = 99, lambda: None
    with pytest.raises(PatroniError, match="5 times in a row"):
        converge(client(one), {"ttl": 25}, [], [], Clock().deadline(60))
