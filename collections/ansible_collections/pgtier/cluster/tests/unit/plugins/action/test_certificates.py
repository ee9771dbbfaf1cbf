# SPDX-License-Identifier: Apache-2.0
"""The plugins around the certificates: what they write and with what modes, what they tell, and what they hide."""

from __future__ import annotations

import stat
import threading
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.pgtier.cluster.plugins.action import certificates, certificates_info
from ansible_collections.pgtier.cluster.plugins.module_utils import private_file
from ansible_collections.pgtier.cluster.plugins.module_utils.tls import pki

HOSTS = {
    "pg1": {"names": ["pg1"], "addresses": ["10.0.0.11", "fd00::11"], "client": True},
    "proxy1": {"names": ["proxy1"], "addresses": ["10.0.0.21"]},
}
HIDDEN = "PRIVATE KEY"


def run(plugin: Any, check_mode: bool = False, **args: Any) -> dict[str, Any]:
    task = MagicMock(args={name: str(value) if isinstance(value, Path) else value for name, value in args.items()})
    task.check_mode, task.async_val, task.no_log = check_mode, 0, False
    action = plugin.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    result: dict[str, Any] = action.run(task_vars={})
    return result


def issue(directory: Path, check_mode: bool = False, **args: Any) -> dict[str, Any]:
    return run(certificates, check_mode, **{"directory": directory, "scope": "main", "hosts": HOSTS, **args})


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_certificates_are_made_once(tmp_path: Path) -> None:
    first = issue(tmp_path / "secrets" / "tls")
    before = contents(tmp_path)
    assert first["changed"] and first["ca_made"] and len(first["issued"]) == 2
    second = issue(tmp_path / "secrets" / "tls")
    assert (second["changed"], second["issued"], second["ca_made"]) == (False, [], False)
    assert (second["hosts"], second["trusted"]) == (first["hosts"], first["trusted"])
    assert contents(tmp_path) == before


def test_everything_is_private(tmp_path: Path) -> None:
    issue(tmp_path / "secrets" / "tls")
    issue(tmp_path / "secrets" / "tls", ca_rotation="begin")
    issue(tmp_path / "secrets" / "tls", ca_rotation="switch")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})
    assert sorted(path.name for path in (tmp_path / "secrets" / "tls").iterdir()) == [
        "ca.crt",
        "ca.key",
        "hosts",
        "previous.crt",
        "trusted.crt",
    ]


@pytest.mark.parametrize("rotation", ["none", "begin", "switch", "finish"])
def test_check_mode_writes_nothing_and_tells_all(tmp_path: Path, rotation: str) -> None:
    directory = tmp_path / "secrets" / "tls"
    stages = ["none", "begin", "switch", "finish"]
    for stage in stages[: stages.index(rotation)]:
        issue(directory, ca_rotation=stage)
    before = contents(tmp_path)
    told = issue(directory, check_mode=True, ca_rotation=rotation)
    assert contents(tmp_path) == before and directory.exists() == (rotation != "none")
    assert HIDDEN in told["hosts"]["pg1"]["private_key"]
    done = issue(directory, ca_rotation=rotation)
    for key in ("changed", "issued", "ca_made", "stage", "problems"):
        assert told[key] == done[key], key
    assert told["changed"]


def test_the_result_is_hidden_without_being_asked_to(tmp_path: Path) -> None:
    assert issue(tmp_path / "tls")["_ansible_no_log"] is True


@pytest.mark.parametrize("name", ["ca.key", "trusted.crt", "hosts/proxy1.key", "hosts", "."])
def test_what_lies_open_is_refused(tmp_path: Path, name: str) -> None:
    directory = tmp_path / "tls"
    issue(directory)
    before = contents(tmp_path)
    (directory / name).chmod(0o755 if (directory / name).is_dir() else 0o644)
    for check_mode in (False, True):
        with pytest.raises(AnsibleActionFail, match="is open to others"):
            issue(directory, check_mode=check_mode, renew=["pg1"])
    assert contents(tmp_path) == before


