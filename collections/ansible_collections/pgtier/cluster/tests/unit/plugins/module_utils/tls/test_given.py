# SPDX-License-Identifier: Apache-2.0
"""The user's own CA and the user's own certificates, good and bad."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.tls import pki
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.request import CertificatesError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from .authorities import NOW, PG1, User, after, certify, run

ROOT = User("Root", ca=True, kind="rsa", end=NOW + timedelta(days=1000))
BETWEEN = User("Between", issuer=ROOT, ca=True, end=NOW + timedelta(days=500))
STRANGER = User("Stranger", ca=True)
CA = {"certificate": ROOT.pem, "private_key": ROOT.key_pem}
WANTED: dict[str, Any] = {"names": PG1["names"], "addresses": PG1["addresses"]}
LEAF = User("pg1", issuer=ROOT, **WANTED)
LOCKED = LEAF.key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
).decode()
AGREEMENT = (
    x25519.X25519PrivateKey.generate()
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    .decode()
)


@pytest.mark.parametrize("kind", ["rsa", "ec", "ed25519"])
def test_a_given_ca_signs_and_its_key_is_not_stored(kind: str) -> None:
    root = User("Root", ca=True, kind=kind)
    outcome = certify({}, given_ca=root.both)
    files = after({}, outcome)
    assert set(files) == {"trusted.crt", "hosts/pg1.key", "hosts/pg1.crt", "hosts/proxy1.key", "hosts/proxy1.crt"}
    assert root.key_pem not in files.values()
    assert files["trusted.crt"] == root.pem == outcome.result["trusted"]
    assert not outcome.result["ca_made"]
    assert pki.issued_by(pki.load_certificates(files["hosts/pg1.crt"], "x")[0], root.made)
    assert certify(files, given_ca=root.both).steps == []


def test_an_intermediate_ca_signs_when_its_root_is_given_too() -> None:
    given = {"certificate": BETWEEN.pem + ROOT.pem, "private_key": BETWEEN.key_pem}
    outcome = certify({}, given_ca=given)
    leaf = pki.load_certificates(outcome.result["hosts"]["pg1"]["certificate"], "x")
    assert len(leaf) == 1 and pki.issued_by(leaf[0], BETWEEN.made)
    with pytest.raises(CertificatesError, match="lacks the root that signed it"):
        certify({}, given_ca={**given, "certificate": BETWEEN.pem})


def test_the_key_may_be_withheld_while_nothing_is_to_be_signed() -> None:
    files = run({}, given_ca=CA)
    locked = {"certificate": ROOT.pem}
    assert certify(files, given_ca=locked).steps == []
    with pytest.raises(CertificatesError, match=r"signed for pg1 \(asked for\): add `given_ca.private_key`"):
        certify(files, given_ca=locked, renew=["pg1"])
    with pytest.raises(CertificatesError, match=r"pg1 \(it has none\), proxy1 \(it has none\)"):
        certify({}, given_ca=locked)


def test_a_ca_of_our_own_gives_way_with_an_overlap() -> None:
    own = run({})
    outcome = certify(own, given_ca={**CA, "certificate": ROOT.pem + own["ca.crt"]})
    assert {one["reason"] for one in outcome.result["issued"]} == {"it is signed by another CA"}
    files = after(own, outcome)
    assert files["trusted.crt"] == ROOT.pem + own["ca.crt"]
    assert (files["ca.key"], files["ca.crt"]) == (own["ca.key"], own["ca.crt"])


def test_a_given_ca_is_replaced_by_giving_both_for_a_while() -> None:
    new = User("Root 2", ca=True)
    files = run({}, given_ca=CA)
    begun = certify(files, given_ca={**CA, "certificate": ROOT.pem + new.pem})
    assert [name for name, _text in begun.steps] == ["trusted.crt"]
    switched = certify(after(files, begun), given_ca={**new.both, "certificate": ROOT.pem + new.pem})
    assert len(switched.result["issued"]) == 2
    finished = certify(after(after(files, begun), switched), given_ca=new.both)
    assert [name for name, _text in finished.steps] == ["trusted.crt"]


BAD_CA: list[tuple[dict[str, str], str]] = [
    ({"certificate": "nothing"}, "`given_ca.certificate` is no certificate in PEM"),
    ({**CA, "certificate": LEAF.pem}, "may not sign certificates"),
    ({**CA, "private_key": "hush"}, "`given_ca.private_key` is no private key in PEM"),
    ({**CA, "private_key": STRANGER.key_pem}, "belongs to no certificate in"),
    ({**CA, "private_key": LOCKED}, "is locked by a passphrase"),
    ({"certificate": "nothing", "private_key": "hush"}, "is no private key in PEM"),
]


@pytest.mark.parametrize(("given", "text"), BAD_CA)
def test_a_given_ca_that_does_not_serve(given: dict[str, str], text: str) -> None:
    with pytest.raises(CertificatesError) as caught:
        certify({}, given_ca=given)
    assert text in str(caught.value) and "hush" not in str(caught.value)


def test_a_given_certificate_is_used_and_not_stored() -> None:
    outcome = certify({}, given_ca=CA, given={"pg1": LEAF.both})
    assert outcome.result["hosts"]["pg1"]["certificate"] == LEAF.pem
    assert outcome.result["hosts"]["pg1"]["private_key"] == LEAF.key_pem
    assert [one["host"] for one in outcome.result["issued"]] == ["proxy1"]
    assert not any("pg1" in name for name, _text in outcome.steps)
    assert "host pg1" in [row["what"] for row in outcome.result["expiry"]]


def test_nothing_is_signed_when_all_are_given() -> None:
    outcome = certify({}, hosts={"pg1": PG1}, given_ca={"certificate": ROOT.pem}, given={"pg1": LEAF.both})
    assert [name for name, _text in outcome.steps] == ["trusted.crt"]


def test_intermediates_come_with_the_certificate() -> None:
    leaf = User("pg1", issuer=BETWEEN, **WANTED)
    given = {"certificate": leaf.pem + BETWEEN.pem, "private_key": leaf.key_pem}
    outcome = certify({}, given_ca=CA, given={"pg1": given})
    assert outcome.result["hosts"]["pg1"]["certificate"] == leaf.pem + BETWEEN.pem
    with pytest.raises(CertificatesError, match="not signed"):
        certify({}, given_ca=CA, given={"pg1": leaf.both})
    late = certify({}, now=NOW + timedelta(days=499), given_ca=CA, given={"pg1": given})
    assert [text.split(" expire")[0] for text in late.result["problems"]] == [
        "The certificate of host pg1",
        "The intermediate CA Between given with host pg1",
    ]


def test_a_certificate_of_a_host_signs_no_other() -> None:
    leaf = User("pg1", issuer=LEAF, **WANTED)
    given = {"certificate": leaf.pem + LEAF.pem, "private_key": leaf.key_pem}
    with pytest.raises(CertificatesError, match="not signed"):
        certify({}, given_ca=CA, given={"pg1": given})


def test_what_comes_along_unused_may_be_old() -> None:
    old = User("Old", ca=True, end=NOW - timedelta(hours=1))
    given = {"certificate": LEAF.pem + old.pem, "private_key": LEAF.key_pem}
    assert certify({}, given_ca=CA, given={"pg1": given}).result["problems"] == []


def test_a_wildcard_and_no_extended_usage_are_enough() -> None:
    leaf = User("x", issuer=ROOT, names=["pg1", "*.example.com"], addresses=WANTED["addresses"], usages=None)
    assert certify({}, given_ca=CA, given={"pg1": leaf.both}).result["problems"] == []


SERVER_ONLY = User("pg1", issuer=ROOT, usages=[ExtendedKeyUsageOID.SERVER_AUTH], **WANTED)
CLIENT_ONLY = User("pg1", issuer=ROOT, usages=[ExtendedKeyUsageOID.CLIENT_AUTH], **WANTED)
NAMELESS = User("pg1", issuer=ROOT)
FORGED = User("pg1", issuer=User("Root", ca=True, kind="rsa"), **WANTED)
BAD: list[tuple[dict[str, str], str]] = [
    ({"certificate": "nothing", "private_key": LEAF.key_pem}, "the certificate given for pg1 is no certificate in PEM"),
    ({"certificate": LEAF.pem, "private_key": "hush"}, "the private key given for pg1 is no private key in PEM"),
    ({"certificate": LEAF.key_pem, "private_key": LEAF.pem}, "the certificate given for pg1 is no certificate in PEM"),
    ({"certificate": LEAF.pem, "private_key": LOCKED}, "is locked by a passphrase"),
    ({"certificate": LEAF.pem, "private_key": AGREEMENT}, "make an ECDSA or RSA key"),
    ({"certificate": LEAF.pem, "private_key": ROOT.key_pem}, "is not that of its certificate"),
    (User("pg1", issuer=STRANGER, **WANTED).both, "is not signed"),
    (FORGED.both, "is not signed"),
    (User("pg1", **WANTED).both, "is not signed"),
    (NAMELESS.both, "not made out to pg1, it is not made out to pg1.example.com, it is not made out to 10.0.0.11"),
    (SERVER_ONLY.both, "lacks clientAuth"),
    (CLIENT_ONLY.both, "lacks serverAuth"),
]


@pytest.mark.parametrize(("given", "text"), BAD)
def test_a_given_certificate_that_does_not_serve(given: dict[str, str], text: str) -> None:
    with pytest.raises(CertificatesError) as caught:
        certify({}, given_ca=CA, given={"pg1": given})
    assert text in str(caught.value)
    assert "hush" not in str(caught.value) and "PRIVATE" not in str(caught.value)


def test_what_is_wrong_with_several_comes_at_once() -> None:
    given = {"pg1": {"certificate": "x", "private_key": "y"}, "proxy1": User("proxy1", issuer=ROOT).both}
    with pytest.raises(CertificatesError) as caught:
        certify({}, given_ca=CA, given=given)
    for part in ("certificate given for pg1", "private key given for pg1", "given for proxy1 does not serve"):
        assert part in str(caught.value)


def test_what_was_given_ages() -> None:
    late = certify(run({}, given_ca=CA), now=NOW + timedelta(days=90), given_ca=CA, given={"pg1": LEAF.both})
    assert late.result["problems"] == [
        "The certificate of host pg1 expires on 2030-09-23T12:00:00Z, within 14 days. "
        "You gave it, so replace what you gave by a newer one"
    ]
    gone = certify(run({}, given_ca=CA), now=NOW + timedelta(days=1001), given_ca=CA)
    assert any("given CA Root expired" in text for text in gone.result["problems"])


def test_a_given_ca_that_nothing_hangs_on_may_be_old() -> None:
    old = User("Old", ca=True, end=NOW - timedelta(hours=1))
    result = certify({}, given_ca={**CA, "certificate": old.pem + ROOT.pem}).result
    assert result["problems"] == []
    assert [row["days_left"] for row in result["expiry"] if row["what"] == "given CA Old"] == [-1]


def test_of_two_certificates_of_one_ca_the_longer_lived_counts() -> None:
    """A CA that was renewed with the key it had: leaves verify with both, and with one of them for long."""
    old = User("Root", ca=True, end=NOW + timedelta(days=5))
    new = User("Root", ca=True, end=NOW + timedelta(days=1000), key_of=old)
    for bundle in (old.pem + new.pem, new.pem + old.pem):
        result = certify({}, given_ca={"certificate": bundle, "private_key": old.key_pem}).result
        assert result["problems"] == []
        assert [row["days_left"] for row in result["expiry"] if row["what"] == "host pg1"] == [365]
