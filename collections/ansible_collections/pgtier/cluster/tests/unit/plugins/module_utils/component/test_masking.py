# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.component.masking import MASK, Masker

YAML = b"""
# comment with a plainword
name: pg1
restapi:
  password: hunter22
  listen: 10.0.0.1:8008
bin_dir: /usr/lib/postgresql
users:
  - listed-secret
  - 'quoted secret'
"""


@pytest.mark.parametrize(
    ("content", "said", "expected"),
    [
        (YAML, "bad value hunter22 here", f"bad value {MASK} here"),
        (YAML, "see 'listed-secret'", f"see '{MASK}'"),
        (YAML, "see quoted secret", f"see {MASK}"),
        (YAML, "restapi.listen 10.0.0.1:8008 is taken", "restapi.listen 10.0.0.1:8008 is taken"),
        (YAML, "plainword password bin_dir", "plainword password bin_dir"),
        (YAML, "/usr/lib/postgresql has no postgres", "/usr/lib/postgresql has no postgres"),
        (b'"app" "SCRAM-SHA-256$4096:abcd=="', "line SCRAM-SHA-256$4096:abcd==", f"line {MASK}"),
        (b"db.example:5432:app:web:pgpass-pw", "pgpass-pw", MASK),
        (b"url = postgresql://app:uri-pw-1@host/db", "pw uri-pw-1 no", f"pw {MASK} no"),
        (b"just-a-password\n", "it is just-a-password", f"it is {MASK}"),
        (b"/not/a/path=", "token /not/a/path=", f"token {MASK}"),
        (b"key = 123456789", "pin 123456789", f"pin {MASK}"),
        (b"a", "a word", "a word"),
        (b"", "anything", "anything"),
        (b"\xff\xfe secret-in-binary", "secret-in-binary", MASK),
    ],
)
def test_secrets_are_masked_and_the_rest_stays_readable(content: bytes, said: str, expected: str) -> None:
    masked = Masker([content], is_path=lambda path: path.startswith("/usr/lib"))(said)
    assert masked.replace(MASK + "=", MASK) == expected
