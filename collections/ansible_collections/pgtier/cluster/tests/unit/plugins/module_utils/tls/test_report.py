# SPDX-License-Identifier: Apache-2.0
"""What can be told from the certificates alone."""

from __future__ import annotations

from datetime import timedelta

from ansible_collections.pgtier.cluster.plugins.module_utils.tls.folder import only_hosts
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.report import of_folder

from .authorities import NOW, WHERE, User, certify, run


def public(files: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in files.items() if name.endswith(".crt")}


def test_an_empty_folder_has_nothing_to_tell() -> None:
    assert of_folder({}, {}, WHERE, NOW, 14) == ([], [])


def test_the_folder_tells_what_the_run_told() -> None:
    files = run({})
    for rotation in ("none", "begin", "switch", "finish"):
        files = run(files, ca_rotation=rotation)
        for days in (0, 355, 370, 3640):
            now = NOW + timedelta(days=days)
            result = certify(files, now=now).result
            assert of_folder(public(files), {}, WHERE, now, 14) == (result["expiry"], result["problems"])


def test_a_ca_ages_without_hosts_too() -> None:
    begun = public(run(run({}), ca_rotation="begin"))
    late = NOW + timedelta(days=3640)
    _rows, problems = of_folder(only_hosts(begun, []), {}, WHERE, late, 14)
    assert [text.split(" pgtier")[0] for text in problems] == [
        "The certificate of CA",
        "The certificate of next CA",
    ]


def test_given_certificates_win_over_stored_ones() -> None:
    root = User("Root", ca=True, end=NOW + timedelta(days=500))
    leaf = User("pg1", issuer=root, names=["pg1"], addresses=["10.0.0.11"], end=NOW + timedelta(days=5))
    stored = public(run({}, given_ca=root.both))
    rows, problems = of_folder(stored, {"pg1": leaf.pem}, WHERE, NOW, 14)
    assert [(row["what"], row["days_left"]) for row in rows] == [
        ("given CA Root", 500),
        ("host pg1", 5),
        ("host proxy1", 365),
    ]
    assert len(problems) == 1 and problems[0].endswith("You gave it, so replace what you gave by a newer one")


def test_what_cannot_be_read_is_a_problem_and_hides_nothing() -> None:
    rows, problems = of_folder({**public(run({})), "hosts/pg1.crt": "x"}, {}, WHERE, NOW, 14)
    assert [row["what"].split()[0] for row in rows] == ["CA", "host"]
    assert len(problems) == 1 and f"{WHERE}/hosts/pg1.crt is no certificate in PEM" in problems[0]


def test_hosts_that_left_may_be_left_out() -> None:
    files = public(run({}))
    assert set(files) - set(only_hosts(files, ["pg1"])) == {"hosts/proxy1.crt"}
    assert only_hosts(files, None) == files
    assert "trusted.crt" in only_hosts(files, [])
