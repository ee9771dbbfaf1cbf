"""The lab's bridge, its way out of this machine, and the rules that cut hosts off from each other."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import ipaddress
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.lab.command import LabError, run, run_json, succeeds
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.network import BRIDGE_PREFIX, Network

IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
FORWARD_MARK = Path("/run/pgtier-ip-forward-was-off")
"""Present while forwarding is on because of a lab: the last lab to go switches it off again."""


def rules(net: Network) -> str:
    """The lab's nftables tables. The sets begin empty: `isolated` holds ports cut off from everything, `cut` pairs."""
    return f"""\
table ip {net.table} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {net.subnet} ip daddr != {net.subnet} oifname != "{net.bridge}" masquerade
  }}
}}
table bridge {net.table} {{
  set isolated {{ type ifname; }}
  set cut {{ type ifname . ifname; }}
  chain input {{
    type filter hook input priority filter; policy accept;
    iifname @isolated drop
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    iifname @isolated drop
    oifname @isolated drop
    iifname . oifname @cut drop
  }}
  chain output {{
    type filter hook output priority filter; policy accept;
    oifname @isolated drop
  }}
}}
"""


def rules_key(net: Network) -> str:
    """Kept as the table's comment, so that a table of an older version of this file is known and replaced."""
    return hashlib.sha256(rules(net).encode()).hexdigest()[:12]


def rules_present(net: Network) -> bool:
    wanted = f'comment "{rules_key(net)}"'
    listed = run("nft", "list", "tables")
    return all(
        f"table {family} {net.table}\n" in listed and wanted in run("nft", "list", "table", family, net.table)
        for family in ("ip", "bridge")
    )


def write_rules(net: Network) -> None:
    """Both tables, replaced as one transaction."""
    commented = rules(net).replace(f"{net.table} {{\n", f'{net.table} {{\n  comment "{rules_key(net)}"\n', 2)
    emptied = "".join(f"table {f} {net.table}\ndelete table {f} {net.table}\n" for f in ("ip", "bridge"))
    run("nft", "-f", "-", stdin=emptied + commented)


def remove_rules(net: Network) -> None:
    for family in ("ip", "bridge"):
        if succeeds("nft", "list", "table", family, net.table):
            run("nft", "delete", "table", family, net.table)


def bridge_present(net: Network) -> bool:
    if not Path(f"/sys/class/net/{net.bridge}").exists():
        return False
    shown = run_json("ip", "-json", "address", "show", "dev", net.bridge)
    return "UP" in shown[0]["flags"] and any(info["local"] == net.gateway for info in shown[0]["addr_info"])


def make_bridge(net: Network) -> None:
    if not Path(f"/sys/class/net/{net.bridge}").exists():
        run("ip", "link", "add", net.bridge, "address", net.bridge_mac, "type", "bridge")
    run("ip", "address", "replace", f"{net.gateway}/{net.subnet.prefixlen}", "dev", net.bridge)
    run("ip", "link", "set", net.bridge, "up")


def remove_bridge(net: Network) -> None:
    if Path(f"/sys/class/net/{net.bridge}").exists():
        run("ip", "link", "delete", net.bridge)


def attached(net: Network, index: int) -> bool:
    return Path(f"/sys/class/net/{net.port(index)}/master").resolve().name == net.bridge


def attach(net: Network, index: int) -> None:
    run("ip", "link", "set", net.port(index), "master", net.bridge, "up")


def unplug(net: Network, index: int) -> None:
    """Remove a dead host's wire. The kernel does so by itself, but only some time after the last process has ended."""
    wire = Path(f"/sys/class/net/{net.port(index)}")
    # It may go by itself between the two looks.
    if wire.exists() and not succeeds("ip", "link", "delete", wire.name) and wire.exists():
        raise LabError(f"the interface {wire.name} of a dead host cannot be removed; try again")


def forwarding() -> bool:
    return IP_FORWARD.read_text().strip() == "1"


def switch_forwarding_on() -> None:
    FORWARD_MARK.touch()
    IP_FORWARD.write_text("1")


