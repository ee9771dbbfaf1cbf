"""etcd and Patroni from a host that is not of the cluster: who comes without a proof of who he is, or a wrong one."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attacker import Answer, on
from forgery import Forger, Pair
from ports import STRANGER
from tier import RESTAPI_PORT, Tier

# What Go answers in TLS to who shows no certificate or one that it does not take, as OpenSSL puts it.
UNPROVEN = re.compile(r"certificate required|unknown ca|expired|bad certificate|hung up|reset by peer|EOF occurred")
REQUESTS = {2379: "/health", 2380: "/members"}
Request = tuple[str, str, dict[str, Any]]
ANYTHING = base64.b64encode(b"\0").decode()


@pytest.fixture(scope="module")
def forger(tier: Tier) -> Forger:
    return Forger(tier)


def ask_etcd(tier: Tier, number: int, pair: Pair | None, **request: str) -> list[Answer]:
    """Of each member."""
    shown = {"certificate": pair[0], "key": pair[1]} if pair else {}
    asked: dict[str, Any] = {"port": number, "ask": REQUESTS[number], **shown, **request}
    return on(tier, STRANGER, [("tls", {"host": tier.address(host), **asked}) for host in tier.groups["etcd"]])


@pytest.mark.parametrize("number", REQUESTS)
def test_etcd_answers_who_has_a_certificate(tier: Tier, forger: Forger, number: int) -> None:
    """The control of the next tests: the request and the way to make it are right."""
    pair = forger.right(tier.address(STRANGER), names=(STRANGER,))
    for answer in ask_etcd(tier, number, pair):
        assert answer.get("text", "").startswith("HTTP/1.1 200 "), answer


@pytest.mark.parametrize("number", REQUESTS)
@pytest.mark.parametrize("wrong", ["none", "another authority's", "expired", "for servers only"])
def test_etcd_refuses_a_stranger(tier: Tier, forger: Forger, number: int, wrong: str) -> None:
    address = tier.address(STRANGER)
    pairs: dict[str, Callable[[], Pair | None]] = {
        "none": lambda: None,
        "another authority's": lambda: forger.of_another_authority(address),
        "expired": lambda: forger.expired(address),
        # What a proxy's host has.
        "for servers only": lambda: forger.right(address, client=False),
    }
    pair = pairs[wrong]()
    for answer in ask_etcd(tier, number, pair):
        assert UNPROVEN.search(answer.get("error", "")), answer


def test_etcd_refuses_a_peer_with_the_certificate_of_another_host(tier: Tier, forger: Forger) -> None:
    """One that was stolen from a member is of no use elsewhere: a peer's address has to be in it."""
    for answer in ask_etcd(tier, 2380, forger.stolen(tier.groups["etcd"][0])):
        assert "error" in answer, answer


def test_etcd_lets_no_stranger_write(tier: Tier) -> None:
    body = json.dumps({"key": ANYTHING, "value": ANYTHING})
    for path in ("/v3/kv/put", "/v3/kv/deleterange", "/v3/cluster/member/list", "/v3/maintenance/snapshot"):
        for answer in ask_etcd(tier, 2379, None, ask=path, verb="POST", body=body):
            assert UNPROVEN.search(answer.get("error", "")), f"{path}: {answer}"


# All of Patroni's verbs that change something. POST /mpp is not among them: it does nothing without Citus.
UNSAFE: list[Request] = [
    ("PATCH", "/config", {"ttl": 60}),
    ("PUT", "/config", {"ttl": 60}),
    ("POST", "/restart", {}),
    ("DELETE", "/restart", {}),
    ("POST", "/reload", {}),
    ("POST", "/reinitialize", {"force": True}),
    ("POST", "/switchover", {"leader": "pg1", "candidate": "pg2"}),
    ("DELETE", "/switchover", {}),
    ("POST", "/failover", {"candidate": "pg2"}),
    ("POST", "/failsafe", {"name": "pg9", "conn_url": "", "api_url": "", "timeline": 1}),
    ("POST", "/sigterm", {}),
    ("POST", "/citus", {"type": "before_demote", "group": 0}),
]


def ask_patroni(tier: Tier, requests: Sequence[Request], password: str = "") -> dict[str, str]:
    """Each member's status for each request."""
    token = base64.b64encode(f"patroni:{password}".encode()).decode()
    common = {
        "port": RESTAPI_PORT,
        "authorization": f"Basic {token}" if password else "",
        "trusted": tier.ca_file.read_text(),
    }
    calls = {
        f"{host}, {verb} {path}": {
            "host": tier.address(host),
            "verb": verb,
            "ask": path,
            "body": json.dumps(body),
            **common,
        }
        for host in tier.groups["postgres"]
        for verb, path, body in requests
    }
    answers = on(tier, STRANGER, [("tls", call) for call in calls.values()])
    return {
        what: answer.get("text", str(answer)).partition("\r\n")[0] for what, answer in zip(calls, answers, strict=True)
    }


def test_patroni_does_what_who_has_the_password_asks(tier: Tier) -> None:
    """The control of the next test."""
    password = json.loads((tier.inventory / "secrets/passwords.json").read_text())["services"]["patroni_restapi"]
    for what, status in ask_patroni(tier, [("POST", "/reload", {})], password).items():
        assert re.match(r"HTTP/1\.\d 20\d ", status), f"{what}: {status}"


@pytest.mark.parametrize("password", ["", "a guess"])
def test_patroni_does_nothing_that_a_stranger_asks(tier: Tier, password: str) -> None:
    leader, before = tier.leader(), dynamic_configuration(tier)
    for what, status in ask_patroni(tier, UNSAFE, password).items():
        assert re.match(r"HTTP/1\.\d 401 ", status), f"{what}: {status}"
    assert tier.leader() == leader and tier.whole()
    assert dynamic_configuration(tier) == before


def dynamic_configuration(tier: Tier) -> dict[str, Any]:
    arguments = {"host": tier.address(tier.leader()), "port": RESTAPI_PORT, "ask": "/config"}
    (answer,) = on(tier, STRANGER, [("tls", arguments)])
    loaded: dict[str, Any] = json.loads(answer["text"].partition("\r\n\r\n")[2])
    return loaded
