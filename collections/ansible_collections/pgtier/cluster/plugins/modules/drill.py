#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action plugin of the same name, which does everything on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: drill
short_description: Run a drill's load, and judge it
version_added: 0.1.0
description:
  - V(started) begins clients that write and read over the endpoints C(primary) and C(replica), and returns when all are
    at work. They go on in the background, in a schema of their own.
  - V(finished) ends them, has the schema removed, judges what they were told against what is there, and writes a report
    as text, JSON and one HTML page.
  - Everything happens on the controller.
author: pgtier contributors (@pgtier)
requirements:
  - psycopg 3
extends_documentation_fragment:
  - pgtier.cluster.attributes
attributes:
  check_mode:
    support: full
    details: Nothing is started.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each start is another load.
options:
  state:
    description: Begin the load, or end it.
    type: str
    choices: [started, finished]
    required: true
  connections:
    description: The C(connections.json) that M(pgtier.cluster.connections) wrote. Needed with O(state=started).
    type: path
  database:
    description: Where the load gets a schema of its own. The first one by default.
    type: str
    default: ""
  user:
    description:
      - Whom the clients log in as, who has to be allowed to make a schema. The first one of the database by default.
    type: str
    default: ""
  writers:
    description: Clients that write.
    type: int
    default: 50
  readers:
    description: Clients that read.
    type: int
    default: 50
  limit:
    description: Seconds after which the load ends and cleans up by itself, should nobody end it.
    type: float
    default: 3600.0
  directory:
    description: With O(state=finished), what RV(directory) was at the start.
    type: path
  cluster:
    description: Name of the cluster, for the report.
    type: str
    default: ""
  names:
    description: Names of the members by their addresses, for the report.
    type: dict
    default: {}
  strikes:
    description:
      - What was done meanwhile. C(fault), C(hosts), and the moments C(struck), C(healed) and C(end), when the cluster
        was whole again, in seconds since the epoch.
    type: list
    elements: dict
    default: []
  reports:
    description: Folder for the report's files. Needed with O(state=finished).
    type: path
"""

EXAMPLES = r"""
- name: Begin the load
  pgtier.cluster.drill:
    state: started
    connections: "{{ inventory_dir }}/secrets/connections.json"
  register: load

- name: End it
  pgtier.cluster.drill:
    state: finished
    directory: "{{ load.directory }}"
    cluster: main
    reports: "{{ inventory_dir }}/drills"
"""

RETURN = r"""
directory:
  description: Where the load that was started keeps what it has to say.
  returned: with O(state=started)
  type: str
schema:
  description: The schema of the load that was started.
  returned: with O(state=started)
  type: str
files:
  description: The report's files.
  returned: with O(state=finished)
  type: list
  elements: str
text:
  description: The lines of the report.
  returned: with O(state=finished)
  type: list
  elements: str
broken:
  description: What must not happen and did. Empty if all is well.
  returned: with O(state=finished)
  type: list
  elements: str
acknowledged:
  description: How many writes were acknowledged.
  returned: with O(state=finished)
  type: int
"""
