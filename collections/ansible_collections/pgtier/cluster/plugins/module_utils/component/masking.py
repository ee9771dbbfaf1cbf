# SPDX-License-Identifier: Apache-2.0
"""Keep secrets out of what other programs print: a checker quotes the line that it does not like."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

MASK = "********"
_SHORTEST = 4
_QUOTED = re.compile(r"\"([^\"\n]+)\"|'([^'\n]+)'")
_KEY = re.compile(r"^\s*(?:- )?[\"']?([\w.-]+)[\"']?\s*[:=]", re.MULTILINE)
_VALUE = re.compile(r"^[^:=\n]*[:=][ \t]*(\S.*)$", re.MULTILINE)
_WORD = re.compile(r"[^\s\"',;:=@|\[\]{}()]+")
_HARMLESS = re.compile(r"true|false|null|none|yes|md5|trust|peer|scram-sha-256|\d{1,5}|\d+(\.\d+){3}([:/]\d+)?", re.I)


class Masker:
    """Masks in a text every value, quoted text and word of the secret files.

    What is no secret anyway stays readable, because a message without it is of no use: keys, paths that exist,
    addresses, short numbers, a few words of configuration files.
    """

    def __init__(self, contents: Iterable[bytes], is_path: Callable[[str], bool]) -> None:
        found: set[str] = set()
        for content in contents:
            found |= _secrets(content.decode(errors="replace"), is_path)
        # The longest first, so that none is left over as the rest of a shorter one.
        self._secrets = sorted(found, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


def _secrets(text: str, is_path: Callable[[str], bool]) -> set[str]:
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("#", ";")))
    found = {one or other for one, other in _QUOTED.findall(text)}
    found |= {value.strip().strip("\"'") for value in _VALUE.findall(text)}
    found |= set(_WORD.findall(text))
    keys = set(_KEY.findall(text))
    return {value for value in found - keys if _is_secret(value, is_path)}


def _is_secret(value: str, is_path: Callable[[str], bool]) -> bool:
    if len(value) < _SHORTEST or _HARMLESS.fullmatch(value):
        return False
    return not (value.startswith("/") and is_path(value))
