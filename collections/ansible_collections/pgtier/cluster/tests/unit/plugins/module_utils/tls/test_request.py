# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.request import CertificatesError, read

from .authorities import DEFAULTS, HOSTS

PEM = {"certificate": "C", "private_key": "K"}


def test_names_are_brought_to_one_form() -> None:
    hosts = {"PG1": {"names": ["PG1", "pg1", "a_b.Example.com"], "addresses": ["FD00:0:0::0011", "10.0.0.1"]}}
    host = read({**DEFAULTS, "hosts": hosts}).hosts["PG1"]
    assert host.names == {"pg1", "a_b.example.com"}
    assert host.addresses == {"fd00::11", "10.0.0.1"}
    assert host.client is False


def test_all_is_every_host_that_gave_nothing() -> None:
    args = {**DEFAULTS, "renew": ["all"], "given_ca": PEM, "given": {"pg1": PEM}}
    assert read(args).renew == {"proxy1"}


BAD: list[tuple[dict[str, Any], str]] = [
    ({"hosts": {"../pg1": {"names": ["pg1"]}}}, "rename it in the inventory"),
    ({"hosts": {".pg1": {"names": ["pg1"]}}}, "rename it in the inventory"),
    ({"hosts": {"pg1": ["pg1"]}}, "has to be a dict"),
    ({"hosts": {"pg1": {"names": ["pg1"], "adresses": []}}}, "has to be a dict"),
    ({"hosts": {"pg1": {"names": "pg1"}}}, "has to be a list of texts"),
    ({"hosts": {"pg1": {"names": [1]}}}, "has to be a list of texts"),
    ({"hosts": {"pg1": {"names": [], "addresses": []}}}, "Name at least one"),
    ({"hosts": {"pg1": {"names": ["10.0.0.1"]}}}, "move it to `addresses`"),
    ({"hosts": {"pg1": {"names": ["fd00::1"]}}}, "move it to `addresses`"),
    ({"hosts": {"pg1": {"names": ["-pg1"]}}}, "no DNS name"),
    ({"hosts": {"pg1": {"names": ["pg1."]}}}, "no DNS name"),
    ({"hosts": {"pg1": {"names": ["*.example.com"]}}}, "no DNS name"),
    ({"hosts": {"pg1": {"names": ["bücher"]}}}, "no DNS name"),
    ({"hosts": {"pg1": {"addresses": ["10.0.0.256"]}}}, "no IPv4 or IPv6"),
    ({"hosts": {"pg1": {"addresses": ["fe80::1%eth0"]}}}, "no IPv4 or IPv6"),
    ({"hosts": {"pg1": {"addresses": ["10.0.0.0/24"]}}}, "no IPv4 or IPv6"),
    ({"hosts": {"pg1": {"names": ["pg1"], "client": "yes"}}}, "true or false"),
    ({"renew": ["pg9"]}, "`renew` names pg9"),
    ({"given": {"pg1": PEM}}, "without the CA that signed them"),
    ({"given_ca": PEM, "given": {"pg9": PEM}}, "given for pg9, which is not a host"),
    ({"given_ca": PEM, "given": {"pg1": PEM}, "renew": ["pg1"]}, "replace what you gave"),
    ({"given_ca": PEM, "given": {"pg1": {"certificate": "C"}}}, "given for pg1: `private_key` is missing"),
    ({"given_ca": PEM, "given": {"pg1": {"private_key": "K"}}}, "given for pg1: `certificate` is missing"),
    ({"given_ca": PEM, "given": {"pg1": "C"}}, "given for pg1: it has to be a dict"),
    ({"given_ca": PEM, "given": {"pg1": {**PEM, "key": "K"}}}, "given for pg1: it has to be a dict"),
    ({"given_ca": {"private_key": "K"}}, "given_ca: `certificate` is missing"),
    ({"given_ca": {"certificate": ["C"]}}, "given_ca: `certificate` has to be PEM text"),
    ({"given_ca": PEM, "ca_rotation": "begin"}, "its rotation is yours"),
    ({"days": 14}, "Make `days` the greater one"),
    ({"ca_days": 10}, "Make `ca_days` the greater one"),
    ({"refuse_days": -1}, "0 or more"),
]


@pytest.mark.parametrize(("args", "mistake"), BAD, ids=[mistake for _args, mistake in BAD])
def test_a_mistake_is_refused(args: dict[str, Any], mistake: str) -> None:
    with pytest.raises(CertificatesError) as caught:
        read({**DEFAULTS, **args})
    assert mistake in str(caught.value)


def test_mistakes_come_all_at_once() -> None:
    hosts = {"pg1": {"names": ["10.0.0.1"], "addresses": ["x"]}, "pg2": {"names": []}}
    with pytest.raises(CertificatesError) as caught:
        read({**DEFAULTS, "hosts": hosts, "renew": ["pg9"], "days": 1, "given": {"pg1": PEM}})
    for part in ("move it to", "'x' in `addresses`", "host pg2", "pg9", "`days` is 1", "without the CA"):
        assert part in str(caught.value)


def test_no_key_is_told() -> None:
    with pytest.raises(CertificatesError) as caught:
        read({**DEFAULTS, "given": {"pg1": {"private_key": "hush"}, "pg2": {"private_key": ["hush"]}}})
    assert "hush" not in str(caught.value)


def test_what_is_in_place_is_accepted() -> None:
    assert set(read(DEFAULTS).hosts) == set(HOSTS)
