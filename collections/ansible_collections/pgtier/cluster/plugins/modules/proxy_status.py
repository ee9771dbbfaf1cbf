#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""What PgBouncer, HAProxy and the route of a proxy host say."""

from __future__ import annotations

DOCUMENTATION = r"""
module: proxy_status
short_description: Ask what serves the endpoints on a proxy host
version_added: 0.1.0
description:
  - Asks each PgBouncer of this host for its pools, HAProxy for its servers, and the route for where new connections
    would go now. What does not answer is told, and is no failure of the module.
options:
  instances:
    description: The plan's PgBouncer instances. Their C(name), C(port) and C(server_host) are read.
    type: list
    elements: dict
    required: true
  haproxy_socket:
    description: HAProxy's Unix socket.
    type: path
    required: true
  route_port:
    description: UDP port on loopback at which the route answers.
    type: int
    required: true
  virtual_address:
    description: The address that moves between the proxies, if there is one.
    type: str
    default: ""
  weight_file:
    description: File in which the check of this host says how fit it is to have the address.
    type: path
    default: /run/pgtier-proxy-check/weight
  socket_directory:
    description: Directory that has a directory with a Unix socket for each instance.
    type: path
    default: /run/pgbouncer
  os_user:
    description: Operating system user that the instances run as.
    type: str
    default: postgres
  timeout:
    description: Seconds for one instance's answer.
    type: float
    default: 5.0
extends_documentation_fragment:
  - pgtier.cluster.attributes
attributes:
  diff_mode:
    support: none
seealso:
  - module: pgtier.cluster.cluster_status
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: Ask the proxies
  pgtier.cluster.proxy_status:
    instances: "{{ pgtier_plan.pgbouncer.instances }}"
    haproxy_socket: "{{ pgtier_plan.pgbouncer.route.haproxy }}"
    route_port: "{{ pgtier_plan.pgbouncer.route.port }}"
  become: true
"""

RETURN = r"""
pgbouncer:
  description: C(state), C(databases) and C(pools) of each instance, or its C(error).
  returned: success
  type: dict
haproxy:
  description: The C(backends) with the status of each server, or an C(error).
  returned: success
  type: dict
route:
  description: By the name that pools look up, the C(addresses) that they get, or V(held), or an C(error).
  returned: success
  type: dict
virtual_address:
  description: Whether the address is C(here), and the C(weight) that the host's check gives it, below 0 if it does not
    serve; empty where there is none.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils import virtual_address
from ansible_collections.pgtier.cluster.plugins.module_utils.status import proxy


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "instances": {"type": "list", "elements": "dict", "required": True},
            "haproxy_socket": {"type": "path", "required": True},
            "route_port": {"type": "int", "required": True},
            "virtual_address": {"type": "str", "default": ""},
            "weight_file": {"type": "path", "default": "/run/pgtier-proxy-check/weight"},
            "socket_directory": {"type": "path", "default": "/run/pgbouncer"},
            "os_user": {"type": "str", "default": "postgres"},
            "timeout": {"type": "float", "default": 5.0},
        },
        supports_check_mode=True,
    )
    given = module.params
    names = [one["server_host"] for one in given["instances"] if not one["server_host"].startswith("127.")]
    module.exit_json(
        changed=False,
        pgbouncer=proxy.pgbouncers(given["instances"], given["socket_directory"], given["os_user"], given["timeout"]),
        haproxy=proxy.haproxy(given["haproxy_socket"]),
        route=proxy.route(given["route_port"], names),
        virtual_address=virtual_address.state(given["virtual_address"], given["weight_file"])
        if given["virtual_address"]
        else {},
    )


if __name__ == "__main__":
    main()
