"""What the base image is made of, as data: pure, so that its hash is the image's key.

The packages that a tier needs are downloaded into the image's apt archive but not installed: hosts begin as bare as a
new server, and no package is downloaded twice.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass

SUITE = "trixie"
INSTALLED = [
    *("systemd", "systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "sudo"),
    *("python3", "python3-apt", "ca-certificates", "tzdata"),
    *("iproute2", "iputils-ping", "nftables", "netbase", "procps"),
]

APT_OPTIONS = {
    "APT::Install-Recommends": "false",
    "Acquire::Languages": "none",
    # apt (not apt-get) deletes packages it has installed: hosts share these through the overlay.
    "Binary::apt::APT::Keep-Downloaded-Packages": "true",
}
DPKG_OPTIONS = [
    # A host that loses its disk is made anew: no need to wait for it at every file.
    "force-unsafe-io",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
]
PASSED_ON = re.compile(r"Acquire::(https?::Proxy|Retries|Check-Valid-Until|Check-Date)", re.IGNORECASE)
"""How this machine reaches its mirror holds for its hosts too, as they go out through it."""

CUSTOMIZE = r"""set -eu
root=$1
chroot "$root" useradd --create-home --shell /bin/bash admin
printf 'admin ALL=(ALL:ALL) NOPASSWD:ALL\n' >"$root/etc/sudoers.d/admin"
chmod 0440 "$root/etc/sudoers.d/admin"
# Each host gets a key of its own before its first start.
rm -f "$root"/etc/ssh/ssh_host_*
cat >"$root/etc/ssh/sshd_config.d/lab.conf" <<'END'
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin no
PasswordAuthentication no
UseDNS no
END
chroot "$root" systemctl --quiet enable systemd-networkd.service ssh.service
# These take dpkg's lock at times of their own choosing.
chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer
# The journal is kept: after a power loss one wants to read what came before.
mkdir -p "$root/var/log/journal"
# What systemd does at the first start after an update of /usr is done once, here.
chroot "$root" journalctl --quiet --update-catalog
chroot "$root" /usr/lib/systemd/systemd-update-done
rm -f "$root/etc/hostname" "$root/etc/resolv.conf" "$root/etc/machine-id"
"""


@dataclass(frozen=True)
class Recipe:
    suite: str
    sources: tuple[str, ...]
    apt_options: tuple[tuple[str, str], ...]
    dpkg_options: tuple[str, ...]
    installed: tuple[str, ...]
    downloaded: tuple[str, ...]
    customize: str

    @property
    def key(self) -> str:
        """Names the image: another ingredient, another image. The suite is in it for who looks at the cache."""
        told = json.dumps(asdict(self), sort_keys=True)
        return f"{self.suite}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"

    def command(self, target: str, download: str, customize: str) -> list[str]:
        """The mmdebstrap command; `download` and `customize` are the paths of the two hook scripts."""
        return [
            "mmdebstrap",
            "--mode=root",
            "--variant=minbase",
            f"--include={','.join(self.installed)}",
            *(f'--aptopt={name} "{value}"' for name, value in self.apt_options),
            *(f"--dpkgopt={option}" for option in self.dpkg_options),
            "--skip=cleanup/apt/lists,cleanup/apt/cache",
            f"--customize-hook={download}",
            f"--customize-hook={customize}",
            self.suite,
            target,
            *self.sources,
        ]

    @property
    def download(self) -> str:
        """The first hook: the base system's own packages leave the archive, the tier's come in."""
        wanted = " ".join(self.downloaded)
        return (
            'set -eu\nchroot "$1" apt-get clean\n'
            + (f'chroot "$1" apt-get install --yes --quiet --download-only {wanted}\n' if wanted else "")
            # What apt computes from its lists at first use, computed once for all hosts.
            + 'chroot "$1" apt-cache gencaches\n'
        )


def recipe(downloaded: list[str], mirrors: tuple[str, str] | None, apt_configuration: dict[str, str]) -> Recipe:
    """`mirrors` are this machine's own, for the archive and for security updates; mmdebstrap knows Debian's without."""
    passed_on = {name: value for name, value in apt_configuration.items() if PASSED_ON.fullmatch(name) and value}
    sources: tuple[str, ...] = ()
    if mirrors:
        archive, security = mirrors
        sources = (
            f"deb {archive} {SUITE} main",
            f"deb {archive} {SUITE}-updates main",
            f"deb {security} {SUITE}-security main",
        )
    return Recipe(
        suite=SUITE,
        sources=sources,
        apt_options=tuple(sorted({**APT_OPTIONS, **passed_on}.items())),
        dpkg_options=tuple(DPKG_OPTIONS),
        installed=tuple(INSTALLED),
        downloaded=tuple(sorted(set(downloaded))),
        customize=CUSTOMIZE,
    )


def mirrors(files: dict[str, str]) -> tuple[str, str] | None:
    """Debian's archive and security mirror, out of apt's sources files (path -> text); None if not both are there."""
    uris: list[str] = []
    for path, text in sorted(files.items()):
        for line in text.splitlines():
            if path.endswith(".sources"):
                match = re.match(r"URIs:\s*(.+)", line)
                uris += match[1].split() if match else []
            else:
                match = re.match(r"deb\s+(?:\[[^]]*]\s+)?(\S+)", line)
                uris += [match[1]] if match else []
    trimmed = [uri.rstrip("/") for uri in uris]
    archive = next((uri for uri in trimmed if uri.endswith("/debian")), None)
    security = next((uri for uri in trimmed if uri.endswith("/debian-security")), None)
    return (archive, security) if archive and security else None


def apt_configuration(dump: str) -> dict[str, str]:
    """The output of `apt-config dump` as a dict."""
    return dict(re.findall(r'^(\S+) "(.*)";$', dump, flags=re.MULTILINE))
