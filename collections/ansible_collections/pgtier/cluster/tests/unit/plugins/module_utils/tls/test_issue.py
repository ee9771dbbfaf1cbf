# SPDX-License-Identifier: Apache-2.0
"""What is made, kept, and made again: the folder before and after, and what every host gets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.tls import pki
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.request import CertificatesError
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from .authorities import HOSTS, NOW, PG1, PROXY1, User, after, certify, run

STRANGER = User("proxy1", names=["proxy1"], addresses=["10.0.0.21"])
FIRST = [
    "ca.key",
    "ca.crt",
    "trusted.crt",
    "hosts/pg1.key",
    "hosts/pg1.crt",
    "hosts/proxy1.key",
    "hosts/proxy1.crt",
]


def only(text: str) -> x509.Certificate:
    (certificate,) = pki.load_certificates(text, "test")
    return certificate


def test_a_first_run_makes_everything_and_a_second_one_nothing() -> None:
    first = certify({})
    assert [name for name, _text in first.steps] == FIRST
    result = first.result
    assert result["ca_made"] and result["stage"] == "none" and result["problems"] == []
    assert result["issued"] == [{"host": name, "reason": "it has none"} for name in ("pg1", "proxy1")]
    files = after({}, first)
    assert result["trusted"] == files["trusted.crt"] == files["ca.crt"]
    assert result["hosts"]["pg1"]["certificate"] == files["hosts/pg1.crt"]
    assert result["hosts"]["pg1"]["private_key"] == files["hosts/pg1.key"]
    assert result["hosts"]["pg1"]["not_after"] == "2031-06-15T12:00:00Z"
    assert [(row["what"].split()[0], row["days_left"]) for row in result["expiry"]] == [
        ("CA", 3650),
        ("host", 365),
        ("host", 365),
    ]
    second = certify(files, now=NOW + timedelta(days=100))
    assert second.steps == [] and second.result["issued"] == [] and not second.result["ca_made"]
    assert second.result["hosts"] == result["hosts"]


def test_the_ca_is_what_it_should_be() -> None:
    ca = only(run({})["ca.crt"])
    assert pki.common_name(ca).startswith("pgtier main CA 20300615-")
    assert ca.not_valid_before_utc == NOW - timedelta(minutes=5)
    constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.value.ca, constraints.value.path_length, constraints.critical) == (True, 0, True)
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.key_cert_sign and usage.value.crl_sign
    assert not usage.value.digital_signature
    assert pki.is_authority(ca) and pki.issued_by(ca, ca)
    assert pki.common_name(only(run({})["ca.crt"])) != pki.common_name(ca), "two CAs need two names"


def test_a_long_scope_and_a_long_host_name_fit_the_common_name() -> None:
    host = "h" * 100
    outcome = certify({}, scope="s" * 100, hosts={host: {"names": ["pg1"]}})
    names = [pki.common_name(only(text)) for name, text in outcome.steps if text and name in ("ca.crt",)]
    names += [pki.common_name(only(outcome.result["hosts"][host]["certificate"]))]
    assert [len(name) for name in names] == [64, 64]
    assert certify(after({}, outcome), hosts={host: {"names": ["pg1"]}}).steps == []


def test_the_leaves_are_what_they_should_be() -> None:
    files = run({})
    ca, pg1, proxy1 = (only(files[name]) for name in ("ca.crt", "hosts/pg1.crt", "hosts/proxy1.crt"))
    for leaf in (pg1, proxy1):
        assert pki.issued_by(leaf, ca) and not pki.is_authority(leaf)
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        assert usage.digital_signature and not usage.key_cert_sign
        authority = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        subject = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        assert authority.key_identifier == subject.digest
        assert leaf.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert pki.facts(pg1).names == set(PG1["names"]) and pki.facts(pg1).addresses == set(PG1["addresses"])
    server, client = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
    assert list(pg1.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [server, client]
    assert list(proxy1.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [server]


def test_adding_a_host_touches_no_other_file() -> None:
    files = run({})
    outcome = certify(files, hosts={**HOSTS, "pg2": {"names": ["pg2"]}})
    assert [name for name, _text in outcome.steps] == ["hosts/pg2.key", "hosts/pg2.crt"]
    assert outcome.result["issued"] == [{"host": "pg2", "reason": "it has none"}]
    assert {name: text for name, text in after(files, outcome).items() if name in files} == files


def test_a_host_that_left_keeps_its_files_and_returns_with_them() -> None:
    files = run({})
    assert certify(files, hosts={"pg1": PG1}).steps == []
    assert certify(files).steps == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"names": [*PROXY1["names"], "vip"]}, "names or addresses changed: +vip"),
        ({"addresses": []}, "names or addresses changed: -10.0.0.21"),
        ({"client": True}, "it is to serve as a client certificate too"),
        ({"names": ["PROXY1"]}, None),
        ({"addresses": ["10.0.0.21", "10.0.0.21"]}, None),
    ],
)
def test_a_change_reissues_one_certificate(change: dict[str, Any], reason: str | None) -> None:
    files = run({})
    outcome = certify(files, hosts={"pg1": PG1, "proxy1": {**PROXY1, **change}})
    assert outcome.result["issued"] == ([{"host": "proxy1", "reason": reason}] if reason else [])
    assert {name for name, _text in outcome.steps} <= {"hosts/proxy1.key", "hosts/proxy1.crt"}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"hosts/proxy1.crt": "-----BEGIN CERTIFICATE-----\nAAAA\n"}, "its key or certificate was damaged"),
        ({"hosts/proxy1.key": "no key"}, "its key or certificate was damaged"),
        ({"hosts/proxy1.key": ""}, "its key or certificate was damaged"),
        ({"hosts/proxy1.key": None}, "its key or certificate was missing"),
        ({"hosts/proxy1.crt": None}, "its key or certificate was missing"),
        ({"hosts/proxy1.key": User("x").key_pem}, "its key did not belong to its certificate"),
        (
            {"hosts/proxy1.key": STRANGER.key_pem, "hosts/proxy1.crt": STRANGER.pem},
            "it is signed by another CA",
        ),
    ],
)
def test_what_is_damaged_is_issued_anew(damage: dict[str, str | None], reason: str) -> None:
    damaged = {name: text for name, text in {**run({}), **damage}.items() if text is not None}
    outcome = certify(damaged)
    assert outcome.result["issued"] == [{"host": "proxy1", "reason": reason}]
    assert certify(after(damaged, outcome)).steps == []


@pytest.mark.parametrize(("renew", "hosts"), [(["pg1"], ["pg1"]), (["all"], ["pg1", "proxy1"])])
def test_renewal_makes_new_keys_too(renew: list[str], hosts: list[str]) -> None:
    files = run({})
    outcome = certify(files, renew=renew)
    assert outcome.result["issued"] == [{"host": name, "reason": "asked for"} for name in hosts]
    assert {name for name, _text in outcome.steps} == {f"hosts/{n}.{end}" for n in hosts for end in ("key", "crt")}


@pytest.mark.parametrize("steps", range(len(FIRST) + 1))
def test_a_first_run_that_was_interrupted_goes_on(steps: int) -> None:
    """Once a CA is whole it stays, and what is left of one that signed nothing is no obstacle."""
    broken = after({}, certify({}), steps)
    repaired = certify(broken)
    files = after(broken, repaired)
    assert certify(files).steps == []
    assert set(files) == set(FIRST)
    if "ca.crt" in broken:
        assert files["ca.crt"] == broken["ca.crt"] and files["ca.key"] == broken["ca.key"]
    if "hosts/pg1.crt" in broken:
        assert files["hosts/pg1.crt"] == broken["hosts/pg1.crt"]


@pytest.mark.parametrize("steps", range(3))
def test_a_renewal_that_was_interrupted_goes_on(steps: int) -> None:
    files = run({})
    broken = after(files, certify(files, renew=["pg1"]), steps)
    outcome = certify(broken)
    assert [one["host"] for one in outcome.result["issued"]] == (["pg1"] if steps == 1 else [])
    assert certify(after(broken, outcome)).steps == []


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        ({"ca.key": None}, "ca.key of the CA are gone"),
        ({"ca.crt": None}, "ca.crt of the CA are gone"),
        ({"ca.key": None, "ca.crt": None}, "ca.key and /inventory/secrets/tls/ca.crt of the CA are gone"),
        ({"ca.key": "no key"}, "ca.key is no private key in PEM"),
        ({"ca.crt": "nothing"}, "ca.crt is no certificate in PEM"),
        ({"ca.key": User("x").key_pem}, "ca.key is not the key of /inventory/secrets/tls/ca.crt"),
    ],
)
def test_a_ca_that_was_lost_is_never_replaced(damage: dict[str, str | None], text: str) -> None:
    with pytest.raises(CertificatesError) as caught:
        certify({name: text for name, text in {**run({}), **damage}.items() if text is not None})
    assert text in str(caught.value) and "Restore" in str(caught.value)


def test_a_certificate_without_its_key_is_not_taken_for_a_beginning() -> None:
    with pytest.raises(CertificatesError, match=r"ca\.key of the CA are gone"):
        certify({"ca.crt": run({})["ca.crt"]})


def test_age_is_reported_and_never_a_reason() -> None:
    files = run({}, days=30)
    fit = certify(files, now=NOW + timedelta(days=16))
    assert fit.result["problems"] == [] and fit.steps == []
    near = certify(files, now=NOW + timedelta(days=16, seconds=1))
    assert near.steps == [] and len(near.result["problems"]) == 2
    assert near.result["problems"][0] == (
        "The certificate of host pg1 expires on 2030-07-15T12:00:00Z, within 14 days. "
        "Renew it: ansible-playbook playbooks/rotate_certificates.yml"
    )
    late = certify(files, now=NOW + timedelta(days=40))
    assert late.steps == [] and "host proxy1 expired on 2030-07-15T12:00:00Z" in late.result["problems"][1]
    renewed = certify(files, now=NOW + timedelta(days=40), renew=["all"])
    assert renewed.result["problems"] == []


def test_a_ca_that_ages_is_reported_with_its_own_remedy() -> None:
    files = run({}, ca_days=30)
    assert {row["days_left"] for row in certify(files).result["expiry"]} == {30}, "leaves do not outlast their CA"
    problems = certify(files, now=NOW + timedelta(days=20)).result["problems"]
    assert "The certificate of CA pgtier main CA" in problems[0] and "-e rotate_ca=begin" in problems[0]
    late = certify(files, now=NOW + timedelta(days=31), hosts={**HOSTS, "pg2": {"names": ["pg2"]}})
    assert "CA" in late.result["problems"][0] and "expired" in late.result["problems"][0]
    assert [one["host"] for one in late.result["issued"]] == ["pg2"]
