"""Certificates that the cluster must not take, each wrong in one way alone, and one that is right."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from ansible_collections.pgtier.cluster.plugins.module_utils.tls import pki
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.request import Host
from cryptography.hazmat.primitives.serialization import Encoding
from tier import Tier

Pair = tuple[str, str]


class Forger:
    """Has stolen the authority's key, which nobody has who is not on the controller."""

    def __init__(self, tier: Tier) -> None:
        self.tier = tier
        self.directory = tier.inventory / "secrets/tls"
        self.signer = pki.Pair(
            pki.load_certificates((self.directory / "ca.crt").read_text(), "ca.crt")[0],
            pki.load_key((self.directory / "ca.key").read_text(), "ca.key"),
        )
        self.other = pki.make_authority("another", 30, datetime.now(UTC))

    def right(self, *addresses: str, names: tuple[str, ...] = (), client: bool = True, days: int = 30) -> Pair:
        return self._make(self.signer, addresses, names, client, datetime.now(UTC), days)

    def of_another_authority(self, *addresses: str, names: tuple[str, ...] = ()) -> Pair:
        return self._make(self.other, addresses, names, True, datetime.now(UTC), 30)

    def expired(self, *addresses: str, names: tuple[str, ...] = ()) -> Pair:
        return self._make(self.signer, addresses, names, True, datetime.now(UTC) - timedelta(days=31), 30)

    def of_another_host(self) -> Pair:
        """Made out to a host that there is not. Those of the cluster's hosts also hold the loopback address."""
        return self.right("192.0.2.1", names=("elsewhere",))

    def stolen(self, host: str) -> Pair:
        """What a host of the cluster has."""
        return ((self.directory / f"hosts/{host}.crt").read_text(), (self.directory / f"hosts/{host}.key").read_text())

    @staticmethod
    def _make(
        signer: pki.Pair, addresses: tuple[str, ...], names: tuple[str, ...], client: bool, now: datetime, days: int
    ) -> Pair:
        host = Host("forged", frozenset(names), frozenset(addresses), client)
        pair = pki.make_leaf(host, days, now, signer)
        return pki.certificate_pem(pair.certificate), pki.key_pem(pair.key)


def fingerprint(certificate: str) -> str:
    """The SHA-256 of the first certificate of a PEM text."""
    return hashlib.sha256(pki.load_certificates(certificate, "it")[0].public_bytes(Encoding.DER)).hexdigest()
