"""Breaking a lab's hosts on purpose, and mending them.

A fault is a state that a host is put into, so that asking twice for it changes nothing. `plan` says what is to be done
(pure), `inject` does it.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.pgtier.cluster.plugins.module_utils.lab import wires
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.command import LabError
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.lifecycle import HostState, Lab

FAULTS = ("stopped", "killed", "started", "frozen", "thawed", "cut_off", "healed", "slowed", "unslowed")


@dataclass(frozen=True)
class Cuts:
    """What the two sets of the lab's rules hold: ports cut off from everything, and ordered pairs."""

    isolated: frozenset[str] = field(default_factory=frozenset)
    pairs: frozenset[tuple[str, str]] = field(default_factory=frozenset)


def cut(now: Cuts, port: str, others: list[str] | None) -> Cuts:
    """Cut a port off from the others, both ways; None is everything, this machine included. Pure."""
    if others is None:
        return Cuts(now.isolated | {port}, now.pairs)
    both = {pair for other in others if other != port for pair in ((port, other), (other, port))}
    return Cuts(now.isolated, now.pairs | both)


def heal(now: Cuts, port: str, others: list[str] | None) -> Cuts:
    """The reverse of cut. With None, nothing is left that concerns the port. Pure."""
    if others is None:
        return Cuts(now.isolated - {port}, frozenset(pair for pair in now.pairs if port not in pair))
    both = {pair for other in others for pair in ((port, other), (other, port))}
    return Cuts(now.isolated, now.pairs - both)


def needed(fault: str, state: HostState, cpu_percent: int | None) -> bool:
    """Whether a host in this state has to be changed for a fault other than a cut; LabError if it cannot be. Pure."""
    if fault in ("stopped", "killed"):
        return state.running
    if fault == "started":
        return not state.running
    if not state.running:
        raise LabError(f"the host does not run, so it cannot be {fault}; start it first")
    if fault in ("frozen", "thawed"):
        return state.frozen != (fault == "frozen")
    return state.cpu_percent != (cpu_percent if fault == "slowed" else None)


def inject(
    lab: Lab,
    name: str,
    fault: str,
    others: list[str] | None = None,
    cpu_percent: int | None = None,
    check: bool = False,
) -> bool:
    """Put the host into the state; returns whether that was, or in check mode would be, a change."""
    known = lab.known_hosts_of_lab()
    missing = [one for one in (name, *(others or [])) if not known.get(one)]
    if missing:
        raise LabError(f"lab {lab.net.name!r} has no host {', '.join(missing)}; it has {', '.join(known) or 'none'}")
    if fault in ("cut_off", "healed"):
        return _change_cuts(lab, lab.net.port(known[name]), fault, _ports(lab, known, others), check)
    seen = lab.observe_host(name)
    if not needed(fault, seen, cpu_percent):
        return False
    if not check:
        _apply(lab, name, fault, seen, cpu_percent)
    return True


def _apply(lab: Lab, name: str, fault: str, seen: HostState, cpu_percent: int | None) -> None:
    host, group = lab.host(name), lab.group(name)
    if fault == "killed":
        lab.do_kill(name)
    elif fault == "stopped":
        if seen.frozen:
            # It could not hear the request.
            group.freeze(False)
        host.stop(group)
        lab.forget_connections(name)
    elif fault == "started":
        process = lab.start(host)
        if not seen.cut_off:
            host.wait_ready(process)
    elif fault in ("frozen", "thawed"):
        group.freeze(fault == "frozen")
    else:
        group.limit_cpu(cpu_percent if fault == "slowed" else None)


def _ports(lab: Lab, known: dict[str, int], others: list[str] | None) -> list[str] | None:
    return None if others is None else [lab.net.port(known[other]) for other in others]


def _change_cuts(lab: Lab, port: str, fault: str, others: list[str] | None, check: bool) -> bool:
    now = Cuts(frozenset(wires.isolated(lab.net)), frozenset(wires.cut_pairs(lab.net)))
    then = cut(now, port, others) if fault == "cut_off" else heal(now, port, others)
    if then == now:
        return False
    if not check:
        if not wires.rules_present(lab.net):
            raise LabError(f"the rules of lab {lab.net.name!r} are gone; bring the lab up again, which repairs them")
        for operation, before, after in (("add", now, then), ("delete", then, now)):
            wires.change_cuts(lab.net, "isolated", operation, after.isolated - before.isolated)
            wires.change_cuts(lab.net, "cut", operation, (f"{a} . {b}" for a, b in after.pairs - before.pairs))
    return True
