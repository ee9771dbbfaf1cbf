"""A whole lab: what is there, what is missing, and the steps between the two.

`observe` looks, `plan` decides (pure), `Lab.apply` does. Check mode is the first two.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ansible_collections.pgtier.cluster.plugins.module_utils.lab import host as hosts
from ansible_collections.pgtier.cluster.plugins.module_utils.lab import image, wires
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.cgroup import Group, Tree, find_tree
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.command import LabError, run
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.host import Host
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.network import Network
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.recipe import Recipe

LOCKS = Path("/run/lock")


@dataclass(frozen=True)
class HostState:
    prepared: bool = False
    running: bool = False
    answers: bool = False
    frozen: bool = False
    attached: bool = False
    cut_off: bool = False
    cpu_percent: int | None = None

    @property
    def word(self) -> str:
        if not self.prepared:
            return "absent"
        if not self.running:
            return "stopped"
        if self.frozen:
            return "frozen"
        limited = f", limited to {self.cpu_percent} % of a core" if self.cpu_percent else ""
        return ("cut off" if self.cut_off else "running" if self.answers else "not answering") + limited


@dataclass(frozen=True)
class Observed:
    image: bool = False
    key: bool = False
    bridge: bool = False
    rules: bool = False
    forwarding: bool = False
    admitted: bool = False
    directory: bool = False
    hosts: dict[str, HostState] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One thing to do; `host` is empty for what concerns the lab as a whole."""

    verb: str
    host: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.host}".strip()


def plan_present(wanted: list[str], seen: Observed) -> list[Step]:
    """The steps that make every wanted host run, reachable and unhindered. Other hosts of the lab are left alone."""
    states = {name: seen.hosts.get(name, HostState()) for name in wanted}
    new = [name for name, state in states.items() if not state.prepared]
    steps = [
        Step(verb)
        for verb, done in (
            ("build image", seen.image or not new),
            ("make key", seen.key),
            ("make bridge", seen.bridge),
            ("write rules", seen.rules),
            ("switch forwarding on", seen.forwarding),
        )
        if not done
    ]
    if not seen.admitted or not seen.bridge:
        steps.append(Step("admit bridge"))
    for name, state in states.items():
        cut = state.cut_off and seen.rules
        if not state.prepared:
            # A leftover of a host whose directory is gone is killed before its name is used again.
            steps += ([Step("kill", name)] if state.running else []) + [Step("prepare", name), Step("start", name)]
        elif not state.running:
            steps += ([Step("heal", name)] if cut else []) + [Step("start", name)]
        else:
            steps += [Step("thaw", name)] if state.frozen else []
            steps += [Step("attach", name)] if not state.attached or not seen.bridge else []
            steps += [Step("heal", name)] if cut else []
            steps += [Step("unlimit", name)] if state.cpu_percent else []
            hindered = state.frozen or not state.attached or not seen.bridge or not seen.rules or state.cut_off
            # A host that is silent for no known reason, or that knows another key than the lab's, is started anew.
            if not seen.key or not (state.answers or hindered):
                steps += [Step("kill", name), Step("start", name)]
    return steps


def plan_absent(unwanted: list[str] | None, seen: Observed, groups: list[str]) -> list[Step]:
    """The steps that remove the hosts named, or the whole lab (None). `groups` are the hosts that have a group."""
    present = sorted({name for name, state in seen.hosts.items() if state.prepared} | set(groups))
    if unwanted is not None:
        return [Step("remove", name) for name in present if name in unwanted]
    steps = [Step("remove", name) for name in present]
    anything = seen.bridge or seen.rules or seen.directory
    return [*steps, Step("remove lab")] if steps or anything else []


def restored(seen: Observed, wanted: Iterable[str]) -> Observed:
    """The lab as it is once plan_present's steps are done. Pure."""
    up = HostState(prepared=True, running=True, answers=True, attached=True)
    return replace(seen, bridge=True, rules=True, hosts={**seen.hosts, **dict.fromkeys(wanted, up)})


def without(seen: Observed, removed: Collection[str]) -> Observed:
    return replace(seen, hosts={name: state for name, state in seen.hosts.items() if name not in removed})


