# SPDX-License-Identifier: Apache-2.0
"""A host's certificate as files of a component."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError


def tls_files(
    certificates: Mapping[str, Any],
    directory: str,
    host: str,
    owner: str,
    on_change: str = "reload",
    on_ca_change: str = "reload",
    units: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """`ca.crt`, `host.crt` and `host.key` in `directory`, for the option `files` of `component`.

    The last three say what a change asks for, and of which units (all if None). Without a directory, no files.
    """
    if not directory:
        return []
    try:
        own = certificates["hosts"][host]
        contents = {
            "ca.crt": certificates["trusted"],
            "host.crt": own["certificate"],
            "host.key": own["private_key"],
        }
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(
            f"tls_files: no certificate for {host} in what pgtier.cluster.certificates returned ({error!r})"
        ) from error
    return [
        {
            "dest": f"{directory}/{name}",
            "content": content,
            "owner": owner,
            "group": owner,
            "mode": "0600" if name.endswith(".key") else "0644",
            "secret": name.endswith(".key"),
            "on_change": on_ca_change if name == "ca.crt" else on_change,
            "units": None if units is None else list(units),
        }
        for name, content in contents.items()
    ]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"tls_files": tls_files}
