# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pgtier.cluster.plugins.module_utils.component.spec import (
    ARGUMENT_SPEC,
    check_arguments,
    unit_name,
)

FILE = {"dest": "/etc/x", "content": "x"}


def mistakes(**arguments: Any) -> list[str]:
    validated = ArgumentSpecValidator(ARGUMENT_SPEC).validate({"name": "x", **arguments})
    assert not validated.error_messages
    return check_arguments(validated.validated_parameters)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"packages": ["libfoo++", "postgresql-17"], "directories": [{"path": "/etc/x"}]},
        {"files": [FILE], "units": [{"name": "haproxy"}, {"name": "pgbouncer@a.b.service"}]},
        {"files": [{**FILE, "units": ["haproxy.service"]}], "units": [{"name": "haproxy"}]},
        {"files": [{**FILE, "secret": True, "mode": "0640"}]},
        {"files": [{"path": "/etc/x", "content": ""}]},
        {"files": [{**FILE, "validate": ["check", "--file=%s"]}]},
        {"obsolete": {"units": "pgbouncer@*.service", "paths": ["/etc/pgbouncer/*.ini"]}},
        {"obsolete": {"units": "pgtier-firewall.service"}},
        {"ready": {"command": ["true"]}},
    ],
)
def test_good_arguments_pass(arguments: dict[str, Any]) -> None:
    assert mistakes(**arguments) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"name": "a/b"}, "name: 'a/b' is also a file name"),
        ({"packages": ["haproxy=3.0"]}, "packages: 'haproxy=3.0' is not a package name"),
        ({"packages": ["-oDPkg::x"]}, "packages: '-oDPkg::x' is not a package name"),
        ({"packages": ["a1", "a1"]}, "packages: a1 is listed 2 times"),
        ({"units": [{"name": "a b"}]}, "units: 'a b' is not a unit name"),
        ({"units": [{"name": "pgbouncer@.service"}]}, "is a template: name an instance"),
        ({"units": [{"name": "a"}, {"name": "a.service"}]}, "units: a.service is listed 2 times"),
        ({"directories": [{"path": "etc"}]}, "directories: etc: must be an absolute path"),
        ({"directories": [{"path": "/etc/x", "mode": 493}]}, "directories: /etc/x: mode 493 is a number"),
        ({"directories": [{"path": "/x"}, {"path": "/x"}]}, "directories: /x is listed 2 times"),
        ({"files": [{**FILE, "dest": "/etc/../x"}]}, "without '..'"),
        ({"files": [{**FILE, "dest": "/etc/x/"}]}, "without a slash at its end"),
        ({"files": [{"dest": "/etc/x"}]}, "files: /etc/x: has no content: give one of"),
        ({"files": [{**FILE, "template": "x.j2"}]}, "has template and content: give one of"),
        ({"files": [{**FILE, "variables": {"a": 1}}]}, "variables are for a template"),
        ({"files": [{**FILE, "mode": 416}]}, "files: /etc/x: mode 416 is a number"),
        ({"files": [{**FILE, "mode": "rw"}]}, "mode 'rw' must be four octal digits"),
        ({"files": [{**FILE, "mode": "640"}]}, "mode '640' must be four octal digits"),
        ({"files": [{**FILE, "secret": True, "mode": "0644"}]}, "is secret, yet mode 0644 opens it to everyone"),
        ({"files": [{**FILE, "validate": ["check"]}]}, "validate has no %s"),
        ({"files": [{**FILE, "units": ["haproxy"]}]}, "concerns unit haproxy, which is not among"),
        ({"files": [{**FILE, "apply_optional_in_container": True}]}, "says nothing without apply"),
        ({"files": [FILE, FILE]}, "files: /etc/x is listed 2 times"),
        ({"files": [FILE], "absent_files": ["/etc/x"]}, "absent_files: /etc/x is also to be there"),
        ({"absent_files": ["x"]}, "absent_files: x: must be an absolute path"),
        ({"obsolete": {"units": "*"}}, "obsolete: '*' must name a unit or a template's instances"),
        ({"obsolete": {"units": "*@*.service"}}, "must name a unit or a template's instances"),
        ({"obsolete": {"units": "pg*.service"}}, "must name a unit or a template's instances"),
        ({"obsolete": {"units": "a@*.service", "paths": ["x/*"]}}, "obsolete: x/*: must be an absolute path"),
        ({"ready": {"command": []}}, "ready: the command is empty"),
        ({"ready": {"command": ["x"], "timeout": 0}}, "ready: timeout 0"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], expected: str) -> None:
    found = mistakes(**arguments)
    assert len(found) == 1
    assert expected in found[0]


def test_all_mistakes_are_found_at_once() -> None:
    found = mistakes(packages=["A"], files=[{"dest": "x"}], units=[{"name": "a@.service"}], absent_files=["y"])
    assert len(found) == 5


@pytest.mark.parametrize(
    ("name", "full"),
    [("a", "a.service"), ("a.service", "a.service"), ("a.timer", "a.timer"), ("a@b.c", "a@b.c.service")],
)
def test_a_bare_name_is_a_service(name: str, full: str) -> None:
    assert unit_name(name) == full
