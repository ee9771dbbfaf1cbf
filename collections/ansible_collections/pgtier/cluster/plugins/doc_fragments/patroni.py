# SPDX-License-Identifier: Apache-2.0
"""Options of the modules that talk to Patroni's REST API."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  urls:
    description:
      - REST API addresses of the cluster's members, such as V(https://10.0.0.11:8008).
      - They are tried in turn until one answers, so one member of the cluster that is up is enough.
    type: list
    elements: str
    required: true
  cafile:
    description:
      - Certificates of the authorities that may have signed the members' certificates, as a file on the host where the
        module runs. Without it those of the operating system are taken.
    type: path
  timeout:
    description: Seconds to wait for one member's answer to one request before the next member is asked.
    type: float
    default: 3.0
"""

    # Of modules that change something.
    CREDENTIALS = r"""
options:
  user:
    description: User of Patroni's C(restapi.authentication). Needed only if something has to be changed.
    type: str
  password:
    description: Password of O(user). It is sent with writing requests only.
    type: str
"""