def test_a_mistake_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match="no DNS name"):
        issue(tmp_path / "tls", hosts={"pg1": {"names": ["pg 1"]}})
    assert not (tmp_path / "tls").exists()


def test_an_argument_that_is_unknown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="ca_rotation must be one of: none, begin, switch, finish"):
        issue(tmp_path / "tls", ca_rotation="start")


def test_a_write_that_fails_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    real = private_file.write

    def fails_late(path: Path, text: str) -> None:
        written.append(path.name)
        if len(written) == 5:
            raise private_file.PrivateFileError(f"{path}: No space left on device")
        real(path, text)

    monkeypatch.setattr(private_file, "write", fails_late)
    with pytest.raises(AnsibleActionFail, match="No space left"):
        issue(tmp_path / "tls")
    ca = (tmp_path / "tls" / "ca.crt").read_text()
    result = issue(tmp_path / "tls")
    assert [one["reason"] for one in result["issued"]] == ["its key or certificate was missing", "it has none"]
    assert result["trusted"] == ca and not result["ca_made"]


def test_two_runs_at_once_make_one_ca(tmp_path: Path) -> None:
    results: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: results.append(issue(tmp_path / "tls"))) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(result["ca_made"] for result in results) == [False, False, False, True]
    assert len({result["trusted"] for result in results}) == 1


@pytest.mark.parametrize("plugin", [certificates, certificates_info])
def test_a_controller_without_the_library(plugin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pki, "USABLE", False)
    args: dict[str, Any] = {} if plugin is certificates_info else {"scope": "main", "hosts": HOSTS}
    with pytest.raises(AnsibleActionFail, match="pip install -r requirements"):
        run(plugin, directory=tmp_path / "tls", **args)


def test_info_tells_without_keys(tmp_path: Path) -> None:
    made = issue(tmp_path / "tls", days=15)
    before = contents(tmp_path)
    for path in tmp_path.rglob("*.key"):
        path.chmod(0o644)  # whoever opened it would refuse
    told = run(certificates_info, directory=tmp_path / "tls", refuse_days=16)
    assert not told["changed"] and "_ansible_no_log" not in told and HIDDEN not in str(told)
    for then, now in zip(made["expiry"], told["expiry"], strict=True):
        assert (now["what"], now["not_after"]) == (then["what"], then["not_after"])
        # Rounded down: a second later it can be a day less.
        assert then["days_left"] - now["days_left"] in (0, 1)
    assert told["stage"] == "none"
    assert ["host pg1" in told["problems"][0], "host proxy1" in told["problems"][1]] == [True, True]
    assert run(certificates_info, directory=tmp_path / "tls")["problems"] == []
    for path in tmp_path.rglob("*.key"):
        path.chmod(0o600)
    assert contents(tmp_path) == before


def test_info_of_some_hosts_and_of_nothing(tmp_path: Path) -> None:
    nothing = run(certificates_info, directory=tmp_path / "none")
    assert (nothing["expiry"], nothing["problems"]) == ([], []) and not (tmp_path / "none").exists()
    issue(tmp_path / "tls")
    told = run(certificates_info, directory=tmp_path / "tls", hosts=["pg1"])
    assert [row["what"].split()[0] for row in told["expiry"]] == ["CA", "host"]


def test_info_follows_a_rotation(tmp_path: Path) -> None:
    issue(tmp_path / "tls")
    for rotation, stage in (("begin", "begun"), ("switch", "switched"), ("finish", "none")):
        made = issue(tmp_path / "tls", ca_rotation=rotation)
        assert run(certificates_info, directory=tmp_path / "tls")["stage"] == stage == made["stage"]


def test_no_module_for_hosts_imports_the_library() -> None:
    """Hosts have no `cryptography`: nothing that Ansible would send there may lead to it."""
    plugins = Path(certificates.__file__).parents[1]
    senders = [*(plugins / "modules").glob("*.py"), *(plugins / "module_utils").rglob("*.py")]
    found = [path for path in senders if "module_utils.tls" in path.read_text() and path.parent.name != "tls"]
    assert found == [] and len(senders) > 50
    library = [path.name for path in senders if "from cryptography" in path.read_text()]
    assert library == ["pki.py"]
