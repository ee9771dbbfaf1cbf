# SPDX-License-Identifier: Apache-2.0
"""The edge to the `cryptography` library: PEM in, certificates and facts on them out, and certificates made.

For the controller only, where ansible-core brings the library along. No module that runs on hosts may import this.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from ansible_collections.pgtier.cluster.plugins.module_utils.tls.judge import Facts
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.request import CertificatesError, Host

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    # ansible-core names no oldest version. 42 is the first that tells validity with a time zone.
    USABLE = hasattr(x509.Certificate, "not_valid_after_utc")
except ImportError:
    USABLE = False

if TYPE_CHECKING:
    Certificate: TypeAlias = x509.Certificate
    PrivateKey: TypeAlias = (
        ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
    )

# Clocks of hosts may be behind the controller's.
BACKDATED = timedelta(minutes=5)
_COMMON_NAME_MAX = 64  # RFC 5280, ub-common-name


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Certificate
    key: PrivateKey


def require() -> None:
    """Refuse a controller whose `cryptography` is missing or too old."""
    if not USABLE:
        raise CertificatesError(
            "The Python library `cryptography` is missing on the controller or older than 42. "
            "Install it where Ansible runs: pip install -r requirements.txt"
        )


# --- reading -------------------------------------------------------------------------------------------------------


def load_certificates(text: str, where: str) -> list[Certificate]:
    """All certificates of a PEM text, at least one. Raises CertificatesError that names `where`."""
    try:
        found = x509.load_pem_x509_certificates(text.encode())
        for certificate in found:
            facts(certificate)  # reads the extensions, which are not looked at until they are asked for
        return found
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificatesError(f"{where} is no certificate in PEM ({_short(error)})") from error


def load_key(text: str, where: str) -> PrivateKey:
    """The private key of a PEM text. Raises CertificatesError that names `where`."""
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except TypeError as error:
        raise CertificatesError(
            f"{where} is locked by a passphrase: take that off (openssl pkey -in KEY) and keep the key in the vault"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        # The library's own text is not passed on: it may quote what it could not read.
        raise CertificatesError(f"{where} is no private key in PEM") from error
    kinds = (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)
    if not isinstance(key, kinds):
        raise CertificatesError(f"{where} is of a kind that TLS servers do not use: make an ECDSA or RSA key")
    return key


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:80].rstrip(".") if str(error) else type(error).__name__


def certificate_pem(certificate: Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def common_name(certificate: Certificate) -> str:
    """The CN, or the whole subject where there is none."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else certificate.subject.rfc4514_string()


def facts(certificate: Certificate) -> Facts:
    names: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    server = client = True  # a certificate without extended key usage may be used for everything
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.SubjectAlternativeName):
            names = frozenset(name.lower() for name in value.get_values_for_type(x509.DNSName))
            addresses = frozenset(str(address) for address in value.get_values_for_type(x509.IPAddress))
        elif isinstance(value, x509.ExtendedKeyUsage):
            server, client = ExtendedKeyUsageOID.SERVER_AUTH in value, ExtendedKeyUsageOID.CLIENT_AUTH in value
    return Facts(names, addresses, server, client, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def matches(key: PrivateKey, certificate: Certificate) -> bool:
    """Whether `key` is the private half of the certificate's public key."""
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)


def is_authority(certificate: Certificate) -> bool:
    """Whether it may sign certificates."""
    authority, may_sign = False, True
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.BasicConstraints):
            authority = extension.value.ca
        elif isinstance(extension.value, x509.KeyUsage):
            may_sign = extension.value.key_cert_sign
    return authority and may_sign


def issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    """By name and signature. Validity in time is not looked at."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def path(leaf: Certificate, between: Iterable[Certificate], trusted: Sequence[Certificate]) -> list[Certificate] | None:
    """From `leaf` by `between` and `trusted` to a self-signed certificate in `trusted`; None if none leads there.

    OpenSSL, and with it libpq, wants that last one: an intermediate CA alone is no anchor to it. Of several paths
    the one is taken whose certificates last longest, step by step; validity in time is judged elsewhere.
    """
    candidates = sorted({*between, *trusted}, key=lambda one: one.not_valid_after_utc, reverse=True)

    def climb(steps: list[Certificate]) -> list[Certificate] | None:
        last = steps[-1]
        if last in trusted and issued_by(last, last):
            return steps
        for issuer in candidates:
            if issuer not in steps and is_authority(issuer) and issued_by(last, issuer):
                found = climb([*steps, issuer])
                if found:
                    return found
        return None

    return climb([leaf])


# --- making --------------------------------------------------------------------------------------------------------


def make_authority(scope: str, days: int, now: datetime) -> Pair:
    """A self-signed CA that signs leaves only. Each has a name of its own, so that none is taken for another."""
    key = ec.generate_private_key(ec.SECP256R1())
    mark = f"{now:%Y%m%d}-{secrets.token_hex(4)}"
    scope = scope[: _COMMON_NAME_MAX - len(f"pgtier  CA {mark}")]
    name = _name(f"pgtier {scope} CA {mark}")
    builder = (
        _builder(name, name, key, now, now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return Pair(builder.sign(key, hashes.SHA256()), key)


def make_leaf(host: Host, days: int, now: datetime, signer: Pair) -> Pair:
    """A new key and its certificate. It does not outlast the CA, unless that has expired already."""
    key = ec.generate_private_key(ec.SECP256R1())
    end, last = now + timedelta(days=days), signer.certificate.not_valid_after_utc
    usages = [ExtendedKeyUsageOID.SERVER_AUTH] + ([ExtendedKeyUsageOID.CLIENT_AUTH] if host.client else [])
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in sorted(host.names)]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in sorted(host.addresses)]
    end = min(end, last) if last > now else end
    builder = (
        _builder(_name(host.name[:_COMMON_NAME_MAX]), signer.certificate.subject, key, now, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(_authority_key_identifier(signer.certificate), critical=False)
    )
    hashes_itself = isinstance(signer.key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    return Pair(builder.sign(signer.key, None if hashes_itself else hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_key_identifier(issuer: Certificate) -> x509.AuthorityKeyIdentifier:
    """What the issuer calls its key: a CA that the user gave may not have it hashed as we would."""
    try:
        own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
