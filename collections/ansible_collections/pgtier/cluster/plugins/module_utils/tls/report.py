# SPDX-License-Identifier: Apache-2.0
"""How long the certificates of a cluster last, and which of them a run should be refused for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.pgtier.cluster.plugins.module_utils.tls import folder, judge, pki
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.request import CertificatesError


@dataclass(frozen=True)
class Entry:
    """A certificate to report on. `needed` is False for one that only matters when a host's certificate hangs on it."""

    what: str
    certificate: pki.Certificate
    remedy: str
    needed: bool = True
    between: Sequence[pki.Certificate] = ()


def of_trusted(files: Mapping[str, str], trusted: Sequence[pki.Certificate]) -> list[Entry]:
    """The trusted certificates. Those that are not in the CA's own files are the user's, and may be many."""
    known = {}
    for name, kind in ((folder.PREVIOUS, "previous CA"), (folder.NEXT, "next CA"), (folder.CA, "CA")):
        for one in _certificates(files.get(name), name)[0]:
            known[one] = kind
    entries = []
    for one in trusted:
        kind = known.get(one, "given CA")
        remedy = judge.RENEW_GIVEN if kind == "given CA" else judge.RENEW_CA
        entries.append(Entry(f"{kind} {pki.common_name(one)}", one, remedy, needed=kind in ("CA", "next CA")))
    return entries


def report(
    trusted: Iterable[Entry], hosts: Iterable[Entry], now: datetime, refuse_days: int
) -> tuple[list[judge.ExpiryRow], list[str]]:
    """Rows for all certificates, and problems of those that connections depend on."""
    trusted, hosts = list(trusted), list(hosts)
    anchors = [entry.certificate for entry in trusted]
    used = set()
    for entry in hosts:
        used.update(pki.path(entry.certificate, entry.between, anchors) or [])
    rows, problems = [], []
    for entry in (*trusted, *hosts):
        facts = pki.facts(entry.certificate)
        rows.append(judge.expiry_row(entry.what, facts, now))
        if entry.needed or entry.certificate in used:
            problem = judge.expiry_problem(f"The certificate of {entry.what}", facts, now, refuse_days, entry.remedy)
            problems += [problem] if problem else []
    for entry in hosts:
        for one in entry.between:
            problem = judge.expiry_problem(
                f"The intermediate CA {pki.common_name(one)} given with {entry.what}",
                pki.facts(one),
                now,
                refuse_days,
                entry.remedy,
            )
            problems += [problem] if problem and one in used and one not in anchors else []
    return rows, problems


def of_folder(
    files: Mapping[str, str], given: Mapping[str, str], where: str, now: datetime, refuse_days: int
) -> tuple[list[judge.ExpiryRow], list[str]]:
    """The same, from the folder's certificates and those `given` for hosts. What cannot be read is a problem too."""
    trusted, problems = _certificates(files.get(folder.TRUSTED), f"{where}/{folder.TRUSTED}")
    hosts = []
    prefix, suffix = f"{folder.HOSTS}/", ".crt"
    stored = {
        name[len(prefix) : -len(suffix)]: text
        for name, text in files.items()
        if name.startswith(prefix) and name.endswith(suffix)
    }
    for host in sorted({*stored, *given}):
        name = f"{where}/{folder.host_certificate(host)}" if host not in given else f"what is given for {host}"
        chain, unreadable = _certificates(given.get(host, stored.get(host)), name)
        problems += unreadable
        if chain:
            remedy = judge.RENEW_GIVEN if host in given else judge.RENEW_HOST
            hosts.append(Entry(f"host {host}", chain[0], remedy, between=chain[1:]))
    rows, aged = report(of_trusted(files, trusted), hosts, now, refuse_days)
    return rows, problems + aged


def _certificates(text: str | None, where: str) -> tuple[list[pki.Certificate], list[str]]:
    if text is None:
        return [], []
    try:
        return pki.load_certificates(text, where), []
    except CertificatesError as error:
        return [], [f"{error}. {judge.RENEW_HOST}"]
