# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.pgtier.cluster.plugins.filter import status as target
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.plan.examples import plan

FILTERS = target.FilterModule().filters()


def test_the_filters_give_the_screen() -> None:
    found = FILTERS["status"](plan(), [], {}, {})
    assert FILTERS["status_screen"](found).startswith("Cluster main")


def test_what_is_no_plan_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="needs a plan"):
        FILTERS["status"]({}, [], {}, {})
    with pytest.raises(AnsibleFilterError, match="what the filter status gives"):
        FILTERS["status_screen"]({})
