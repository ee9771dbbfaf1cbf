"""Faults on a scenario's tier: pgtier's own, over ssh, and those that take a lab, such as a host without power."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import load
from ansible_collections.pgtier.cluster.plugins.module_utils.drill import checker, faults, report
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.faults import Fault
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.ledger import Ledger
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.logins import SETTINGS
from ansible_collections.pgtier.cluster.plugins.module_utils.lab import faults as lab_faults
from ansible_collections.pgtier.cluster.plugins.module_utils.lab import lifecycle, network
from tier import Tier, wait_until

WHOLE_AGAIN_WITHIN_SECONDS = 120
SERVICES_AGAIN_WITHIN_SECONDS = 20
# The tier's own services that are to run on a host, and each one's state.
SERVICES = (
    "systemctl is-active $(systemctl list-dependencies --plain --no-pager multi-user.target "
    "| grep -oE '(etcd|patroni|haproxy|pgbouncer@|pgtier-)[^ ]*[.]service') || true"
)
ETCD_STATUS = (
    "etcdctl --endpoints={} --cacert=/etc/etcd/tls/ca.crt --cert=/etc/etcd/tls/host.crt --key=/etc/etcd/tls/host.key "
    "endpoint status --write-out=json"
)


def journal(tier: Tier, unit: str, since: float, names: Iterable[str] = ()) -> str:
    """What a unit has said since then on these members, all of them by default."""
    lines = []
    for name in names or tier.groups["postgres"]:
        output = tier.host(name).check_output(f"journalctl -u {unit} -o short-precise --since @{since:.3f}")
        lines += [f"{name}: {line}" for line in output.splitlines()]
    return "\n".join(lines)


@dataclass(frozen=True)
class LabFault:
    """A state that the lab puts hosts into, and the one that ends it. The rest is as with Fault."""

    name: str
    target: str
    does: str
    begun_by: str
    ended_by: str
    bound: float
    lasts: float = 0.0
    blocks: bool = False
    # Only the traffic with the other members, not all of it.
    alone: bool = False


# A host that is lost costs the leader's term, 20 s, and what it takes to notice and to promote.
HOST_LOST = 38
LAB_FAULTS = {
    fault.name: fault
    for fault in (
        LabFault("power_leader", "leader", "the primary's host loses its power", "killed", "started", HOST_LOST, 35),
        LabFault(
            "reboot_leader", "leader", "the primary's host is shut down and comes back", "stopped", "started", 30, 5
        ),
        LabFault("lose_leader", "leader", "the primary's host loses its network", "cut_off", "healed", HOST_LOST, 40),
        LabFault(
            "part_leader",
            "leader",
            "the primary is parted from the other members; the proxies see all",
            "cut_off",
            "healed",
            HOST_LOST,
            40,
            alone=True,
        ),
        LabFault(
            "hang_leader", "leader", "the primary's host hangs, and wakes up deposed", "frozen", "thawed", HOST_LOST, 40
        ),
        LabFault("hang_leader_briefly", "leader", "the same, for less than its term", "frozen", "thawed", 20, 6),
        LabFault(
            "power_etcd_leader", "etcd_leader", "the host of etcd's leader goes", "killed", "started", HOST_LOST, 30
        ),
        LabFault("power_replica", "replica", "a replica's host loses its power", "killed", "started", 10, 10),
        LabFault("lose_replica", "replica", "a replica's host loses its network", "cut_off", "healed", 10, 20),
        LabFault(
            "power_replicas",
            "replicas",
            "all replicas' hosts, and with them etcd's quorum, lose their power",
            "killed",
            "started",
            45,
            30,
            blocks=True,
        ),
        LabFault("power_proxy", "proxy", "a proxy's host loses its power", "killed", "started", 10, 15),
        LabFault("lose_proxy", "proxy", "a proxy's host loses its network", "cut_off", "healed", 10, 15),
        LabFault("hang_proxy", "proxy", "a proxy's host hangs", "frozen", "thawed", 10, 15),
        LabFault("power_all", "all", "every host loses its power", "killed", "started", 60, 3, blocks=True),
    )
}
FAULTS: dict[str, Fault | LabFault] = {**faults.FAULTS, **LAB_FAULTS}


@dataclass(frozen=True)
class Trial:
    """What came of a fault: the ledger, when it struck, and the longest time without an acknowledged write."""

    ledger: Ledger
    targets: list[str]
    struck: float
    healed: float
    end: float

    @property
    def recovery(self) -> float:
        return report.longest_gap((write.end for write in self.ledger.writes), self.struck, self.end)

    @property
    def recovery_after_healing(self) -> float:
        return report.longest_gap(
            (write.end for write in self.ledger.writes if write.end > self.healed), self.healed, self.end
        )

    def __str__(self) -> str:
        kinds = report.kinds(failure for failure in self.ledger.failures if failure.moment >= self.struck)
        lines = [f"{', '.join(self.targets)}: longest time without a write {self.recovery:.2f} s, {self.ledger}"]
        lines += [f"  {number} x {kind}" for kind, number in kinds.items()]
        lines += [
            f"  {reign}, to {reign.last - self.struck:.2f}, from {reign.earliest_end - self.struck:.2f} s"
            for reign in checker.reigns(self.ledger.writes)
        ]
        return "\n".join(lines)


class Saboteur:
    def __init__(self, tier: Tier) -> None:
        self.tier = tier

    @cached_property
    def lab(self) -> lifecycle.Lab:
        name = self.tier.groups["postgres"][0]
        directory = "(lab_name | pgtier.cluster.lab_network).state_directory"
        wanted = "msg={{ [lab_name, lab_subnet | default('', true), " + directory + "] }}"
        output = self.tier._ansible("ansible", name, "-m", "ansible.builtin.debug", "-a", wanted)
        found = re.search(r"SUCCESS => (\{.*\})", output, re.DOTALL)
        assert found, output
        lab_name, subnet, state = json.loads(found[1])["msg"]
        return lifecycle.Lab(network.network(lab_name, subnet or None), Path(state), Path("/nonexistent"), 0)

    @cached_property
    def values(self) -> dict[str, str]:
        """What the scripts of faults leave open; the scenario has the defaults."""
        return {
            "postgresql_port": "5432",
            "patroni_restapi_port": "8008",
            "etcd_client_port": "2379",
            "etcd_peer_port": "2380",
        }

    def targets(self, target: str) -> list[str]:
        groups = self.tier.groups
        if target == "all":
            return sorted({name for names in groups.values() for name in names})
        if target.startswith("prox"):
            return groups["proxy"][:1] if target == "proxy" else groups["proxy"]
        if target.startswith("etcd"):
            leader = self.etcd_leader()
            followers = [name for name in groups["etcd"] if name != leader]
            return {"etcd_leader": [leader], "etcd_follower": followers[:1], "etcd_majority": [leader, *followers[1:]]}[
                target
            ]
        if target == "leader":
            return [self.tier.leader()]
        replicas = self.tier.replicas()
        return replicas[:1] if target == "replica" else replicas

    def etcd_leader(self) -> str:
        by_address = {f"https://{self.tier.address(name)}:2379": name for name in self.tier.groups["etcd"]}
        asked = self.tier.groups["etcd"][0]
        answer = json.loads(self.tier.feed(asked, ETCD_STATUS.format(",".join(by_address)), ""))
        for row in answer:
            if row["Status"]["header"]["member_id"] == row["Status"]["leader"]:
                return by_address[row["Endpoint"]]
        raise AssertionError(f"etcd has no leader: {answer}")

    def services_run(self) -> bool:
        """Whether everything that is to run on a host does, on all of them."""
        for name in self.targets("all"):
            states = self.tier.feed(name, SERVICES, "").split()
            assert states and set(states) == {"active"}, f"{name}: {states}"
        return True

    @contextmanager
    def struck(self, fault: Fault | LabFault, targets: list[str]) -> Iterator[None]:
        """The fault lasts as long as this, and is healed whatever happens."""
        try:
            for name in targets:
                self._change(fault, name, begin=True)
            yield
        finally:
            if fault.lasts:
                for name in targets:
                    self._change(fault, name, begin=False)

    def _change(self, fault: Fault | LabFault, name: str, begin: bool) -> None:
        if isinstance(fault, Fault):
            script = faults.strike_script(fault, self.values) if begin else faults.heal_script(fault)
            self.tier.feed(name, "sh -s", script)
            return
        others = [other for other in self.tier.groups["postgres"] if other != name] if fault.alone else None
        with self.lab.locked():
            lab_faults.inject(self.lab, name, fault.begun_by if begin else fault.ended_by, others)

    def attempt(self, fault: Fault | LabFault, **options: Any) -> Trial:
        """Strike under load, and heal after the fault's time."""
        targets = self.targets(fault.target)
        return self.trial(self.struck(fault, targets), fault.lasts, targets, **options)

    def trial(
        self,
        strike: AbstractContextManager[None],
        lasts: float,
        targets: list[str],
        before: float = 2.0,
        after: float = 2.0,
        whole: Callable[[], bool] | None = None,
        **options: float,
    ) -> Trial:
        """Whatever is broken, for so long, under load; then until all is whole, with every member's rows the same."""
        with load.running(self.tier, settings=SETTINGS, patience=30.0, **options) as under_load:
            time.sleep(before)
            struck = time.monotonic()
            with strike:
                time.sleep(lasts)
            healed = time.monotonic()
            wait_until("every member is there and streams", WHOLE_AGAIN_WITHIN_SECONDS, whole or self.tier.whole)
            wait_until("every service runs", SERVICES_AGAIN_WITHIN_SECONDS, self.services_run)
            whole_at = time.monotonic()
            time.sleep(after)
            under_load.stop()
            load.same_rows(self.tier, under_load.schema)
        return Trial(under_load.report, targets, struck, healed, whole_at)
