# SPDX-License-Identifier: Apache-2.0
"""The folder that holds the CA and the hosts' certificates: read as a whole, changed by steps in an order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ansible_collections.pgtier.cluster.plugins.module_utils import private_file

CA_KEY, CA = "ca.key", "ca.crt"
NEXT_KEY, NEXT = "next.key", "next.crt"
PREVIOUS = "previous.crt"
TRUSTED = "trusted.crt"
HOSTS = "hosts"


class Step(NamedTuple):
    """A file to replace, or to remove where `text` is None."""

    name: str
    text: str | None


def host_certificate(host: str) -> str:
    return f"{HOSTS}/{host}.crt"


def host_key(host: str) -> str:
    return f"{HOSTS}/{host}.key"


class Draft:
    """The folder as it will be, and the steps that lead there. Each step is one file replaced or removed at once.

    The order of the steps is the order in which they were asked for: an interruption leaves a beginning of them.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = dict(files)
        self.steps: list[Step] = []

    def get(self, name: str) -> str | None:
        return self._files.get(name)

    def put(self, name: str, text: str) -> None:
        if self._files.get(name) != text:
            self._files[name] = text
            self.steps.append(Step(name, text))

    def remove(self, name: str) -> None:
        if self._files.pop(name, None) is not None:
            self.steps.append(Step(name, None))

    def holds_certificates(self) -> bool:
        """Whether a CA has been at work here, whichever files of it are left."""
        return TRUSTED in self._files or any(name.startswith(f"{HOSTS}/") for name in self._files)


def make(directory: Path) -> None:
    """Make the folder with mode 0700, or refuse one that others may enter."""
    if not directory.parent.exists():
        # On its own, so that the inventory's folder of secrets is private too when this is what makes it.
        private_file.make_directory(directory.parent)
    private_file.make_directory(directory)
    private_file.make_directory(directory / HOSTS)


def read(directory: Path, keys: bool = True) -> dict[str, str]:
    """The files by their name below `directory`, an empty dict without one. Refuses what lies open to others."""
    for folder in (directory, directory / HOSTS):
        if folder.exists():
            private_file.make_directory(folder)
    endings = (".crt", ".key") if keys else (".crt",)
    names = [CA, NEXT, PREVIOUS, TRUSTED, CA_KEY, NEXT_KEY]
    if (directory / HOSTS).is_dir():
        names += sorted(f"{HOSTS}/{path.name}" for path in (directory / HOSTS).iterdir() if path.suffix in endings)
    texts = {name: private_file.read(directory / name) for name in names if name.endswith(endings)}
    return {name: text for name, text in texts.items() if text is not None}


def only_hosts(files: Mapping[str, str], hosts: Sequence[str] | None) -> dict[str, str]:
    """`files` without those of other hosts than `hosts`; all of them for None."""
    wanted = {name for host in hosts or () for name in (host_certificate(host), host_key(host))}
    return {
        name: text
        for name, text in files.items()
        if hosts is None or name in wanted or not name.startswith(f"{HOSTS}/")
    }


def apply(directory: Path, steps: Sequence[Step]) -> None:
    for name, text in steps:
        path = directory / name
        if text is not None:
            private_file.write(path, text)
            continue
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise private_file.PrivateFileError(f"{path}: {error.strerror}. It could not be removed.") from error
