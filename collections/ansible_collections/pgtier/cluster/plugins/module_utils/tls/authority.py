# SPDX-License-Identifier: Apache-2.0
"""The CA that signs, and its replacement with an overlap in which the old and the new one are both trusted.

    none ──begin──► begun ──switch──► switched ──finish──► none

    stage      signs   trusted          what is there
    none       ca      ca               ca.key ca.crt
    begun      ca      ca + next        next.key next.crt
    switched   ca      ca + previous    previous.crt; ca.* are what next.* was

A leaf is trusted at each stage by whoever has the trust of that stage or the one before or after it, so hosts may be
brought from stage to stage one after the other. The stage is read off the files alone. Each change of it is one file
replaced or removed; what has to follow is done by the next run, whatever that was asked for, and a run that was
interrupted before is as if it had not begun.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.pgtier.cluster.plugins.module_utils.tls import folder, pki
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.folder import Draft
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.request import CertificatesError, Given, Request


@dataclass(frozen=True)
class Authority:
    """Who signs and who is trusted. `signer` is None when the user gave a CA without its private key."""

    signer: pki.Pair | None
    trusted: Sequence[pki.Certificate]
    stage: str
    made: bool
    given: bool

    def signed(self, certificate: pki.Certificate) -> bool:
        """Whether the certificate is the current CA's: of any trusted one, where none is there to sign anew."""
        issuers = [self.signer.certificate] if self.signer else self.trusted
        return any(pki.issued_by(certificate, issuer) for issuer in issuers)


def stage(draft: Draft) -> str:
    if draft.get(folder.NEXT) not in (None, draft.get(folder.CA)):
        return "begun"
    return "none" if draft.get(folder.PREVIOUS) is None else "switched"


def complete_switch(draft: Draft) -> None:
    """Go on with a switch that was interrupted after ca.crt was replaced, which is what decides it."""
    if draft.get(folder.NEXT) is None or draft.get(folder.NEXT) != draft.get(folder.CA):
        return
    if (key := draft.get(folder.NEXT_KEY)) is not None:
        draft.put(folder.CA_KEY, key)
        draft.remove(folder.NEXT_KEY)
    draft.remove(folder.NEXT)


def own(draft: Draft, request: Request, where: str, now: datetime) -> Authority:
    """The CA kept in the folder, made if none ever was, and brought to the stage that is asked for."""
    complete_switch(draft)
    made = _make_first(draft, request, where, now)
    if request.ca_rotation == "begin" and stage(draft) == "none":
        pair = pki.make_authority(request.scope, request.ca_days, now)
        draft.put(folder.NEXT_KEY, pki.key_pem(pair.key))
        draft.put(folder.NEXT, pki.certificate_pem(pair.certificate))
    elif request.ca_rotation == "switch":
        _switch(draft, where)
    signer = _pair(draft, folder.CA, folder.CA_KEY, where)
    if request.ca_rotation == "finish":
        _finish(draft, request, signer.certificate, where)
    trusted = [signer.certificate]
    for name in (folder.NEXT, folder.PREVIOUS):
        try:
            text = draft.get(name)
            trusted += pki.load_certificates(text, f"{where}/{name}") if text is not None else []
        except CertificatesError as error:
            raise CertificatesError(f"{error}. Hosts may trust that CA: restore the file from a backup.") from error
    # A switch that has begun and is not decided has the same certificate twice.
    trusted = list(dict.fromkeys(trusted))
    draft.put(folder.TRUSTED, "".join(map(pki.certificate_pem, trusted)))
    return Authority(signer, trusted, stage(draft), made, given=False)


def _make_first(draft: Draft, request: Request, where: str, now: datetime) -> bool:
    """A CA is made when none was ever at work here, and never in the place of one that was lost."""
    missing = [name for name in (folder.CA_KEY, folder.CA) if draft.get(name) is None]
    if not missing:
        return False
    # A key alone is a run that was interrupted before anything was signed with it.
    if draft.holds_certificates() or folder.CA not in missing:
        raise CertificatesError(
            f"{' and '.join(f'{where}/{name}' for name in missing)} of the CA are gone, and hosts may trust that CA. "
            f"Restore from a backup what is missing. If no host is in use, remove {where}, and a new CA is made."
        )
    if request.ca_rotation != "none":
        raise CertificatesError(f"{where} holds no CA to replace yet. Run site.yml first.")
    pair = pki.make_authority(request.scope, request.ca_days, now)
    draft.put(folder.CA_KEY, pki.key_pem(pair.key))
    draft.put(folder.CA, pki.certificate_pem(pair.certificate))
    return True


