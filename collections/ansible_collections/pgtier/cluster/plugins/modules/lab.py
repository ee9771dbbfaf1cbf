#!/usr/bin/python
# Copyright (c) pgtier contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

DOCUMENTATION = r"""
module: lab
author: pgtier contributors (@pgtier)
version_added: 0.1.0
short_description: Hosts on this machine, to try a cluster on
description:
  - Makes and removes a lab, a set of Debian 13 hosts on this machine. Each has systemd, sshd, a name and an address of
    its own, in a container of C(systemd-nspawn).
  - Runs once on the controller, for all hosts of the lab at once. Needs root.
  - With O(state=present) every host in O(hosts) runs, answers ssh and is free of the faults that
    M(pgtier.cluster.lab_fault) injects. What a crash or a reboot broke is repaired.
  - With O(state=absent) nothing of the lab is left.
  - The base image is built at the first use and kept in O(cache_directory), for all labs.
options:
  name:
    description: Name of the lab. Interfaces, subnet and tables are derived from it.
    type: str
    required: true
  state:
    description: Whether the lab, or the hosts listed, are there.
    type: str
    choices: [present, absent]
    default: present
  hosts:
    description:
      - The hosts to have. Others that the lab has already are left as they are.
      - With O(state=absent), the only hosts to remove; without this option the whole lab is removed.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the host.
        type: str
        required: true
      index:
        description: Number of the host in its lab, from 1 to 200. Decides its address.
        type: int
        required: true
  subnet:
    description: A C(/24) in place of the one computed from O(name), when that is taken on this machine.
    type: str
  state_directory:
    description: Where the lab keeps its hosts and keys.
    type: path
    required: true
  cache_directory:
    description: Where the base image is kept.
    type: path
    required: true
  owner:
    description: Id of the user who gets the lab's ssh key.
    type: int
    default: 0
  packages:
    description:
      - Packages whose files lie ready in every host's apt archive. They are not installed.
      - Part of the image, so that another list means another image.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Says what would be done, without doing it.
    support: full
  diff_mode:
    description: Shows the state of the lab and of each host before and after.
    support: full
  idempotent:
    description: A lab that is as it should be is not touched.
    support: full
"""

EXAMPLES = r"""
- name: Two hosts
  pgtier.cluster.lab:
    name: try
    state_directory: /var/lib/pgtier-lab/try
    cache_directory: /var/cache/pgtier
    hosts:
      - name: one
        index: 1
      - name: two
        index: 2

- name: Nothing left
  pgtier.cluster.lab:
    name: try
    state: absent
    state_directory: /var/lib/pgtier-lab/try
    cache_directory: /var/cache/pgtier
"""

RETURN = r"""
steps:
  description: What was done, or would be in check mode, in order.
  type: list
  elements: str
  returned: always
seconds:
  description: How long it took to apply the steps.
  type: float
  returned: when something was done
hosts:
  description: The hosts of the lab and their addresses.
  type: dict
  returned: success
image:
  description: Path of the base image that new hosts are made from.
  type: str
  returned: success and O(state=present)
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.lab import image, lifecycle, preflight
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.command import LabError
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.network import Network, host_problems, network


def refuse(module: AnsibleModule, found: list[str]) -> None:
    if found:
        listed = "\n".join(f"  - {problem}" for problem in found)
        module.fail_json(msg=f"lab {module.params['name']!r} cannot be made here:\n{listed}", problems=found)


def describe(seen: lifecycle.Observed, present: bool = True) -> str:
    """The lab as lines, for the diff."""
    lines = [f"bridge: {'there' if seen.bridge else 'absent'}", f"rules: {'there' if seen.rules else 'absent'}"]
    lines += [f"host {name}: {state.word}" for name, state in sorted(seen.hosts.items())]
    return "\n".join(lines if present else []) + "\n"


def bring_up(module: AnsibleModule, net: Network, wanted: dict[str, int]) -> dict[str, Any]:
    params = module.params
    state, cache = Path(params["state_directory"]), Path(params["cache_directory"])
    refuse(module, preflight.problems(net, state, cache, 0, True))
    lab = lifecycle.Lab(net, state, cache, params["owner"])
    with lab.locked():
        lab.recipe = image.local_recipe(params["packages"])
        known = {name: index for name, index in lab.known_hosts_of_lab().items() if index}
        moved = [
            f"host {name!r} has index {known[name]} in this lab and cannot get {index}; take it down first"
            for name, index in wanted.items()
            if known.get(name, index) != index
        ]
        refuse(module, moved + host_problems(list({**known, **wanted}.items())))
        seen = lab.observe(wanted)
        steps = lifecycle.plan_present(list(wanted), seen)
        to_start = sum(step.verb == "start" for step in steps)
        refuse(module, preflight.problems(net, state, cache, to_start, seen.image))
        result: dict[str, Any] = {
            "changed": bool(steps),
            "steps": [str(step) for step in steps],
            "hosts": {name: net.address(index) for name, index in sorted({**known, **wanted}.items())},
            "image": str(image.image_path(cache, lab.recipe)),
            "diff": {"before": describe(seen), "after": describe(lifecycle.restored(seen, wanted))},
        }
        if steps and not module.check_mode:
            began = time.monotonic()
            lab.apply(steps, wanted, module.log)
            result["seconds"] = round(time.monotonic() - began, 1)
        return result


def take_down(module: AnsibleModule, net: Network, named: list[str] | None) -> dict[str, Any]:
    params = module.params
    lab = lifecycle.Lab(net, Path(params["state_directory"]), Path(params["cache_directory"]), params["owner"])
    with lab.locked():
        seen = lab.observe()
        steps = lifecycle.plan_absent(named, seen, lab.everything_left())
        if steps and not module.check_mode:
            lab.apply(steps, {}, module.log)
        removed = {step.host for step in steps if step.verb == "remove"}
        rest = {name: state for name, state in seen.hosts.items() if name not in removed}
        known = lab.known_hosts_of_lab()
        return {
            "changed": bool(steps),
            "steps": [str(step) for step in steps],
            "hosts": {name: net.address(known[name]) for name in sorted(rest) if known.get(name)},
            "diff": {"before": describe(seen), "after": describe(lifecycle.without(seen, removed), named is not None)},
        }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "hosts": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    "index": {"type": "int", "required": True},
                },
            },
            "subnet": {"type": "str"},
            "state_directory": {"type": "path", "required": True},
            "cache_directory": {"type": "path", "required": True},
            "owner": {"type": "int", "default": 0},
            "packages": {"type": "list", "elements": "str", "default": []},
        },
        required_if=[("state", "present", ["hosts"])],
        supports_check_mode=True,
    )
    params = module.params
    try:
        net = network(params["name"], params["subnet"])
    except ValueError as error:
        module.fail_json(msg=str(error))
    listed = [(host["name"], host["index"]) for host in params["hosts"] or []]
    refuse(module, host_problems(listed))
    try:
        if params["state"] == "present":
            result = bring_up(module, net, dict(listed))
        else:
            refuse(module, preflight.removal_problems())
            result = take_down(module, net, None if params["hosts"] is None else [name for name, _index in listed])
    except LabError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
