"""What the base image is made of."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.recipe import apt_configuration, mirrors, recipe

ONE_LINE = """\
# deb http://ignored/debian trixie main
deb [arch=amd64 signed-by=/x.gpg] http://mirror/debian/ bookworm main
deb http://mirror/debian-security bookworm-security main
deb-src http://source/debian bookworm main
"""
DEB822 = """\
Types: deb
URIs: https://other/pub/debian
Suites: bookworm

Types: deb
URIs: https://other/pub/debian-security
"""


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sources.list": ONE_LINE}, ("http://mirror/debian", "http://mirror/debian-security")),
        ({"a.sources": DEB822}, ("https://other/pub/debian", "https://other/pub/debian-security")),
        ({"sources.list": "deb http://archive/ubuntu noble main\n"}, None),
        ({"sources.list": "deb http://mirror/debian trixie main\n"}, None),
        ({}, None),
    ],
)
def test_mirrors(files: dict[str, str], expected: tuple[str, str] | None) -> None:
    assert mirrors(files) == expected


def test_apt_configuration_keeps_what_reaching_the_mirror_takes() -> None:
    dump = 'Acquire::http::Proxy "http://proxy:1/";\nAPT::Architecture "amd64";\nAcquire::Check-Date "false";\n'
    made = recipe([], None, apt_configuration(dump))
    options = dict(made.apt_options)
    assert options["Acquire::http::Proxy"] == "http://proxy:1/"
    assert options["Acquire::Check-Date"] == "false"
    assert "APT::Architecture" not in options


def test_every_ingredient_is_in_the_key() -> None:
    base = recipe(["a", "b"], None, {})
    assert recipe(["b", "a", "b"], None, {}).key == base.key
    others = [
        recipe(["a"], None, {}),
        recipe(["a", "b"], ("http://m/debian", "http://m/debian-security"), {}),
        recipe(["a", "b"], None, {"Acquire::Retries": "3"}),
    ]
    assert len({base.key, *(other.key for other in others)}) == 4


def test_packages_are_downloaded_but_not_installed() -> None:
    made = recipe(["patroni"], ("http://m/debian", "http://m/debian-security"), {})
    command = made.command("/target", "/download", "/customize")
    assert "--download-only patroni" in made.download
    assert not any("patroni" in word for word in command)
    assert command.index("--customize-hook=/download") < command.index("--customize-hook=/customize")
    assert command[-5:-3] == ["trixie", "/target"]
    assert "deb http://m/debian-security trixie-security main" in command


def test_nothing_to_download() -> None:
    assert "install" not in recipe([], None, {}).download
