#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Have a cluster forget a member that has left, on its leader."""

from __future__ import annotations

DOCUMENTATION = r"""
module: member_forget
short_description: Wait until Patroni has forgotten a member, and have its replication slot go
version_added: 0.1.0
description:
  - Runs on the leader's host. Waits until the member is not in Patroni's list any more, which takes a C(ttl).
  - Patroni keeps the slot of a member that is away for C(member_slots_ttl), and makes it again if somebody drops it.
    So that setting is 0 for a moment, until the slot has gone, and then again what it was.
    While another member is away, whose slot would go too, the slot is left to age out and RV(note) says so.
options:
  name:
    description: Name of the member.
    type: str
    required: true
  members:
    description: Names of the members that stay.
    type: list
    elements: str
    required: true
  slots_ttl:
    description: C(member_slots_ttl) as it is to be afterwards, in seconds.
    type: int
    required: true
  wait:
    description: Seconds to wait at most.
    type: float
    default: 120.0
  port:
    description: Port of PostgreSQL.
    type: int
    default: 5432
extends_documentation_fragment:
  - pgtier.cluster.attributes
  - pgtier.cluster.patroni
  - pgtier.cluster.patroni.credentials
attributes:
  diff_mode:
    support: none
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: Forget it
  pgtier.cluster.member_forget:
    urls: "{{ pgtier_plan.patroni.urls }}"
    name: pg4
    members: [pg1, pg2, pg3]
    slots_ttl: 1800
    user: patroni
    password: "{{ pgtier_secrets.services.patroni_restapi }}"
  become: true
"""

RETURN = r"""
slot:
  description: The slot that has gone, or would; empty if there was none.
  returned: success
  type: str
note:
  description: What is worth knowing beside that.
  returned: success
  type: str
"""

import time
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni import cluster as view
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.arguments import ARGUMENTS, CREDENTIALS, client_of
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.client import PatroniClient, PatroniError
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.slots import slot_name
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import Psql, PsqlError

SLOTS = "SELECT coalesce(json_agg(slot_name), '[]') FROM pg_replication_slots WHERE slot_type = 'physical'"


def wait_until(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(0.3)
    return True


def forget(client: PatroniClient, server: Psql, wanted: dict[str, Any], check: bool) -> dict[str, Any]:
    slot, note, name = slot_name(wanted["name"]), "", wanted["name"]

    def names() -> set[str]:
        return {member["name"] for member in view.parse(client.cluster())["members"]}

    def there() -> bool:
        return slot in server.json(SLOTS)

    ttl_differs = client.config().get("member_slots_ttl") != wanted["slots_ttl"]
    if check:
        return {"changed": there() or name in names(), "slot": slot if there() else "", "note": ""}
    was_member = name in names()
    if not wait_until(wanted["wait"], lambda: name not in names()):
        raise PatroniError(f"{name} is still in Patroni's list after {wanted['wait']:g} s: does Patroni run on it?")
    had_slot = there()
    away = sorted({*wanted["members"]} - names())
    if had_slot and away:
        note = (
            f"the slot {slot} goes by itself after {wanted['slots_ttl']} s: {', '.join(away)} is away too, "
            "and is not to lose its own meanwhile"
        )
    elif had_slot:
        client.patch_config({"member_slots_ttl": 0})
    try:
        if had_slot and not away and not wait_until(wanted["wait"], lambda: not there()):
            raise PatroniError(f"the slot {slot} is still there after {wanted['wait']:g} s; run this again")
    finally:
        # Whatever happens in between: with 0, a member that is away for a moment would lose its slot.
        if ttl_differs or (had_slot and not away):
            client.patch_config({"member_slots_ttl": wanted["slots_ttl"]})
    gone = had_slot and not away
    return {"changed": gone or was_member or ttl_differs, "slot": slot if gone else "", "note": note}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ARGUMENTS,
            **CREDENTIALS,
            "name": {"type": "str", "required": True},
            "members": {"type": "list", "elements": "str", "required": True},
            "slots_ttl": {"type": "int", "required": True},
            "wait": {"type": "float", "default": 120.0},
            "port": {"type": "int", "default": 5432},
        },
        required_together=[("user", "password")],
        supports_check_mode=True,
    )
    wanted: dict[str, Any] = module.params
    server = Psql("/var/run/postgresql", wanted["port"], "postgres")
    try:
        result = forget(client_of(wanted), server, wanted, module.check_mode)
    except (PatroniError, PsqlError, ValueError) as error:
        module.fail_json(msg=f"{wanted['name']}: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
