"""Clocks that jump: what a host's services take for the time of day, set apart from that of this computer.

The lab's hosts share one kernel and with it one clock. libfaketime answers in the kernel's stead: it is loaded into
Patroni, whose children all of PostgreSQL are, and into PgBouncer, and adds to the time of day what a file says. The
monotonic clock is left alone, as it is when somebody sets a real one.

etcd keeps the right time throughout. It is a static Go program, which asks the kernel without a library in between, so
that nothing can be loaded into it. HAProxy and the tier's own programs are left alone too, as is the host's ssh.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.pgtier.cluster.plugins.module_utils.drill.faults import Fault
from tier import Tier, wait_until

# Read by whoever is made to: outside of what units hide from their processes.
_OFFSET = "/run/pgtier-clock"
_LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
_UNIT = f"""[Service]
Environment=LD_PRELOAD={_LIBRARY} FAKETIME_TIMESTAMP_FILE={_OFFSET}
Environment=FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_CACHE_DURATION=1
"""
HOUR = 3600


def _jump(name: str, target: str, does: str, seconds: int, bound: float) -> Fault:
    """There, and when it is healed back again: each is one of two jumps."""
    return Fault(name, target, does, f"echo {seconds:+d} > {_OFFSET}", bound, 30, f"echo +0 > {_OFFSET}")


FAULTS = {
    fault.name: fault
    for fault in (
        _jump("clock_forward", "leader", "the primary's clock goes an hour forward, and back", HOUR, 5),
        _jump("clock_back", "leader", "the primary's clock goes an hour back, and forward", -HOUR, 5),
        _jump(
            "clock_minutes",
            "leader",
            "the primary's clock goes two minutes forward, more than the leader's term, and back",
            120,
            5,
        ),
        _jump("clock_replicas", "replicas", "all replicas' clocks go an hour forward, and back", HOUR, 5),
        _jump("clock_proxy", "proxy", "a proxy's clock goes an hour forward, and back", HOUR, 5),
        _jump("clock_proxy_back", "proxy", "a proxy's clock goes an hour back, and forward", -HOUR, 5),
    )
}


@contextmanager
def of_their_own(tier: Tier) -> Iterator[None]:
    """Every member's and every proxy's services have a clock that a fault can set."""
    services = {"patroni": tier.groups["postgres"], "pgbouncer@": tier.groups["proxy"]}
    try:
        for unit, hosts in services.items():
            for name in hosts:
                tier.feed(name, "sh -eus", _installed(unit))
                _again(tier, name, unit)
        yield
    finally:
        for unit, hosts in services.items():
            for name in hosts:
                tier.feed(name, "sh -eus", f"rm -f /etc/systemd/system/{unit}.service.d/zz-clock.conf {_OFFSET}")
                _again(tier, name, unit)


def _installed(unit: str) -> str:
    return (
        f"test -e {_LIBRARY} || {{ apt-get -q update; apt-get -qy install --no-install-recommends libfaketime; }} >&2\n"
        f"echo +0 > {_OFFSET}\nchmod 0644 {_OFFSET}\n"
        f"mkdir -p /etc/systemd/system/{unit}.service.d\n"
        f"cat > /etc/systemd/system/{unit}.service.d/zz-clock.conf <<'END'\n{_UNIT}END\n"
    )


def _again(tier: Tier, name: str, unit: str) -> None:
    which = (
        "patroni" if unit == "patroni" else "$(systemctl list-units --plain --no-legend 'pgbouncer@*' | cut -d' ' -f1)"
    )
    tier.feed(name, "sh -eus", f"systemctl daemon-reload\nsystemctl restart {which}\n")
    wait_until("every member is there and streams", 90, tier.whole)
