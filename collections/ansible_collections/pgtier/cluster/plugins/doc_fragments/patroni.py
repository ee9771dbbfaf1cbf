# SPDX-License-Identifier: Apache-2.0
"""Options of the modules that talk to Patroni's REST API."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  urls:
    description:
      - REST API addresses of the cluster's members, such as V(http://10.0.0.11:8008).
      - They are tried in turn until one answers, so one member of the cluster that is up is enough.
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds to wait for one member's answer to one request before the next member is asked.
    type: float
    default: 3.0
"""