class Lab:
    """The side effects, one method a verb of the plan."""

    def __init__(self, net: Network, state: Path, cache: Path, owner: int) -> None:
        self.net = net
        self.state = state
        self.cache = cache
        self.owner = owner
        self.tree: Tree = find_tree()
        self.recipe: Recipe | None = None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One run at a time on one lab. The lock is outside of the state, which comes and goes."""
        path = LOCKS / f"pgtier-lab-{self.net.tag}"
        while True:
            with path.open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                # Whoever held it may have removed the file meanwhile: then this is a lock on nothing.
                if not path.exists() or os.fstat(lock.fileno()).st_ino != path.stat().st_ino:
                    continue
                try:
                    yield
                finally:
                    path.unlink()
                return

    def known_hosts_of_lab(self) -> dict[str, int]:
        """The hosts that the lab has, finished or not, with their index (0 where it is not known)."""
        found: dict[str, int] = {}
        for path in sorted((self.state / "hosts").glob("*")):
            record = Host(path.name, 0, self.net, self.state).record
            found[path.name] = int(record.get("index", 0))
        return found

    def everything_left(self) -> list[str]:
        """Names of all that could be a host of this lab: finished, half made, or a group with nothing else."""
        return sorted({*self.known_hosts_of_lab(), *self.tree.hosts(self.net.tag)})

    def host(self, name: str, index: int | None = None) -> Host:
        number = index if index is not None else self.known_hosts_of_lab().get(name, 0)
        return Host(name, number, self.net, self.state)

    def group(self, name: str) -> Group:
        return self.tree.group(self.net.tag, name)

    def observe(self, extra: dict[str, int] | None = None) -> Observed:
        known = {**(extra or {}), **{name: index for name, index in self.known_hosts_of_lab().items() if index}}
        cut_ports = self._cut_ports()
        return Observed(
            image=self.recipe is not None and image.image_path(self.cache, self.recipe).is_dir(),
            key=(self.state / "ssh/id_ed25519.pub").is_file(),
            bridge=wires.bridge_present(self.net),
            rules=wires.rules_present(self.net),
            forwarding=wires.forwarding(),
            admitted=wires.admitted(self.net),
            directory=self.state.exists(),
            hosts={name: self._observe_host(self.host(name, index), cut_ports) for name, index in known.items()},
        )

    def observe_host(self, name: str) -> HostState:
        return self._observe_host(self.host(name), self._cut_ports())

    def _cut_ports(self) -> set[str]:
        return wires.isolated(self.net) | {port for pair in wires.cut_pairs(self.net) for port in pair}

    def _observe_host(self, host: Host, cut_ports: set[str]) -> HostState:
        group = self.group(host.name)
        running, frozen = group.populated, group.frozen
        return HostState(
            prepared=bool(host.record),
            running=running,
            frozen=running and frozen,
            answers=running and not frozen and host.answers(),
            attached=running and wires.attached(self.net, host.index),
            cut_off=self.net.port(host.index) in cut_ports,
            cpu_percent=group.cpu_percent if running else None,
        )

    def apply(self, steps: list[Step], wanted: dict[str, int], report: Callable[[str], None]) -> None:
        started: dict[Host, subprocess.Popen[bytes]] = {}
        for step in steps:
            report(str(step))
            if step.verb == "start":
                host = self.host(step.host, wanted.get(step.host))
                started[host] = self.start(host)
            elif step.verb == "prepare":
                self.prepare(self.host(step.host, wanted[step.host]))
            else:
                verb = getattr(self, "do_" + step.verb.replace(" ", "_"))
                verb(*([step.host] if step.host else []))
        # All start side by side, and are waited for once all are under way.
        for host, process in started.items():
            host.wait_ready(process)

    # The verbs.

    def do_build_image(self) -> None:
        image.build(self.cache, self._needed_recipe(), self.owner)

    def do_make_key(self) -> None:
        image.make_parents(self.state, self.owner)
        ssh = self.state / "ssh"
        (self.state / "hosts").mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (ssh, ssh / "cp"):
            path.mkdir(mode=0o700, exist_ok=True)
        key = ssh / "id_ed25519"
        key.unlink(missing_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {self.net.name}", "-f", str(key))
        for path in (ssh, ssh / "cp", key, Path(f"{key}.pub")):
            os.chown(path, self.owner, -1)

    def do_make_bridge(self) -> None:
        wires.make_bridge(self.net)

    def do_write_rules(self) -> None:
        wires.write_rules(self.net)

    def do_switch_forwarding_on(self) -> None:
        wires.switch_forwarding_on()

    def do_admit_bridge(self) -> None:
        wires.admit(self.net)

    def _needed_recipe(self) -> Recipe:
        """Only removing needs none; who plans to build or to prepare has set it."""
        if self.recipe is None:
            raise AssertionError(f"lab {self.net.name}: hosts are to be made, but of which image was not said")
        return self.recipe

    def prepare(self, host: Host) -> None:
        host.prepare(image.image_path(self.cache, self._needed_recipe()), hosts.nameservers(), self._public_key())
        self.write_shared_files()

    def start(self, host: Host) -> subprocess.Popen[bytes]:
        """A host starts with this machine's present name servers, on an image that is there, and in an empty group."""
        base = Path(host.record["image"])
        if not base.is_dir():
            raise LabError(f"host {host.name}: its base image {base} is gone; take the lab down and up again")
        self.group(host.name).kill()
        wires.unplug(self.net, host.index)
        host.write_files(hosts.nameservers(), self._public_key())
        self.write_shared_files()
        return host.start(self.group(host.name))

    def do_attach(self, name: str) -> None:
        wires.attach(self.net, self.host(name).index)

    def do_thaw(self, name: str) -> None:
        self.group(name).freeze(False)

    def do_unlimit(self, name: str) -> None:
        self.group(name).limit_cpu(None)

    def do_heal(self, name: str) -> None:
        port = self.net.port(self.host(name).index)
        wires.change_cuts(self.net, "isolated", "delete", wires.isolated(self.net) & {port})
        pairs = [f"{a} . {b}" for a, b in wires.cut_pairs(self.net) if port in (a, b)]
        wires.change_cuts(self.net, "cut", "delete", pairs)

    def do_kill(self, name: str) -> None:
        self.group(name).kill()
        self.forget_connections(name)

    def do_remove(self, name: str) -> None:
        self.do_kill(name)
        if self.host(name).index:
            wires.unplug(self.net, self.host(name).index)
            if wires.rules_present(self.net):
                self.do_heal(name)
        if self.host(name).directory.exists():
            shutil.rmtree(self.host(name).directory)
        if self.state.exists():
            self.write_shared_files()

    def do_remove_lab(self) -> None:
        wires.expel(self.net)
        wires.remove_rules(self.net)
        wires.remove_bridge(self.net)
        wires.restore_forwarding()
        self.tree.remove_empty(self.net.tag)
        if self.state.exists():
            shutil.rmtree(self.state)

    def forget_connections(self, name: str) -> None:
        """End ssh's shared connection to a host that is gone: it would keep new ones waiting until it times out."""
        control = self.state / "ssh/cp" / str(self.host(name).index)
        if control.exists():
            subprocess.run(
                ["ssh", "-o", f"ControlPath={control}", "-O", "exit", "lab"],
                capture_output=True,
                timeout=10,
                check=False,
            )
            control.unlink(missing_ok=True)

    def write_shared_files(self) -> None:
        """What all hosts and ssh know of the lab. Written in place: running hosts have /etc/hosts mounted from here."""
        known = {name: index for name, index in self.known_hosts_of_lab().items() if index}
        (self.state / "hosts.txt").write_text(hosts.hosts_file(self.net, known.items()))
        keys = [(name, index, self.host(name, index).host_key) for name, index in known.items()]
        path = self.state / "ssh/known_hosts"
        path.write_text(hosts.known_hosts_file(self.net, keys))
        os.chown(path, self.owner, -1)

    def _public_key(self) -> str:
        return (self.state / "ssh/id_ed25519.pub").read_text()