def _pair(draft: Draft, certificate: str, key: str, where: str) -> pki.Pair:
    damaged = f"Restore both from a backup: {where}/{certificate} and {where}/{key}."
    try:
        pair = pki.Pair(
            pki.load_certificates(draft.get(certificate) or "", f"{where}/{certificate}")[0],
            pki.load_key(draft.get(key) or "", f"{where}/{key}"),
        )
    except CertificatesError as error:
        raise CertificatesError(f"{error}. {damaged}") from error
    if not pki.matches(pair.key, pair.certificate):
        raise CertificatesError(f"{where}/{key} is not the key of {where}/{certificate}. {damaged}")
    return pair


def _switch(draft: Draft, where: str) -> None:
    if stage(draft) == "none":
        raise CertificatesError(
            f"There is no next CA in {where} to switch to. Run the rotation's `begin` first and bring the hosts to "
            "trust both."
        )
    if stage(draft) == "begun":
        pair = _pair(draft, folder.NEXT, folder.NEXT_KEY, where)
        draft.put(folder.PREVIOUS, draft.get(folder.CA) or "")
        draft.put(folder.CA, pki.certificate_pem(pair.certificate))
        complete_switch(draft)


def _finish(draft: Draft, request: Request, current: pki.Certificate, where: str) -> None:
    """Without a rotation under way there is nothing to finish: it may have been finished by an earlier run."""
    if stage(draft) == "begun":
        raise CertificatesError(
            f"The new CA in {where} has not signed anything yet, so the old one cannot go. Run the rotation's `switch` "
            "first and bring every host its new certificate."
        )
    waiting = []
    for host in sorted(request.hosts):
        text = draft.get(folder.host_certificate(host))
        if stage(draft) == "switched" and text is not None:
            try:
                signed = pki.issued_by(pki.load_certificates(text, host)[0], current)
            except CertificatesError:
                signed = False  # damaged: it is issued anew in this run, and the host still has another
            waiting += [] if signed else [host]
    if waiting:
        raise CertificatesError(
            f"The old CA cannot go while {', '.join(waiting)} may use certificates signed by it. Run the rotation's "
            "`switch` again and bring these hosts their new certificates."
        )
    draft.remove(folder.PREVIOUS)


def of_user(draft: Draft, given: Given) -> Authority:
    """The CA that the user gave. Its key is not stored; its certificates are, for clients to trust."""
    mistakes: list[str] = []
    trusted: list[pki.Certificate] = []
    signer = None
    try:
        trusted = list(dict.fromkeys(pki.load_certificates(given.certificate, "`given_ca.certificate`")))
        mistakes += [
            f"`{pki.common_name(one)}` in `given_ca.certificate` may not sign certificates (basicConstraints, "
            "keyUsage): give CA certificates there and those of hosts in `given`"
            for one in trusted
            if not pki.is_authority(one)
        ]
    except CertificatesError as error:
        mistakes.append(f"{error}: give the text of the file that begins with -----BEGIN CERTIFICATE-----")
    try:
        key = pki.load_key(given.private_key, "`given_ca.private_key`") if given.private_key is not None else None
        mine = [one for one in trusted if key and pki.matches(key, one)]
        if key and trusted and not mine:
            mistakes.append("`given_ca.private_key` belongs to no certificate in `given_ca.certificate`: give its own")
        if key and mine:
            # One key in several certificates: the renewed one lasts longest.
            signer = pki.Pair(max(mine, key=lambda one: one.not_valid_after_utc), key)
            if pki.path(signer.certificate, [], trusted) is None:
                mistakes.append(
                    f"`{pki.common_name(signer.certificate)}` is an intermediate CA, and `given_ca.certificate` "
                    "lacks the root that signed it, without which clients do not verify it: add that certificate"
                )
    except CertificatesError as error:
        mistakes.append(str(error))
    if mistakes:
        raise CertificatesError("; ".join(mistakes) + ".")
    draft.put(folder.TRUSTED, "".join(map(pki.certificate_pem, trusted)))
    return Authority(signer, trusted, "none", made=False, given=True)
