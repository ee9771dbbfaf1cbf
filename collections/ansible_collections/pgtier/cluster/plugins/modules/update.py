#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Bring the tier's packages on a host to their newest version, and its services with them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: update
short_description: Update the tier's packages and services on one host
version_added: 0.1.0
description:
  - Brings installed packages to the newest version that apt offers, which for Debian is a minor one, while their
    services go on as they are. Then the services follow, those whose packages have changed.
  - etcd and Patroni (with PostgreSQL) are restarted. HAProxy reloads, by which its old process ends when its last
    session does. A process of PgBouncer is replaced by another one that takes new clients, and ends when its own have
    left. A proxy gives up the virtual address first, if another one is fit to have it; afterwards it stays where it
    is.
  - It looks at this host only. That the rest of the cluster is well and that nobody reads from this member is the
    caller's affair; a member that leads is refused.
  - A run that was interrupted is finished by the next.
options:
  packages:
    description: Debian packages. Those that are not installed are left alone.
    type: list
    elements: str
    required: true
  components:
    description: Services of the tier on this host.
    type: list
    elements: str
    choices: [etcd, keepalived, haproxy, pgbouncer, patroni]
    required: true
  reinstall:
    description: Whether packages that are up to date are installed again, and their services restarted.
    type: bool
    default: false
  etcd_ready:
    description: Command that succeeds once etcd serves.
    type: list
    elements: str
    default: []
  haproxy_socket:
    description: HAProxy's Unix socket.
    type: path
    default: /run/haproxy/admin.sock
  virtual_address:
    description: The address that moves between the proxies, if there is one and this host is a proxy.
    type: str
    default: ""
  drained_file:
    description: File that has this host's check mark the proxy as one that is to give the address up.
    type: path
    default: /run/pgtier-proxy-check/drained
  instances:
    description: The plan's PgBouncer instances.
    type: list
    elements: dict
    default: []
  standins:
    description: The plan's stand-ins for endpoints that have one process.
    type: list
    elements: dict
    default: []
  drain_seconds:
    description: Seconds that a client may stay with an old PgBouncer. Then it is let go, between two transactions.
    type: float
    default: 120.0
  patroni_url:
    description: This member's REST API.
    type: str
  cafile:
    description: Certificates that it is verified with.
    type: path
  allow_leader:
    description: Whether a member that leads may be restarted all the same, where there is nobody to hand over to.
    type: bool
    default: false
extends_documentation_fragment:
  - pgtier.cluster.attributes
attributes:
  check_mode:
    details: apt's lists are read anew in check mode too.
  idempotent:
    support: partial
    details: With O(reinstall) it acts each time.
seealso:
  - module: pgtier.cluster.component
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: Update a proxy
  pgtier.cluster.update:
    packages: [haproxy, pgbouncer]
    components: [haproxy, pgbouncer]
    instances: "{{ pgtier_plan.pgbouncer.instances }}"
    standins: "{{ pgtier_plan.pgbouncer.standins }}"
  become: true
"""

RETURN = r"""
packages:
  description: Packages that change, with their C(old) and C(new) version.
  returned: success
  type: list
  elements: dict
  sample: [{"package": "haproxy", "old": "3.0.11-1+deb13u1", "new": "3.0.11-1+deb13u2"}]
steps:
  description: Services that follow.
  returned: success
  type: list
  elements: str
pgbouncer:
  description: Processes that were C(replaced), and the number of clients that were C(cut) because their time was over.
  returned: when PgBouncer's processes were replaced
  type: dict
