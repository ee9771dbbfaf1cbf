# SPDX-License-Identifier: Apache-2.0
"""Install packages in one apt transaction, while their services stay down."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from ansible_collections.pgtier.cluster.plugins.module_utils.component.host import Host, Ran
from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import ComponentError

# Debian's packages ask this program whether they may start a service; 101 means no.
POLICY = "/usr/sbin/policy-rc.d"
_POLICY_MARK = "made by pgtier"
_POLICY_TEXT = f"#!/bin/sh\n# {_POLICY_MARK} while it installs packages, to be removed afterwards\nexit 101\n"

_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none", "NEEDRESTART_SUSPEND": "1"}
_LOCK = ["-o", "DPkg::Lock::Timeout=600"]
_KEEP = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]
# What apt says when its lists are older than the archive, or empty.
_STALE_LISTS = (
    "Unable to locate package",
    "has no installation candidate",
    "Unable to fetch some archives",
    "Failed to fetch",
)
_INTERRUPTED = "dpkg was interrupted"


def install(host: Host, packages: Sequence[str]) -> list[str]:
    """Install the packages; returns notes. Lists are read anew only if the ones at hand turn out not to do."""
    notes = []
    with _services_stay_down(host) as ours:
        if not ours:
            notes.append(f"{POLICY} is not pgtier's: it decided whether the installed packages started their services")
        ran = _apt(host, "install", packages)
        if _INTERRUPTED in ran.output:
            # An earlier transaction was killed. Its packages are finished first, services down as well.
            configured = host.run(
                ["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"], environment=_ENVIRONMENT
            )
            if configured.code != 0:
                raise ComponentError(
                    _failure("dpkg --configure -a, to finish an interrupted installation,", configured)
                )
            notes.append("finished an installation that had been interrupted (dpkg --configure -a)")
            ran = _apt(host, "install", packages)
        if ran.code != 0 and any(sign in ran.output for sign in _STALE_LISTS):
            refresh(host)
            ran = _apt(host, "install", packages)
    if ran.code != 0:
        raise ComponentError(_failure(f"apt-get install {' '.join(packages)}", ran))
    return notes


def refresh(host: Host) -> None:
    """Read the lists of what there is anew."""
    ran = host.run(["apt-get", "update", "-q", *_LOCK], environment=_ENVIRONMENT)
    if ran.code != 0:
        raise ComponentError(_failure("apt-get update", ran))


def simulate(host: Host, packages: Sequence[str], reinstall: bool) -> str:
    """What apt says that `upgrade` would do."""
    ran = _apt(host, "install", packages, "--simulate", *_how(reinstall))
    if ran.code != 0:
        raise ComponentError(_failure(f"apt-get --simulate install {' '.join(packages)}", ran))
    return ran.output


def upgrade(host: Host, packages: Sequence[str], reinstall: bool) -> None:
    """Bring installed packages, and what they need, to their newest version, while services go on as they are."""
    with _services_stay_down(host) as ours:
        if not ours:
            raise ComponentError(
                f"{POLICY} on this host is not pgtier's, so packages might restart their services whenever they like. "
                "Remove it for the time of the update"
            )
        # What an earlier run was killed in is finished first.
        host.run(["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"], environment=_ENVIRONMENT)
        ran = _apt(host, "install", packages, *_how(reinstall))
    if ran.code != 0:
        raise ComponentError(_failure(f"apt-get install {' '.join(packages)}", ran))


def _how(reinstall: bool) -> list[str]:
    return ["--reinstall"] if reinstall else ["--only-upgrade"]


def is_our_policy(host: Host) -> bool:
    return _POLICY_MARK.encode() in host.look_at(POLICY, read=True).content


@contextlib.contextmanager
def _services_stay_down(host: Host) -> Iterator[bool]:
    """False if the host has a policy of its own, which then stands."""
    if host.look_at(POLICY).kind != "absent" and not is_our_policy(host):
        yield False
        return
    host.path(POLICY).parent.mkdir(parents=True, exist_ok=True)
    host.replace(POLICY, _POLICY_TEXT.encode(), ("root", "root", 0o755))
    try:
        yield True
    finally:
        host.path(POLICY).unlink(missing_ok=True)


def _apt(host: Host, verb: str, packages: Sequence[str], *options: str) -> Ran:
    return host.run(
        ["apt-get", verb, "-q", "-y", "--no-install-recommends", *options, *_LOCK, *_KEEP, "--", *packages],
        environment=_ENVIRONMENT,
    )


def _failure(command: str, ran: Ran) -> str:
    tail = "\n".join(ran.output.strip().splitlines()[-20:])
    return (
        f"{command} failed with exit code {ran.code}. Nothing was put in place that needs the packages. "
        f"See to what apt says (network, sources, disk space, a held package), then run again. Its last lines:\n{tail}"
    )
