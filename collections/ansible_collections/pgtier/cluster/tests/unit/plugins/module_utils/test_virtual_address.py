# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils import virtual_address
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.component.fake_host import FakeHost

FILE = "/run/pgtier-proxy-check/drained"


@pytest.mark.parametrize(("leaves_after", "waited"), [(3, 0.3), (1000, virtual_address.PATIENCE)])
def test_it_is_waited_for_until_it_is_gone_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leaves_after: int, waited: float
) -> None:
    host = FakeHost(tmp_path)
    looks: list[bool] = []

    def has(address: str) -> bool:
        assert host.path(FILE).exists(), "asked to give it up first"
        looks.append(True)
        return len(looks) <= leaves_after

    monkeypatch.setattr(virtual_address, "has", has)
    begin = host.now()
    with virtual_address.given_up(host, "10.0.0.20", FILE):
        assert host.now() - begin == pytest.approx(waited, abs=0.2)
        assert host.path(FILE).exists()
    assert not host.path(FILE).exists()


def test_an_update_that_fails_leaves_the_proxy_fit_to_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost(tmp_path)
    monkeypatch.setattr(virtual_address, "has", lambda _address: False)
    with pytest.raises(ValueError, match="broken"), virtual_address.given_up(host, "10.0.0.20", FILE):
        raise ValueError("broken")
    assert not host.path(FILE).exists()


def test_without_one_nothing_is_touched(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    with virtual_address.given_up(host, "", FILE):
        assert not host.path(FILE).exists()


def test_an_address_of_this_host_is_told_from_others() -> None:
    assert virtual_address.has("127.0.0.1")
    assert not virtual_address.has("192.0.2.1")
