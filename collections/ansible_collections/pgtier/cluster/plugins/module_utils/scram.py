# SPDX-License-Identifier: Apache-2.0
"""SCRAM-SHA-256 secrets as PostgreSQL stores them (RFC 5802, RFC 7677).

A password is turned into its stored form here, so that the clear text never travels to the server, where a log could
catch it, and a stored secret is compared with a password, so that an unchanged password is not written again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import stringprep
import unicodedata

ITERATIONS = 4096
_SALT_BYTES = 16
_SECRET = re.compile(r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")


def prepare(password: str) -> bytes:
    """SASLprep (RFC 4013). A password it prohibits is used as it stands, as libpq and the server do."""
    raw = password.encode()
    if password.isascii():
        return raw
    mapped = "".join(" " if stringprep.in_table_c12(c) else c for c in password if not stringprep.in_table_b1(c))
    text = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if not text or any(_prohibited(c) for c in text) or not _direction_is_clear(text):
        return raw
    return text.encode()


def _prohibited(character: str) -> bool:
    tables = (
        stringprep.in_table_a1,
        stringprep.in_table_c12,
        stringprep.in_table_c21_c22,
        stringprep.in_table_c3,
        stringprep.in_table_c4,
        stringprep.in_table_c5,
        stringprep.in_table_c6,
        stringprep.in_table_c7,
        stringprep.in_table_c8,
        stringprep.in_table_c9,
    )
    return any(in_table(character) for in_table in tables)


def _direction_is_clear(text: str) -> bool:
    """Right-to-left text has to begin and end so, and hold nothing that runs left to right (RFC 3454, 6)."""
    if not any(stringprep.in_table_d1(c) for c in text):
        return True
    if any(stringprep.in_table_d2(c) for c in text):
        return False
    return stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])


def _keys(password: str, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    """StoredKey and ServerKey of RFC 5802, section 3."""
    salted = hashlib.pbkdf2_hmac("sha256", prepare(password), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return hashlib.sha256(client_key).digest(), hmac.digest(salted, b"Server Key", "sha256")


def build(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """The text that `pg_authid.rolpassword` holds for `password`."""
    salt = os.urandom(_SALT_BYTES) if salt is None else salt
    stored, server = _keys(password, salt, iterations)
    salt_text, stored_text, server_text = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${iterations}:{salt_text}${stored_text}:{server_text}"


def matches(secret: str | None, password: str) -> bool:
    """Whether the stored `secret` is one of `password`. No secret, and one of another method (md5), is none."""
    parts = _SECRET.fullmatch(secret or "")
    if not parts:
        return False
    iterations, salt, stored, server = parts.groups()
    try:
        expected = _keys(password, base64.b64decode(salt), int(iterations))
        held = base64.b64decode(stored), base64.b64decode(server)
    except (binascii.Error, ValueError):
        return False
    # Both are compared: a secret with a wrong server key lets clients in that do not check the server, and no other.
    return hmac.compare_digest(expected[0], held[0]) and hmac.compare_digest(expected[1], held[1])
