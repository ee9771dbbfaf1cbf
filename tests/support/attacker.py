"""What a stranger on the network can try: run on a host that is not of the cluster, with the standard library alone.

`on` sends this file to a host by ssh, with the calls to make; the answers come back as JSON. A call that fails has
failed at what it tried, and `error` says how.
"""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import struct
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tier import Tier

SSL_REQUEST = struct.pack("!II", 8, 80877103)
PATIENCE = 5.0  # until there is a connection, seconds
# Until there is an answer. etcd's port for peers takes 5 s now and then, on a busy host above all: its listener sets a
# deadline of 5 s for each read, which can undo the one by which Go's HTTP server ends the read that it has ahead.
ANSWER_PATIENCE = 20.0

Answer = dict[str, str]


def postgres_in_clear(host: str, port: int, user: str, database: str) -> Answer:
    """Begin a login without TLS. `kind` is R if the server goes on with it, E for an error, empty for a hang-up."""
    body = struct.pack("!I", 196608) + f"user\0{user}\0database\0{database}\0\0".encode()
    with socket.create_connection((host, port), PATIENCE) as plain:
        plain.sendall(struct.pack("!I", len(body) + 4) + body)
        answer = plain.recv(4096)
    return {"kind": answer[:1].decode("latin-1"), "text": answer[5:].replace(b"\0", b" ").decode(errors="replace")}


def http_in_clear(host: str, port: int, path: str) -> Answer:
    """Ask in HTTP without TLS. `text` is whatever came back."""
    with socket.create_connection((host, port), PATIENCE) as plain:
        plain.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        try:
            return {"text": plain.recv(4096).decode("latin-1")}
        except ConnectionError:
            return {"text": ""}


def tls(
    host: str,
    port: int,
    *,
    postgres: bool = False,
    certificate: str = "",
    key: str = "",
    trusted: str = "",
    name: str = "",
    ask: str = "",
    verb: str = "GET",
    body: str = "",
    authorization: str = "",
) -> Answer:
    """Shake hands, with a client certificate or without; with `ask`, make a request of HTTP.

    `served` is the hash of the certificate that the server showed, `version` that of TLS, `text` the answer.
    """
    with tempfile.TemporaryDirectory() as directory, socket.create_connection((host, port), PATIENCE) as plain:
        context = ssl.create_default_context(cadata=trusted or None)
        if not trusted:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate:
            # The library reads them from a file only.
            pair = Path(directory) / "pair.pem"
            pair.write_text(certificate + key)
            context.load_cert_chain(pair)
        if postgres:
            plain.sendall(SSL_REQUEST)
            if plain.recv(1) != b"S":
                raise ConnectionError("it does not speak TLS")
        with context.wrap_socket(plain, server_hostname=name or host) as encrypted:
            served = hashlib.sha256(encrypted.getpeercert(True) or b"").hexdigest()
            answer = {"served": served, "version": str(encrypted.version()), "text": ""}
            if ask:
                encrypted.settimeout(ANSWER_PATIENCE)
                lines = [f"{verb} {ask} HTTP/1.1", f"Host: {host}", "Connection: close", f"Content-Length: {len(body)}"]
                lines += [f"Authorization: {authorization}"] if authorization else []
                encrypted.sendall("\r\n".join([*lines, "", body]).encode())
                # With TLS 1.3 a server refuses a client certificate after the handshake, in place of an answer.
                text = b""
                while chunk := encrypted.recv(65536):
                    text += chunk
                if not text:
                    raise ConnectionError("it hung up without an answer")
                answer["text"] = text.decode("latin-1")
            return answer


TRICKS = {trick.__name__: trick for trick in (postgres_in_clear, http_in_clear, tls)}


def attempt(call: tuple[str, dict[str, Any]]) -> Answer:
    trick, arguments = call
    try:
        return TRICKS[trick](**arguments)
    except OSError as error:  # ssl.SSLError is one
        return {"error": f"{type(error).__name__}: {error}"}


def main(calls: str) -> None:
    with ThreadPoolExecutor(16) as pool:
        json.dump(list(pool.map(attempt, json.loads(calls))), sys.stdout)


def on(tier: Tier, host: str, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[Answer]:
    """Make all these calls from a host."""
    program = f"{Path(__file__).read_text()}\nmain({json.dumps(list(calls))!r})\n"
    answers: list[Answer] = json.loads(tier.feed(host, "python3 -", program))
    assert len(answers) == len(calls)
    return answers
