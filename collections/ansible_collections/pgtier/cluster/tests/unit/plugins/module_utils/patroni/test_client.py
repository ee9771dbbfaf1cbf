from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.client import NoAnswer, PatroniClient, PatroniError

CLOSED = "http://127.0.0.1:1"  # nothing listens on port 1


def test_next_url_is_tried_and_kept(member: Callable[..., object]) -> None:
    up = member({"ttl": 20})
    client = PatroniClient([CLOSED, up.url + "/"])
    assert client.config() == {"ttl": 20}
    assert client.urls == [up.url, CLOSED]


def test_a_member_that_is_not_bootstrapped_does_not_count(member: Callable[..., object]) -> None:
    assert PatroniClient([member(None).url, member({"ttl": 20}).url]).config() == {"ttl": 20}


def test_no_answer_names_each_url_and_why(member: Callable[..., object]) -> None:
    empty = member(None)
    with pytest.raises(NoAnswer) as caught:
        PatroniClient([CLOSED, empty.url]).config()
    text = str(caught.value)
    assert f"{CLOSED}: [Errno 111] Connection refused" in text
    assert f"{empty.url}: HTTP 502 on /config" in text
    assert "systemctl status patroni" in text


def test_a_member_without_an_address_does_not_answer() -> None:
    """As one that pgtier-succession has unlisted."""
    with pytest.raises(NoAnswer, match=r"without an address.* most others find its host silent"):
        PatroniClient([CLOSED]).at("").status()


def test_password_goes_with_writing_requests_only(member: Callable[..., object]) -> None:
    up = member({"ttl": 30})
    client = PatroniClient([up.url], "patroni", "secret")
    client.config()
    client.patch_config({"ttl": 20})
    assert up.config == {"ttl": 20}
    assert [authorization is not None for _method, _path, authorization in up.requests] == [False, True]


@pytest.mark.parametrize("credentials", [(None, None), ("patroni", "wrong")])
def test_refused_password(member: Callable[..., object], credentials: tuple[str | None, str | None]) -> None:
    up = member({"ttl": 30})
    with pytest.raises(
        PatroniError, match=r"PATCH .*/config was refused with HTTP 401.*restapi\.authentication"
    ) as caught:
        PatroniClient([up.url], *credentials).patch_config({"ttl": 20})
    assert "wrong" not in str(caught.value)
    assert up.config == {"ttl": 30}


def test_proxies_of_the_environment_are_not_used(
    member: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", CLOSED)
    assert PatroniClient([member({"ttl": 20}).url]).config() == {"ttl": 20}


def test_without_urls() -> None:
    with pytest.raises(ValueError, match="urls is empty"):
        PatroniClient([])
