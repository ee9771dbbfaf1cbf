#!/usr/bin/python
# Copyright (c) pgtier contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

DOCUMENTATION = r"""
module: lab_fault
author: pgtier contributors (@pgtier)
version_added: 0.1.0
short_description: Break a lab host, or mend it
description:
  - Puts one host of a lab made by M(pgtier.cluster.lab) into a state such as cut off the network.
  - Runs on the controller. Needs root. M(pgtier.cluster.lab) with O(ignore:state=present) ends every fault.
options:
  name:
    description: Name of the lab.
    type: str
    required: true
  host:
    description: Name of the host.
    type: str
    required: true
  fault:
    description:
      - V(stopped) shuts the host down as C(poweroff) does; V(killed) ends all of its processes at once, as a power
        failure does; V(started) starts it after either and waits until it answers ssh.
      - V(frozen) suspends all of its processes, so that connections stay open and nothing answers; V(thawed) ends that.
      - V(cut_off) drops its packets from and to O(others), or everything including this machine; V(healed) ends that.
      - V(slowed) limits it to O(cpu_percent); V(unslowed) ends that.
    type: str
    required: true
    choices: [stopped, killed, started, frozen, thawed, cut_off, healed, slowed, unslowed]
  others:
    description:
      - For O(fault=cut_off) and O(fault=healed), only the traffic with these hosts. This machine still reaches it.
      - Without it, all traffic of the host.
    type: list
    elements: str
  cpu_percent:
    description: For O(fault=slowed), the share of one core, in percent. 150 is one core and a half.
    type: int
  subnet:
    description: The lab's subnet, if it was made with one.
    type: str
  state_directory:
    description: Where the lab keeps its hosts and keys.
    type: path
    required: true
attributes:
  check_mode:
    description: Says whether the host would be changed.
    support: full
  diff_mode:
    description: Shows the state of the host before and after.
    support: full
  idempotent:
    description: A host that is in the state already is not touched.
    support: full
"""

EXAMPLES = r"""
- name: Power failure
  pgtier.cluster.lab_fault:
    name: try
    host: one
    fault: killed
    state_directory: /var/lib/pgtier-lab/try

- name: Network partition that leaves ssh from here
  pgtier.cluster.lab_fault:
    name: try
    host: one
    fault: cut_off
    others: [two, three]
    state_directory: /var/lib/pgtier-lab/try
"""

RETURN = r"""
at:
  description: When the fault was injected, in seconds since the epoch.
  type: float
  returned: always
state:
  description: The state of the host afterwards, in words.
  type: str
  returned: always
"""

import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.lab import faults, lifecycle, preflight
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.command import LabError
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.network import network


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "host": {"type": "str", "required": True},
            "fault": {"type": "str", "required": True, "choices": list(faults.FAULTS)},
            "others": {"type": "list", "elements": "str"},
            "cpu_percent": {"type": "int"},
            "subnet": {"type": "str"},
            "state_directory": {"type": "path", "required": True},
        },
        required_if=[("fault", "slowed", ["cpu_percent"])],
        supports_check_mode=True,
    )
    params = module.params
    if params["cpu_percent"] is not None and params["cpu_percent"] < 1:
        module.fail_json(
            msg=f"cpu_percent {params['cpu_percent']}: give 1 or more; fault unslowed takes the limit away"
        )
    found = preflight.removal_problems()
    if found:
        module.fail_json(msg="\n".join(found))
    try:
        net = network(params["name"], params["subnet"])
        lab = lifecycle.Lab(net, Path(params["state_directory"]), Path("/nonexistent"), 0)
        with lab.locked():
            before = lab.observe_host(params["host"]).word
            at = time.time()
            changed = faults.inject(
                lab, params["host"], params["fault"], params["others"], params["cpu_percent"], check=module.check_mode
            )
            after = lab.observe_host(params["host"]).word
    except (LabError, ValueError) as error:
        module.fail_json(msg=f"lab {params['name']!r}, host {params['host']!r}: {error}")
    if module.check_mode and changed:
        after = params["fault"].replace("_", " ")
    diff = {"before": f"{params['host']}: {before}\n", "after": f"{params['host']}: {after if changed else before}\n"}
    module.exit_json(changed=changed, at=at, state=after, diff=diff)


if __name__ == "__main__":
    main()
