# SPDX-License-Identifier: Apache-2.0
"""Certificates as a user may have them, made freely, and runs of the planner with a clock of their own."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.tls import issue, pki
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.request import read
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2030, 6, 15, 12, 0, 0, tzinfo=UTC)
WHERE = "/inventory/secrets/tls"
PG1: dict[str, Any] = {"names": ["pg1", "pg1.example.com"], "addresses": ["10.0.0.11", "fd00::11"], "client": True}
PROXY1: dict[str, Any] = {"names": ["proxy1"], "addresses": ["10.0.0.21"]}
HOSTS = {"pg1": PG1, "proxy1": PROXY1}
DEFAULTS: dict[str, Any] = {
    "scope": "main",
    "hosts": HOSTS,
    "ca_days": 3650,
    "days": 365,
    "refuse_days": 14,
    "renew": [],
    "given_ca": None,
    "given": {},
    "ca_rotation": "none",
}


def certify(files: Mapping[str, str], now: datetime = NOW, **args: Any) -> issue.Outcome:
    return issue.certify(files, read({**DEFAULTS, **args}), WHERE, now)


def after(files: Mapping[str, str], outcome: issue.Outcome, steps: int | None = None) -> dict[str, str]:
    """The folder after the first `steps` steps, all of them for None."""
    result = dict(files)
    for name, text in outcome.steps[:steps]:
        if text is None:
            del result[name]
        else:
            result[name] = text
    return result


def run(files: Mapping[str, str], **args: Any) -> dict[str, str]:
    return after(files, certify(files, **args))


class User:
    """A CA or a host's certificate that somebody else made, with whatever is wrong about it."""

    def __init__(
        self,
        name: str,
        issuer: User | None = None,
        ca: bool = False,
        names: Sequence[str] = (),
        addresses: Sequence[str] = (),
        usages: Sequence[x509.ObjectIdentifier] | None = (
            ExtendedKeyUsageOID.SERVER_AUTH,
            ExtendedKeyUsageOID.CLIENT_AUTH,
        ),
        kind: str = "ec",
        key_of: User | None = None,
        start: datetime = NOW - timedelta(days=1),
        end: datetime = NOW + timedelta(days=100),
    ) -> None:
        self.key: pki.PrivateKey
        self.made: x509.Certificate
        if key_of:
            self.key = key_of.key
        elif kind == "rsa":
            self.key = rsa.generate_private_key(65537, 2048)
        elif kind == "ed25519":
            self.key = ed25519.Ed25519PrivateKey.generate()
        else:
            self.key = ec.generate_private_key(ec.SECP384R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.made.subject if issuer else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
        )
        if ca:
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        alternatives: list[x509.GeneralName] = [x509.DNSName(one) for one in names]
        alternatives += [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses]
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        if usages and not ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        signer = issuer.key if issuer else self.key
        hashed = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        self.made = builder.sign(signer, hashed)
        self.pem, self.key_pem = pki.certificate_pem(self.made), pki.key_pem(self.key)

    @property
    def both(self) -> dict[str, str]:
        return {"certificate": self.pem, "private_key": self.key_pem}
