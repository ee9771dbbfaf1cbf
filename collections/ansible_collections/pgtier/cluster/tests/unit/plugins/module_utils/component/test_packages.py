# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.component.converge import converge
from ansible_collections.pgtier.cluster.plugins.module_utils.component.host import Ran
from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import ComponentError, Desired, File
from ansible_collections.pgtier.cluster.plugins.module_utils.component.packages import POLICY, install
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.component.fake_host import FakeHost

OK = Ran(0, "")


def verbs(host: FakeHost) -> list[str]:
    return [call[1] for call in host.calls if call[0] in ("apt-get", "dpkg")]


def test_one_transaction_installs_all_that_is_missing(host: FakeHost) -> None:
    host.installed.add("b1")
    result = converge(host, Desired("x", packages=("a1", "b1", "c1")), check=False, diff=False)
    assert result["packages_installed"] == ["a1", "c1"]
    (call,) = host.called("apt-get")
    assert call[call.index("--") + 1 :] == ["a1", "c1"]
    assert "--no-install-recommends" in call and "Dpkg::Options::=--force-confold" in call


def test_services_stay_down_while_packages_are_installed(host: FakeHost) -> None:
    assert install(host, ["server"]) == []
    assert host.policy_during_install == [True]
    assert not host.path(POLICY).exists()


def test_the_policy_goes_even_if_apt_fails(host: FakeHost) -> None:
    host.apt_answers = [Ran(100, "E: held broken packages")]
    with pytest.raises(ComponentError, match=r"(?s)apt-get install server failed with exit code 100.*held broken"):
        install(host, ["server"])
    assert not host.path(POLICY).exists()


def test_a_policy_of_the_host_stands(host: FakeHost) -> None:
    host.put(POLICY, "#!/bin/sh\nexit 0\n", 0o755)
    (note,) = install(host, ["server"])
    assert note.startswith("/usr/sbin/policy-rc.d is not pgtier's")
    assert host.path(POLICY).read_text() == "#!/bin/sh\nexit 0\n"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([OK], ["install"]),
        ([Ran(100, "E: Unable to locate package server"), OK, OK], ["install", "update", "install"]),
        ([Ran(100, "E: Package 'server' has no installation candidate"), OK, OK], ["install", "update", "install"]),
        ([Ran(100, "E: Failed to fetch http://x 404"), OK, OK], ["install", "update", "install"]),
        ([Ran(100, "E: dpkg was interrupted, you must manually run"), OK], ["install", "--force-confdef", "install"]),
    ],
)
def test_lists_are_read_and_dpkg_finished_only_if_need_be(
    host: FakeHost, answers: list[Ran], expected: list[str]
) -> None:
    host.apt_answers = answers
    install(host, ["server"])
    assert verbs(host) == expected


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([Ran(100, "E: Could not get lock")], "Could not get lock"),
        ([Ran(100, "Unable to locate package"), Ran(100, "no network")], "apt-get update failed with .*no network"),
        (
            [Ran(100, "Unable to locate package"), OK, Ran(100, "Unable to locate package")],
            "apt-get install server failed",
        ),
    ],
)
def test_what_apt_says_is_shown(host: FakeHost, answers: list[Ran], message: str) -> None:
    host.apt_answers = answers
    with pytest.raises(ComponentError, match="(?s)" + message):
        install(host, ["server"])


def test_only_the_end_of_what_apt_says_is_shown(host: FakeHost) -> None:
    host.apt_answers = [Ran(100, "\n".join(f"line {number}" for number in range(100)))]
    with pytest.raises(ComponentError) as error:
        install(host, ["server"])
    assert "line 99" in str(error.value) and "line 79\n" not in str(error.value)


def test_dpkg_that_cannot_be_finished(host: FakeHost) -> None:
    host.apt_answers = [Ran(100, "dpkg was interrupted")]
    host.answers["dpkg"] = lambda argv: Ran(1, "postinst of x failed")
    with pytest.raises(ComponentError, match=r"(?s)dpkg --configure -a.*postinst of x failed"):
        install(host, ["server"])


def test_a_virtual_package_is_named(host: FakeHost) -> None:
    def query(argv: object) -> Ran:
        return Ran(1, "")

    host.answers["dpkg-query"] = query
    with pytest.raises(ComponentError, match="apt installed no package of the name mail-server"):
        converge(host, Desired("x", packages=("mail-server",)), check=False, diff=False)


def test_files_that_steer_the_installation_are_there_first(host: FakeHost) -> None:
    seen = []
    desired = Desired(
        "x",
        packages=("server",),
        files=(File("/etc/a/first", b"1", before_packages=True), File("/etc/a/later", b"2", owner="server")),
    )
    real = host._run_apt_get

    def apt(argv: list[str]) -> Ran:
        seen.append((host.path("/etc/a/first").exists(), host.path("/etc/a/later").exists()))
        return real(argv)

    host.answers["apt-get"] = apt  # type: ignore[assignment]
    result = converge(host, desired, check=False, diff=False)
    assert seen == [(True, False)]
    assert result["files_changed"] == ["/etc/a/first", "/etc/a/later"] or result["files_changed"] == [
        "/etc/a/later",
        "/etc/a/first",
    ]
