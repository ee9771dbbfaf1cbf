# SPDX-License-Identifier: Apache-2.0
"""From the folder as it is and a request to the folder as it will be, and to what every host gets.

Reads no clock and touches no file: see `folder.read` and `folder.apply`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from ansible_collections.pgtier.cluster.plugins.module_utils.tls import authority, folder, judge, pki
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.authority import Authority
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.folder import Draft, Step
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.report import Entry, of_trusted, report
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.request import CertificatesError, Given, Host, Request


class HostResult(TypedDict):
    certificate: str
    private_key: str
    not_after: str


class Issued(TypedDict):
    host: str
    reason: str


class Result(TypedDict):
    """What the task returns. `hosts` holds private keys."""

    trusted: str
    hosts: dict[str, HostResult]
    issued: list[Issued]
    ca_made: bool
    stage: str
    problems: list[str]
    expiry: list[judge.ExpiryRow]


@dataclass(frozen=True)
class Outcome:
    result: Result
    steps: list[Step]


@dataclass(frozen=True)
class _Leaf:
    entry: Entry
    certificate: str
    private_key: str


def certify(files: Mapping[str, str], request: Request, where: str, now: datetime) -> Outcome:
    """Plan the run. `where` is the folder's path, for texts. Raises CertificatesError when nothing may be done."""
    now = now.replace(microsecond=0)
    draft = Draft(files)
    ca = authority.of_user(draft, request.given_ca) if request.given_ca else authority.own(draft, request, where, now)
    leaves = _given(request, ca)
    issued: list[Issued] = []
    unsigned: list[str] = []
    for name, host in sorted(request.hosts.items()):
        if name in request.given:
            continue
        leaf, reason = (None, "asked for") if name in request.renew else _stored(draft, host, ca, where)
        if leaf is None and ca.signer is None:
            unsigned.append(f"{name} ({reason})")
        elif leaf is None and ca.signer is not None:
            pair = pki.make_leaf(host, request.days, now, ca.signer)
            leaf = _Leaf(_entry(name, pair.certificate), pki.certificate_pem(pair.certificate), pki.key_pem(pair.key))
            # The key first: a certificate without its key is damaged, and made again by the next run.
            draft.put(folder.host_key(name), leaf.private_key)
            draft.put(folder.host_certificate(name), leaf.certificate)
            issued.append({"host": name, "reason": reason})
        if leaf is not None:
            leaves[name] = leaf
    if unsigned:
        raise CertificatesError(
            f"Certificates have to be signed for {', '.join(unsigned)}: add `given_ca.private_key`, or give these "
            "hosts certificates of their own in `given`."
        )
    return Outcome(_result(draft, request, ca, leaves, issued, now), draft.steps)


def _result(
    draft: Draft,
    request: Request,
    ca: Authority,
    leaves: Mapping[str, _Leaf],
    issued: list[Issued],
    now: datetime,
) -> Result:
    own = {} if ca.given else {name: draft.get(name) or "" for name in (folder.CA, folder.NEXT, folder.PREVIOUS)}
    trusted = of_trusted({name: text for name, text in own.items() if text}, ca.trusted)
    entries = [leaf.entry for _name, leaf in sorted(leaves.items())]
    expiry, problems = report(trusted, entries, now, request.refuse_days)
    return {
        "trusted": "".join(map(pki.certificate_pem, ca.trusted)),
        "hosts": {
            name: {
                "certificate": leaf.certificate,
                "private_key": leaf.private_key,
                "not_after": judge.expiry_row(name, pki.facts(leaf.entry.certificate), now)["not_after"],
            }
            for name, leaf in sorted(leaves.items())
        },
        "issued": issued,
        "ca_made": ca.made,
        "stage": ca.stage,
        "problems": problems,
        "expiry": expiry,
    }


def _entry(host: str, certificate: pki.Certificate) -> Entry:
    return Entry(f"host {host}", certificate, judge.RENEW_HOST)


def _stored(draft: Draft, host: Host, ca: Authority, where: str) -> tuple[_Leaf | None, str]:
    """The host's stored certificate if it still is what is wanted, else why it has to be issued."""
    name = folder.host_certificate(host.name)
    text, key_text = draft.get(name), draft.get(folder.host_key(host.name))
    if text is None or key_text is None:
        missing = "it has none" if text is None and key_text is None else "its key or certificate was missing"
        return None, missing
    try:
        certificate = pki.load_certificates(text, f"{where}/{name}")[0]
        key = pki.load_key(key_text, f"{where}/{folder.host_key(host.name)}")
    except CertificatesError:
        return None, "its key or certificate was damaged"
    if not pki.matches(key, certificate):
        return None, "its key did not belong to its certificate"
    if not ca.signed(certificate):
        return None, "it is signed by another CA"
    reason = judge.why_reissue(host, pki.facts(certificate))
    return (None, reason) if reason else (_Leaf(_entry(host.name, certificate), text, key_text), "")


def _given(request: Request, ca: Authority) -> dict[str, _Leaf]:
    leaves, mistakes = {}, []
    for name, given in sorted(request.given.items()):
        try:
            leaves[name] = _checked(request.hosts[name], given, ca)
        except CertificatesError as error:
            mistakes.append(str(error))
    if mistakes:
        raise CertificatesError("; ".join(mistakes) + ".")
    return leaves


def _checked(host: Host, given: Given, ca: Authority) -> _Leaf:
    """What the user gave for a host. Its age is reported with that of all others."""
    what, private_key = f"the certificate given for {host.name}", given.private_key or ""
    mistakes: list[str] = []
    chain, key = [], None
    try:
        chain = pki.load_certificates(given.certificate, what)
    except CertificatesError as error:
        mistakes.append(str(error))
    try:
        key = pki.load_key(private_key, f"the private key given for {host.name}")
    except CertificatesError as error:
        mistakes.append(str(error))
    if chain:
        if key and not pki.matches(key, chain[0]):
            mistakes.append(f"the private key given for {host.name} is not that of its certificate: give its own")
        if pki.path(chain[0], chain[1:], ca.trusted) is None:
            mistakes.append(
                f"{what} is not signed, by whatever intermediate CAs come with it, by a root in "
                "`given_ca.certificate`: add what is missing, or give a certificate that one of those signed"
            )
        short = judge.shortcomings(host, pki.facts(chain[0]))
        if short:
            mistakes.append(f"{what} does not serve: {', '.join(short)}. Have it issued with all of that")
    if mistakes:
        raise CertificatesError("; ".join(mistakes))
    entry = Entry(f"host {host.name}", chain[0], judge.RENEW_GIVEN, between=chain[1:])
    return _Leaf(entry, "".join(map(pki.certificate_pem, chain)), private_key.rstrip("\n") + "\n")
