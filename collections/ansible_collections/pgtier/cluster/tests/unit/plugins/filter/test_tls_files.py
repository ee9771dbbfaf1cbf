# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.pgtier.cluster.plugins.filter.tls_files import FilterModule
from ansible_collections.pgtier.cluster.plugins.module_utils.component.spec import ARGUMENT_SPEC

tls_files = FilterModule().filters()["tls_files"]
CERTIFICATES = {"trusted": "CA", "hosts": {"pg1": {"certificate": "CERTIFICATE", "private_key": "KEY"}}}


def test_three_files_of_which_the_key_is_secret() -> None:
    files = tls_files(CERTIFICATES, "/etc/x/tls", "pg1", "postgres", "none", "restart", ["x.service"])
    assert [(file["dest"], file["content"], file["mode"], file["secret"]) for file in files] == [
        ("/etc/x/tls/ca.crt", "CA", "0644", False),
        ("/etc/x/tls/host.crt", "CERTIFICATE", "0644", False),
        ("/etc/x/tls/host.key", "KEY", "0600", True),
    ]
    assert [file["on_change"] for file in files] == ["restart", "none", "none"]
    assert all(file["owner"] == file["group"] == "postgres" and file["units"] == ["x.service"] for file in files)
    assert all(file.keys() <= ARGUMENT_SPEC["files"]["options"].keys() for file in files)


def test_without_tls_there_are_none() -> None:
    assert tls_files({}, "", "pg1", "postgres") == []


@pytest.mark.parametrize("certificates", [{}, {"hosts": {}, "trusted": "CA"}, {"skipped": True}])
def test_a_missing_certificate_is_named(certificates: dict[str, object]) -> None:
    with pytest.raises(AnsibleFilterError, match="no certificate for pg1"):
        tls_files(certificates, "/etc/x/tls", "pg1", "postgres")