def restore_forwarding() -> None:
    """Switch forwarding off again if it was off before the first lab came and no lab is left."""
    others = [path for path in Path("/sys/class/net").iterdir() if path.name.startswith(BRIDGE_PREFIX)]
    if FORWARD_MARK.exists() and not others:
        IP_FORWARD.write_text("0")
        FORWARD_MARK.unlink()


def _accepting_chains() -> list[str]:
    """The iptables chains in which this machine's own firewall (Docker, ufw) would drop what the hosts send out."""
    if not shutil.which("iptables"):
        return []
    if succeeds("iptables", "-w", "-n", "-L", "DOCKER-USER"):
        return ["DOCKER-USER"]
    return ["FORWARD"] if "-P FORWARD DROP" in run("iptables", "-w", "-S", "FORWARD") else []


def admitted(net: Network) -> bool:
    """Whether other firewalls let the bridge through. An accept in a table of ours cannot override their drop."""
    return all(
        succeeds("iptables", "-w", "-C", chain, *match, "-j", "ACCEPT")
        for chain in _accepting_chains()
        for match in (("-i", net.bridge), ("-o", net.bridge))
    ) and (not _firewalld() or succeeds("firewall-cmd", "--quiet", "--zone=trusted", f"--query-interface={net.bridge}"))


def admit(net: Network) -> None:
    for chain in _accepting_chains():
        for match in (("-i", net.bridge), ("-o", net.bridge)):
            if not succeeds("iptables", "-w", "-C", chain, *match, "-j", "ACCEPT"):
                run("iptables", "-w", "-I", chain, *match, "-j", "ACCEPT")
    if _firewalld():
        run("firewall-cmd", "--quiet", "--zone=trusted", f"--change-interface={net.bridge}")


def expel(net: Network) -> None:
    for chain in _accepting_chains():
        for match in (("-i", net.bridge), ("-o", net.bridge)):
            if succeeds("iptables", "-w", "-C", chain, *match, "-j", "ACCEPT"):
                run("iptables", "-w", "-D", chain, *match, "-j", "ACCEPT")
    if _firewalld() and succeeds("firewall-cmd", "--quiet", "--zone=trusted", f"--query-interface={net.bridge}"):
        run("firewall-cmd", "--quiet", "--zone=trusted", f"--remove-interface={net.bridge}")


def _firewalld() -> bool:
    return bool(shutil.which("firewall-cmd")) and succeeds("firewall-cmd", "--quiet", "--state")


def subnet_conflicts(net: Network, routes: Iterable[dict[str, Any]]) -> list[str]:
    """Routes of this machine (`ip -json route show table all`) that overlap with the subnet, apart from the lab's."""
    taken: dict[str, ipaddress.IPv4Network] = {}
    for route in routes:
        device = route.get("dev", "?")
        if device == net.bridge or route.get("dst") in (None, "default"):
            continue
        try:
            found = ipaddress.IPv4Network(route["dst"], strict=False)
        except ValueError:
            continue
        # An interface brings several routes into its network; the widest tells most.
        wider = device not in taken or found.prefixlen < taken[device].prefixlen
        if found.prefixlen and found.overlaps(net.subnet) and wider:
            taken[device] = found
    return [
        f"subnet {net.subnet} of lab {net.name!r} overlaps with {found} on {device}; "
        "give the lab another one in lab_subnet, a free /24 such as 10.77.5.0/24"
        for device, found in sorted(taken.items())
    ]


# Cutting hosts off: what is cut is exactly what the two sets hold.


def isolated(net: Network) -> set[str]:
    return {str(element) for element in _elements(net, "isolated")}


def cut_pairs(net: Network) -> set[tuple[str, str]]:
    return {(str(one["concat"][0]), str(one["concat"][1])) for one in _elements(net, "cut")}


def change_cuts(net: Network, set_name: str, operation: str, elements: Iterable[str]) -> None:
    listed = ", ".join(sorted(elements))
    if listed:
        run("nft", "-f", "-", stdin=f"{operation} element bridge {net.table} {set_name} {{ {listed} }}\n")


def _elements(net: Network, set_name: str) -> list[Any]:
    try:
        listed = json.loads(run("nft", "--json", "list", "set", "bridge", net.table, set_name))
    except LabError:
        return []
    sets = [entry["set"] for entry in listed["nftables"] if "set" in entry]
    return list(sets[0].get("elem", [])) if sets else []
