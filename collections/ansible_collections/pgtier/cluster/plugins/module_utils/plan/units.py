"""PostgreSQL's units of memory."""

from __future__ import annotations

import re

_KB = {"kB": 1, "MB": 1024, "GB": 1024**2, "TB": 1024**3}
_AMOUNT = re.compile(r"(\d{1,15}) ?(kB|MB|GB|TB)")


def memory_kb(value: object) -> int | None:
    """An amount such as `512MB` in kB; None for anything else, also for a number whose unit is the parameter's own."""
    match = _AMOUNT.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(match[1]) * _KB[match[2]] if match else None


def memory(kb: int) -> str:
    """kB in the largest unit that is exact."""
    for unit in ("GB", "MB"):
        if kb >= _KB[unit] and kb % _KB[unit] == 0:
            return f"{kb // _KB[unit]}{unit}"
    return f"{kb}kB"
