# SPDX-License-Identifier: Apache-2.0
"""The certificates at work: handshakes over loopback by OpenSSL, which libpq and PostgreSQL use as well."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from .authorities import User, after, certify

NOW = datetime.now(UTC)
HOSTS = {
    "pg1": {"names": ["pg1", "pg1.example.com"], "addresses": ["127.0.0.1", "fd00::11"], "client": True},
    "proxy1": {"names": ["proxy1"], "addresses": ["127.0.0.1"]},
}


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return after({}, certify({}, now=NOW, hosts=HOSTS))


def context(purpose: int, files: dict[str, str], host: str | None, tmp_path: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(purpose)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.verify_mode = ssl.CERT_REQUIRED
    # As of 3.13 Python asks for this itself: every certificate has to be as RFC 5280 wants it.
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.load_verify_locations(cadata=files["trusted.crt"])
    if host:
        pair = tmp_path / f"{host}.pem"
        pair.write_text(files[f"hosts/{host}.key"] + files[f"hosts/{host}.crt"])
        made.load_cert_chain(pair)
    return made


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str:
    """What a client reads that connects to `name`. Raises what the client or, if that is content, the server raised."""
    failed: list[Exception] = []

    def serve(listener: socket.socket) -> None:
        try:
            connection, _peer = listener.accept()
            with connection:
                connection.settimeout(5)
                with server.wrap_socket(connection, server_side=True) as secure:
                    secure.sendall(b"hello")
        except OSError as error:
            failed.append(error)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname(), timeout=5) as plain,
                client.wrap_socket(plain, server_hostname=name) as secure,
            ):
                received = secure.recv(5)
        finally:
            thread.join(10)
    if failed:
        raise failed[0]
    return received.decode()


@pytest.mark.parametrize("name", ["pg1", "pg1.example.com", "127.0.0.1", "fd00::11", "FD00:0::11"])
def test_full_verification_by_name_and_by_address(files: dict[str, str], name: str, tmp_path: Path) -> None:
    server = context(ssl.PROTOCOL_TLS_SERVER, files, "pg1", tmp_path)
    server.verify_mode = ssl.CERT_NONE
    assert handshake(server, context(ssl.PROTOCOL_TLS_CLIENT, files, None, tmp_path), name) == "hello"


@pytest.mark.parametrize("name", ["proxy1", "127.0.0.2", "fd00::12"])
def test_another_name_is_refused(files: dict[str, str], name: str, tmp_path: Path) -> None:
    server = context(ssl.PROTOCOL_TLS_SERVER, files, "pg1", tmp_path)
    server.verify_mode = ssl.CERT_NONE
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(server, context(ssl.PROTOCOL_TLS_CLIENT, files, None, tmp_path), name)


def test_another_ca_is_refused(files: dict[str, str], tmp_path: Path) -> None:
    server = context(ssl.PROTOCOL_TLS_SERVER, files, "pg1", tmp_path)
    server.verify_mode = ssl.CERT_NONE
    other = after({}, certify({}, now=NOW, hosts=HOSTS))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, context(ssl.PROTOCOL_TLS_CLIENT, other, None, tmp_path), "pg1")


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    old = after({}, certify({}, now=NOW - timedelta(days=20), hosts=HOSTS, days=19))
    server = context(ssl.PROTOCOL_TLS_SERVER, old, "pg1", tmp_path)
    server.verify_mode = ssl.CERT_NONE
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        handshake(server, context(ssl.PROTOCOL_TLS_CLIENT, old, None, tmp_path), "pg1")


def test_a_client_certificate_is_accepted(files: dict[str, str], tmp_path: Path) -> None:
    server = context(ssl.PROTOCOL_TLS_SERVER, files, "proxy1", tmp_path)
    assert handshake(server, context(ssl.PROTOCOL_TLS_CLIENT, files, "pg1", tmp_path), "proxy1") == "hello"


@pytest.mark.parametrize(
    ("host", "reason"), [(None, "did not return a certificate"), ("proxy1", "unsuitable certificate purpose")]
)
def test_who_is_no_client_is_refused(files: dict[str, str], host: str | None, reason: str, tmp_path: Path) -> None:
    server = context(ssl.PROTOCOL_TLS_SERVER, files, "pg1", tmp_path)
    client = context(ssl.PROTOCOL_TLS_CLIENT, files, host, tmp_path)
    # With TLS 1.2 the server's refusal ends the handshake; with 1.3 a client may be done before it.
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    failures: list[BaseException] = []
    received = None
    try:
        received = handshake(server, client, "pg1")
    except OSError as error:
        failures.append(error)
    assert received is None and failures
    assert reason in refusal(server, client)


def refusal(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """Why the server refuses the client, in memory, where both ends' words can be read."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname="pg1")
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for _turn in range(6):
        for side in (near, far):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return str(error) if side is far else f"the client gave up: {error}"
    return "nobody refused"


def test_every_stage_of_a_rotation_connects_with_its_neighbours(files: dict[str, str], tmp_path: Path) -> None:
    order = [files]
    for rotation in ("begin", "switch", "finish"):
        order.append(after(order[-1], certify(order[-1], now=NOW, hosts=HOSTS, ca_rotation=rotation)))

    def connects(here: dict[str, str], there: dict[str, str]) -> bool:
        server = context(ssl.PROTOCOL_TLS_SERVER, here, "pg1", tmp_path)
        client = context(ssl.PROTOCOL_TLS_CLIENT, there, "pg1", tmp_path)
        return refusal(server, client) == "nobody refused"

    for left, right in pairwise(order):
        assert connects(left, right) and connects(right, left)
    assert not connects(order[0], order[2]) and not connects(order[3], order[1])


def test_a_given_ca_with_an_intermediate(tmp_path: Path) -> None:
    root = User("Root", ca=True, kind="rsa", start=NOW - timedelta(days=1), end=NOW + timedelta(days=100))
    between = User("Between", root, ca=True, start=NOW - timedelta(days=1), end=NOW + timedelta(days=100))
    given = {"certificate": between.pem + root.pem, "private_key": between.key_pem}
    files = after({}, certify({}, now=NOW, hosts=HOSTS, given_ca=given))
    server = context(ssl.PROTOCOL_TLS_SERVER, files, "pg1", tmp_path)
    client = context(ssl.PROTOCOL_TLS_CLIENT, files, "pg1", tmp_path)
    for one in (server, client):
        one.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the user's CA is made without identifiers
    assert handshake(server, client, "pg1") == "hello"
