# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.pgtier.cluster.plugins.filter.plan_summary import FilterModule
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.plan.examples import plan

plan_summary = FilterModule().filters()["plan_summary"]


def test_a_plan_is_one_text() -> None:
    text = plan_summary(plan())
    assert text.startswith("Cluster main: PostgreSQL 17, ")
    assert len(text.splitlines()) > 40


def test_what_is_no_plan() -> None:
    with pytest.raises(AnsibleFilterError, match="needs a plan"):
        plan_summary({})
