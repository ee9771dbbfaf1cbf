"""Who shows the wrong certificate is not spoken to: by clients, and by the tier's own parts."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from attacker import SSL_REQUEST, on
from forgery import Forger, Pair, fingerprint
from ports import STRANGER
from tier import Tier, wait_until

# The certificate, and what libpq says of it.
WRONG = {
    "another authority's": "certificate verify failed",
    "expired": "certificate verify failed",
    "another host's": "does not match host name",
}


@pytest.fixture(scope="module")
def forger(tier: Tier) -> Forger:
    return Forger(tier)


def make(forger: Forger, wrong: str, *addresses: str, names: tuple[str, ...] = ()) -> Pair:
    return {
        "another authority's": lambda: forger.of_another_authority(*addresses, names=names),
        "expired": lambda: forger.expired(*addresses, names=names),
        "another host's": forger.of_another_host,
    }[wrong]()


class Impostor:
    """Takes connections as PostgreSQL or PgBouncer does, and notes what a client says after the handshake."""

    def __init__(self, address: str, pair: Pair, directory: Path) -> None:
        file = directory / "pair.pem"
        file.touch(0o600)
        file.write_text("".join(pair))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(file)
        self.listener = socket.create_server((address, 0))
        self.port = self.listener.getsockname()[1]
        self.heard: list[bytes] = []

    def serve(self) -> None:
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            plain.settimeout(5)
            with contextlib.suppress(OSError), plain:
                if plain.recv(8) == SSL_REQUEST:
                    plain.sendall(b"S")
                    with self.context.wrap_socket(plain, server_side=True) as encrypted:
                        self.heard.append(encrypted.recv(1024))


@contextlib.contextmanager
def impostor(address: str, pair: Pair, directory: Path) -> Iterator[Impostor]:
    one = Impostor(address, pair, directory)
    thread = threading.Thread(target=one.serve, daemon=True)
    thread.start()
    try:
        yield one
    finally:
        # Wakes up who waits for a client.
        with contextlib.suppress(OSError):
            one.listener.shutdown(socket.SHUT_RDWR)
        one.listener.close()
        thread.join(10)
        assert not thread.is_alive()


def test_a_client_speaks_to_who_has_the_right_certificate(
    tier: Tier, forger: Forger, own_address: str, tmp_path: Path
) -> None:
    """The control of the next test: the impostor would hear who wants to log in."""
    with impostor(own_address, forger.right(own_address), tmp_path) as one:
        with pytest.raises(psycopg.OperationalError):
            tier.connect("primary", proxy=0, host=own_address, port=one.port).close()
        assert len(one.heard) == 1 and tier.user.encode() in one.heard[0]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_client_tells_an_impostor_nothing(
    tier: Tier, forger: Forger, own_address: str, tmp_path: Path, wrong: str
) -> None:
    with impostor(own_address, make(forger, wrong, own_address), tmp_path) as one:
        with pytest.raises(psycopg.OperationalError, match=WRONG[wrong]):
            tier.connect("primary", proxy=0, host=own_address, port=one.port).close()
        assert [said for said in one.heard if said] == []


@pytest.fixture
def disguise(tier: Tier) -> Iterator[Callable[[str, Pair], None]]:
    """Gives a member another certificate, for PostgreSQL and for Patroni; takes it back at the end."""
    directory = "/etc/patroni/tls"
    disguised: list[str] = []

    def put(host: str, pair: Pair) -> None:
        disguised.append(host)
        tier.feed(host, f"cp -a {directory} /root/tls.before", "")
        for name, text in zip(("host.crt", "host.key"), pair, strict=True):
            tier.feed(host, f"cat > {directory}/{name}", text)
        tier.feed(host, "systemctl reload patroni", "")

    yield put
    for host in disguised:
        tier.feed(host, f"cp -a /root/tls.before/. {directory}/; rm -r /root/tls.before; systemctl reload patroni", "")


def states(tier: Tier, member: str) -> set[str]:
    """How the proxies' checks see a member: codes of HAProxy's, such as L7OK and L6RSP."""
    asked = "echo show stat | python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); "
    asked += 's.connect("/run/haproxy/admin.sock"); s.sendall(sys.stdin.buffer.read()); '
    asked += "print(s.makefile().read())'"
    found = set()
    for proxy in tier.groups["proxy"]:
        lines = [line.split(",") for line in tier.host(proxy).check_output(asked).splitlines()]
        header = next(line for line in lines if line[0] == "# pxname")
        at = {name: header.index(name) for name in ("svname", "check_status", "status")}
        for line in lines:
            if line[0] == "replica" and line[at["svname"]] == member:
                # A star says that the next check is under way.
                found.add(f"{line[at['status']]} {line[at['check_status']].removeprefix('* ')}")
    return found


def is_up(tier: Tier, member: str) -> bool:
    return states(tier, member) == {"UP L7OK"}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_member_with_the_wrong_certificate_is_left_alone(
    tier: Tier, forger: Forger, disguise: Callable[[str, Pair], None], wrong: str
) -> None:
    """HAProxy takes it out, the pools of reads do without it, and a client that goes there by itself is warned."""
    victim, other = tier.replicas()
    names = (victim, "localhost", "primary.pgtier", "replica.pgtier", "session.replica.pgtier")
    pair = make(forger, wrong, tier.address(victim), "127.0.0.1", names=names)
    wait_until(f"every proxy takes {victim}", 15, partial(is_up, tier, victim))
    disguise(victim, pair)
    wait_until(
        f"every proxy has taken {victim} out because of its certificate",
        15,
        lambda: all(state.startswith("DOWN L6") for state in states(tier, victim)),
    )
    (answer,) = on(tier, STRANGER, [("tls", {"host": tier.address(victim), "port": 5432, "postgres": True})])
    assert answer["served"] == fingerprint(pair[0])
    direct = {"host": tier.address(victim), "port": 5432, "hostaddr": tier.address(victim)}
    with pytest.raises(psycopg.OperationalError, match=WRONG[wrong]):
        tier.connect("replica_direct", proxy=0, **direct).close()
    for proxy in range(len(tier.groups["proxy"])):
        for endpoint in ("replica", "replica_session", "replica_direct"):
            for _ in range(4):
                server = tier.ask(endpoint, "SELECT host(inet_server_addr())", proxy=proxy)
                assert server == tier.address(other), f"{endpoint} of proxy {proxy}"


def test_it_is_back_with_its_own_certificate(tier: Tier) -> None:
    for victim in tier.replicas():
        wait_until(f"every proxy takes {victim} again", 15, partial(is_up, tier, victim))
