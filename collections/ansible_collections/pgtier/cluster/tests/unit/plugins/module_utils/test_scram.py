# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils import scram

# RFC 7677, section 3: user "user", password "pencil".
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
SECRET = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="
    "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)
CLIENT_FIRST = "n=user,r=rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
CLIENT_FINAL = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SERVER_SIGNATURE = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_the_server_key_gives_the_signature_of_the_rfc() -> None:
    import hashlib
    import hmac

    server_key = base64.b64decode(scram.build("pencil", SALT).rsplit(":", 1)[1])
    message = f"{CLIENT_FIRST},{SERVER_FIRST},{CLIENT_FINAL}".encode()
    assert base64.b64encode(hmac.new(server_key, message, hashlib.sha256).digest()).decode() == SERVER_SIGNATURE


def test_the_secret_of_the_rfc() -> None:
    assert scram.build("pencil", SALT) == SECRET


@pytest.mark.parametrize(
    ("secret", "password", "fits"),
    [
        (SECRET, "pencil", True),
        (SECRET, "Pencil", False),
        (SECRET, "", False),
        (SECRET.replace("$4096:", "$4097:"), "pencil", False),
        (SECRET.replace("wfPL", "wfPM"), "pencil", False),
        (SECRET.replace("$WG5d", "$WG5e"), "pencil", False),
        (None, "pencil", False),
        ("", "pencil", False),
        ("md5" + "0" * 32, "pencil", False),
        ("pencil", "pencil", False),
        ("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8", "pencil", False),
        ("SCRAM-SHA-256$4096:A$A:A", "pencil", False),
        ("SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d:WG5d", "pencil", False),
    ],
)
def test_matches(secret: str | None, password: str, fits: bool) -> None:
    assert scram.matches(secret, password) is fits


@pytest.mark.parametrize(
    "password", ["x", "pä'ß: wört\\", "\N{ROMAN NUMERAL NINE}", "пароль", "סיסמה", "a" * 500, "\x01"]
)
def test_a_secret_fits_its_password_and_no_other(password: str) -> None:
    secret = scram.build(password, iterations=100)
    assert scram.matches(secret, password)
    assert not scram.matches(secret, password + "x")


def test_every_secret_has_a_salt_of_its_own() -> None:
    assert scram.build("x") != scram.build("x")


# RFC 4013, section 3, and what PostgreSQL does where SASLprep prohibits: it takes the password as it stands.
@pytest.mark.parametrize(
    ("password", "prepared"),
    [
        ("I\N{SOFT HYPHEN}X", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\N{FEMININE ORDINAL INDICATOR}", "a"),
        ("\N{ROMAN NUMERAL NINE}", "IX"),
        ("a\N{NO-BREAK SPACE}b", "a b"),
        ("\x07", "\x07"),
        ("ä\x07", "ä\x07"),
        ("\N{ARABIC LETTER ALEF}1", "\N{ARABIC LETTER ALEF}1"),
        ("\N{SOFT HYPHEN}", "\N{SOFT HYPHEN}"),
    ],
)
def test_prepare(password: str, prepared: str) -> None:
    assert scram.prepare(password) == prepared.encode()
