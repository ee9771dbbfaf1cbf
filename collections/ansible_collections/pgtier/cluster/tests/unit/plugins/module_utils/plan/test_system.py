from __future__ import annotations

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.system import huge_pages, sysctl


@pytest.mark.parametrize(("shared_buffers_mb", "pages"), [(128, 86), (512, 298), (8192, 4522)])
def test_huge_pages_hold_the_buffers_and_a_tenth_more(shared_buffers_mb: int, pages: int) -> None:
    assert huge_pages(shared_buffers_mb) == pages
    assert pages * 2 > shared_buffers_mb * 1.1


@pytest.mark.parametrize(
    ("member", "proxy", "present", "absent"),
    [
        (True, False, "vm.overcommit_memory", "net.ipv4.ip_local_port_range"),
        (False, True, "net.ipv4.ip_local_port_range", "vm.overcommit_memory"),
        (False, False, "net.core.somaxconn", "vm.nr_hugepages"),
    ],
)
def test_a_host_gets_what_its_part_needs(member: bool, proxy: bool, present: str, absent: str) -> None:
    settings = sysctl(member=member, proxy=proxy)
    assert present in settings
    assert absent not in settings


def test_huge_pages_wait_until_the_memory_is_known() -> None:
    assert "vm.nr_hugepages" not in sysctl(member=True, proxy=False)
    assert sysctl(member=True, proxy=False, shared_buffers_mb=512)["vm.nr_hugepages"] == 298
