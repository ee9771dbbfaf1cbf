"""TLS: which certificate each host needs, and what all services have in common.

A member's certificate also has the names of what it may serve (`primary.pgtier`, ...): whoever comes by way of a
proxy, or asks for the primary, does not know which member will answer. And localhost, for hops on a host itself.
No certificate lists another host, so a new host means one new certificate.
"""

from __future__ import annotations

from .schema.endpoints import Target
from .schema.hosts import Certificate, Tls
from .settings import Settings
from .topology import Topology, parse_address, virtual_address

CA_FILE = "/etc/pgtier/ca.crt"
# Forward secrecy and authenticated encryption only. It is OpenSSL's way to write it, for keys of any kind.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
# The same in Go's names, for etcd.
CIPHER_SUITES = [
    f"TLS_ECDHE_{key}_WITH_{cipher}"
    for key in ("ECDSA", "RSA")
    for cipher in ("AES_256_GCM_SHA384", "AES_128_GCM_SHA256", "CHACHA20_POLY1305_SHA256")
]
LOOPBACK = "127.0.0.1"
# What Patroni calls the server on its own host.
LOCALHOST = "localhost"


def server_name(target: Target) -> str:
    """The name that a member serves a target under."""
    return f"{target}.pgtier"


def session_name(target: Target) -> str:
    """The name that pools in session mode know it by, where they have one of their own."""
    return f"session.{server_name(target)}"


def tls(settings: Settings, topology: Topology) -> Tls:
    return Tls(
        enabled=settings["tls_enabled"],
        ca_file=ca_file(settings),
        days=settings["tls_days"],
        ca_days=settings["tls_ca_days"],
        refuse_days=settings["tls_refuse_days"],
        ciphers=CIPHERS,
        hosts={host: _certificate(settings, topology, host) for host in topology.hosts},
    )


def ca_file(settings: Settings) -> str:
    return CA_FILE if settings["tls_enabled"] else ""


def directory(settings: Settings, component: str) -> str:
    """Where a component has a host's `ca.crt`, `host.crt` and `host.key`: each its own copy, for its own user."""
    return f"/etc/{component}/tls" if settings["tls_enabled"] else ""


def _certificate(settings: Settings, topology: Topology, host: str) -> Certificate:
    reached = [*settings["tls_names"], *filter(None, [virtual_address(settings)])]
    written = reached if host in (*topology.proxies, *topology.members) else []
    addresses = [str(address) for name in written if (address := parse_address(name)) is not None]
    return Certificate(
        names=list(
            dict.fromkeys(
                (host, LOCALHOST, *_served(topology, host), *(name for name in written if not parse_address(name)))
            )
        ),
        addresses=list(dict.fromkeys((topology.addresses[host], LOOPBACK, *addresses))),
        # etcd's members and Patroni prove themselves to etcd. A proxy has no business there.
        client=host in topology.etcd or host in topology.members,
    )


def _served(topology: Topology, host: str) -> list[str]:
    if host in topology.candidates:
        return [server_name("primary"), server_name("replica"), session_name("replica")]
    return [server_name("analytics")] if host in topology.analytics else []