"""

from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils import virtual_address
from ansible_collections.pgtier.cluster.plugins.module_utils.component.host import Host
from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import ComponentError
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import PsqlError
from ansible_collections.pgtier.cluster.plugins.module_utils.status import ask, proxy
from ansible_collections.pgtier.cluster.plugins.module_utils.update import handover, run

SECONDS = 90.0


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "required": True},
            "components": {
                "type": "list",
                "elements": "str",
                "choices": ["etcd", "keepalived", "haproxy", "pgbouncer", "patroni"],
                "required": True,
            },
            "reinstall": {"type": "bool", "default": False},
            "etcd_ready": {"type": "list", "elements": "str", "default": []},
            "haproxy_socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
            "virtual_address": {"type": "str", "default": ""},
            "drained_file": {"type": "path", "default": "/run/pgtier-proxy-check/drained"},
            "instances": {"type": "list", "elements": "dict", "default": []},
            "standins": {"type": "list", "elements": "dict", "default": []},
            "drain_seconds": {"type": "float", "default": 120.0},
            "patroni_url": {"type": "str"},
            "cafile": {"type": "path"},
            "allow_leader": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    host = Host()
    try:
        plan = run.look(host, given["packages"], given["components"], given["reinstall"])
        result: dict[str, Any] = {"packages": plan.changes, "steps": plan.steps}
        if not module.check_mode:
            address = given["virtual_address"] if {"keepalived", "haproxy", "pgbouncer"} & {*plan.steps} else ""
            with virtual_address.given_up(host, address, given["drained_file"]):
                done = run.carry_out(host, plan, given["packages"], given["reinstall"], steps(host, given))
            result |= {step: found for step, found in done.items() if found}
    except (ComponentError, PsqlError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(plan.changes or plan.steps),
        diff={
            "before": "".join(f"{one['package']} {one['old']}\n" for one in plan.changes),
            "after": "".join(f"{one['package']} {one['new']}\n" for one in plan.changes),
        },
        **result,
    )


def steps(host: Host, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "etcd": lambda: etcd(host, given["etcd_ready"]),
        "keepalived": lambda: systemctl(host, "restart", "pgtier-keepalived.service"),
        "haproxy": lambda: haproxy(host, given["haproxy_socket"]),
        "pgbouncer": lambda: pgbouncer(host, given),
        "patroni": lambda: patroni(host, given),
    }


def etcd(host: Host, ready: list[str]) -> None:
    systemctl(host, "restart", "etcd.service")
    until(host, "etcd is not healthy", lambda: not ready or host.run(ready, timeout=10).code == 0)


def haproxy(host: Host, socket: str) -> None:
    """The unit's reload starts the new program with what the old one knows of its servers."""
    systemctl(host, "reload", "haproxy.service")
    until(host, "HAProxy does not answer", lambda: "backends" in proxy.haproxy(socket))


def pgbouncer(host: Host, given: dict[str, Any]) -> dict[str, Any]:
    consoles = handover.consoles("/run/pgbouncer", "postgres")
    return asdict(handover.replace_all(host, given["instances"], given["standins"], given["drain_seconds"], consoles))


def patroni(host: Host, given: dict[str, Any]) -> None:
    def state() -> dict[str, Any]:
        found: dict[str, Any] = ask.answer(
            f"{given['patroni_url']}/patroni", ask.trusting(given["cafile"]), timeout=3
        ).get("body", {})
        return found

    if state().get("role") in ("primary", "master") and not given["allow_leader"]:
        raise ComponentError("this member leads: hand over first, with playbooks/switchover.yml")
    systemctl(host, "restart", "patroni.service")
    until(host, "PostgreSQL does not run", lambda: state().get("state") in ("running", "streaming"))


def systemctl(host: Host, verb: str, unit: str) -> None:
    ran = host.run(["systemctl", verb, unit])
    if ran.code != 0:
        raise ComponentError(f"systemctl {verb} {unit} failed, see `journalctl -u {unit}`: {ran.output.strip()}")


def until(host: Host, otherwise: str, condition: Any) -> None:
    deadline = host.now() + SECONDS
    while not condition():
        if host.now() >= deadline:
            raise ComponentError(f"{otherwise} after {SECONDS:g} s")
        host.sleep(0.25)


if __name__ == "__main__":
    main()
