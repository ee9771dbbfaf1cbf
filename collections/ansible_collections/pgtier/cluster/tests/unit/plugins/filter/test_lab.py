"""The filters that an inventory uses."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.pgtier.cluster.plugins.filter.lab import FilterModule

FILTERS = FilterModule().filters()


def test_lab_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    told = FILTERS["lab_network"]("try", "")
    assert told["state_directory"] == "/s/pgtier/labs/try"
    assert told["private_key"] == "/s/pgtier/labs/try/ssh/id_ed25519"
    assert "UserKnownHostsFile=/s/pgtier/labs/try/ssh/known_hosts" in told["ssh_arguments"]
    assert FILTERS["lab_address"]("try", 1).startswith(told["subnet"].removesuffix("0/24"))


def test_lab_address_in_a_subnet_of_choice() -> None:
    assert FILTERS["lab_address"]("try", "3", "10.77.5.0/24") == "10.77.5.13"


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("lab_network", ("Bad name",), "lab name"),
        ("lab_address", ("try", 0), "outside 1 to 200"),
        ("lab_hosts", (["a"], {"a": {}}), "lab_index of a"),
    ],
)
def test_mistakes_are_filter_errors(name: str, arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        FILTERS[name](*arguments)
