#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Have a member's replication slot made anew where PostgreSQL has given it up."""

from __future__ import annotations

DOCUMENTATION = r"""
module: member_slot
short_description: Drop a member's replication slot that PostgreSQL has invalidated, so that Patroni makes another
version_added: 0.1.0
description:
  - A slot that has lost its WAL never holds any again, whoever streams from it. Patroni makes one that is missing, and
    leaves one that is there.
  - Run it on each member, for each has the slots of the others. A slot that is in order is left alone.
options:
  member:
    description: Whose slot.
    type: str
    required: true
  wait:
    description: Seconds to wait for a slot that is in use, by a replica that tries in vain.
    type: float
    default: 10.0
  port:
    description: Port of PostgreSQL.
    type: int
    default: 5432
extends_documentation_fragment:
  - pgtier.cluster.attributes
attributes:
  diff_mode:
    support: none
seealso:
  - module: pgtier.cluster.replication_info
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: Have WAL kept for it again
  pgtier.cluster.member_slot:
    member: pg3
  become: true
"""

RETURN = r"""
slot:
  description: The slot's name.
  returned: success
  type: str
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.slots import slot_name
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import Psql, PsqlError

# A name of Patroni's has letters, digits and underscores only.
WHICH = "FROM pg_replication_slots WHERE slot_name = '{}' AND invalidation_reason IS NOT NULL"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "member": {"type": "str", "required": True},
            "wait": {"type": "float", "default": 10.0},
            "port": {"type": "int", "default": 5432},
        },
        supports_check_mode=True,
    )
    server = Psql("/var/run/postgresql", module.params["port"], "postgres")
    slot = slot_name(module.params["member"])
    which = WHICH.format(slot)
    end = time.monotonic() + module.params["wait"]
    try:
        invalid = server.json(f"SELECT count(*) {which}") > 0
        while invalid and not module.check_mode:
            try:
                server.execute(f"SELECT pg_drop_replication_slot(slot_name) {which}")
                break
            except PsqlError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.3)
    except PsqlError as error:
        module.fail_json(
            msg=f"the slot {slot} cannot be looked at, or not be dropped: {error}. PostgreSQL has to "
            "run here, and nobody may use the slot (active_pid in pg_replication_slots); then run the playbook again"
        )
    module.exit_json(changed=invalid, slot=slot)


if __name__ == "__main__":
    main()
