"""The filter: Ansible's types in, plain ones out, and mistakes as one message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.pgtier.cluster.plugins.filter.plan import FilterModule
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.reading import plain
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.plan.examples import GROUPS, inventory

plan = FilterModule().filters()["plan"]


class HostVars(Mapping[str, Any]):
    """Variables of a host that are worked out when they are read, as Ansible's are."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self.variables = {
            name: trust_as_template(value) if isinstance(value, str) else value for name, value in variables.items()
        }
        self.templar = Templar(loader=DataLoader(), variables=self.variables)

    def __getitem__(self, name: str) -> Any:
        return self.templar.template(self.variables[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)


def hostvars(**variables: Any) -> dict[str, HostVars]:
    return {host: HostVars(own) for host, own in inventory(**variables).variables.items()}


def kinds(value: Any) -> Iterator[type]:
    yield type(value)
    if isinstance(value, dict):
        for key, item in value.items():
            yield type(key)
            yield from kinds(item)
    elif isinstance(value, list):
        for item in value:
            yield from kinds(item)


def test_result_has_plain_types_only() -> None:
    made = plan(
        {**GROUPS, "all": [*GROUPS["etcd"]], "ungrouped": []}, hostvars(), {"pg1": {"memory_mb": 4096, "cores": 2}}
    )
    assert set(kinds(made)) <= {dict, list, str, int, float, bool, type(None)}
    assert made["postgresql"]["per_member"]["pg1"]["shared_buffers"] == "1GB"
    assert made["postgresql"]["per_member"]["pg2"] == {}


def test_expressions_are_worked_out() -> None:
    made = plan(GROUPS, hostvars(base_port=6000, haproxy_primary_port="{{ base_port + 1 }}"))
    assert made["endpoints"]["primary_direct"]["port"] == 6001


def test_undefined_value_is_a_mistake_beside_the_others() -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        plan(GROUPS, hostvars(postgresql_disk="{{ kind_of_disk }}", postgresql_profile="fast"))
    message = str(caught.value)
    assert message.startswith(
        "The inventory has 2 mistakes; no host was touched.\n  1. cluster: postgresql_disk: its value"
    )
    assert "'kind_of_disk' is undefined" in message and "2. cluster: postgresql_profile = fast" in message


def test_variables_of_others_are_not_read() -> None:
    plan(GROUPS, hostvars(other="{{ undefined }}", postgres_version=9, etcd_template_dir="{{ role_path }}/x"))


def test_password_never_shows() -> None:
    users = [{"name": "app", "password": "hunter2"}, {"name": "app", "password": "hunter2"}]
    with pytest.raises(AnsibleFilterError) as caught:
        plan(GROUPS, hostvars(databases_users=users))
    assert "listed twice" in str(caught.value) and "hunter2" not in str(caught.value)


def test_password_that_yaml_reads_as_a_number() -> None:
    with pytest.raises(AnsibleFilterError, match=r"databases_users\[0\].password: is a number and not text"):
        plan(GROUPS, hostvars(databases_users=[{"name": "app", "password": 123456}]))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        (("a", 1), ["a", 1]),
        ({"password": "x", "a": {"b": [1]}}, {"password": "(hidden)", "a": {"b": [1]}}),
        ({"password": None}, {"password": None}),
    ],
)
def test_plain(value: Any, expected: Any) -> None:
    assert plain(value) == expected
