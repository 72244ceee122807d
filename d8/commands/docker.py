"""Docker on a slave: what is needed of it, how it comes there, how the agent's image is made. Called as root only."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, replace

from d8.commands import packages
from d8.commands.preflight import HostFacts
from d8.shell import ShellCommand, command, script

MINIMUM_ENGINE = (20, 10)
MINIMUM_COMPOSE = (1, 29)
ARCHITECTURES = ("x86_64", "amd64", "aarch64", "arm64")
IMAGE = "localhost/d8-agent"  # the same name as in slave_agent/activation/containers.py
DEFAULT_REGISTRY = "registry-1.docker.io"
CONVENIENCE_SCRIPT = "https://get.docker.com"
# Debian 13 has the client in a package of its own, so the first list that can be installed is taken.
PACKAGES = {
    "apt-get": (("docker.io", "docker-cli", "docker-compose"), ("docker.io", "docker-compose")),
    "dnf": (("moby-engine", "docker-compose"),),
    "pacman": (("docker", "docker-compose"),),
    "zypper": (("docker", "docker-compose"),),
}
COMPOSE_PACKAGES = dict.fromkeys(PACKAGES, ("docker-compose",))
ASK_IMAGE = """
import json, platform, shutil, sys
has_systemctl = bool(shutil.which("systemctl") and shutil.which("journalctl"))
libc = platform.libc_ver()[0] or "musl"
print(json.dumps({"python": list(sys.version_info[:2]), "libc": libc, "has_systemctl": has_systemctl}))
"""
ASK_REGISTRY = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=15).close()
except OSError as problem:
    sys.exit("%s:%s: %s" % (sys.argv[1], sys.argv[2], problem))
"""


@dataclass(frozen=True)
class ImageFacts:
    """What a base image has: its Python's version, its C library, systemctl and journalctl."""

    python: tuple[int, int]
    libc: str
    has_systemctl: bool

    def of_host(self, facts: HostFacts) -> HostFacts:
        """Given the host, return its facts as a wheel's choice needs them inside the image."""
        return replace(facts, pythons={"/usr/bin/python3": self.python}, libc=self.libc)


def version(text: str) -> tuple[int, ...]:
    """Given a version as Docker says it (20.10.24+dfsg1, v2.27.0), return its numbers; () where there are none."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", text.strip())
    return tuple(int(number) for number in found.group(1).split(".")) if found else ()


def is_recent(text: str | None, minimum: tuple[int, int]) -> bool:
    """Given a version or None, return whether it is as new as needed."""
    return text is not None and version(text)[:2] >= minimum


def registry(image: str) -> tuple[str, int]:
    """Given the name of an image, return the host and port of the registry that it comes from."""
    first, slash, _ = image.partition("/")
    if not slash or not (set(first) & set(".:") or first == "localhost"):
        return DEFAULT_REGISTRY, 443
    host, _, port = first.partition(":")
    return host, int(port) if port.isdigit() else 443


def ask_registry(python: str, image: str) -> ShellCommand:
    """Given the host's Python and an image, return the command that tries to reach the image's registry."""
    return command(python, "-I", "-c", ASK_REGISTRY, *registry(image))


def install(manager: str, lock_seconds: float) -> ShellCommand:
    """Given a package manager of PACKAGES and how long to wait for another one, return the command that installs
    Docker and compose and starts them."""
    installs = [packages.install(manager, *names, lock_seconds=lock_seconds) for names in PACKAGES[manager]]
    ways = " || ".join(f"( {one.line} )" for one in installs)
    return ShellCommand(f"( {ways} ) && {start().line}")


def install_compose(manager: str, lock_seconds: float) -> ShellCommand:
    """Given a package manager of PACKAGES and how long to wait for another one, return the command that adds compose to
    a Docker that is there."""
    return packages.install(manager, *COMPOSE_PACKAGES[manager], lock_seconds=lock_seconds)


def install_by_script(folder: str) -> ShellCommand:
    """Given a folder, return the command that installs Docker with its makers' own script, fetched there first."""
    place = f"{folder}/get-docker.sh"
    ways = (
        command("curl", "-fsSL", CONVENIENCE_SCRIPT, "-o", place),
        command("wget", "-q", CONVENIENCE_SCRIPT, "-O", place),
    )
    fetched = ShellCommand(f"( {' || '.join(one.line for one in ways)} )")
    return fetched.and_then(command("sh", place)).and_then(start())


def start() -> ShellCommand:
    """Return the command that starts Docker now and at each boot."""
    return command("systemctl", "enable", "--now", "docker")


def bring_base(image: str) -> ShellCommand:
    """Given the base image, return the command that pulls it unless it is there."""
    return ShellCommand(f"{command('docker', 'image', 'inspect', image).line} >/dev/null 2>&1 || {pull(image).line}")


def pull(image: str) -> ShellCommand:
    """Given an image, return the command that pulls it."""
    return command("docker", "pull", "--quiet", image)


def ask_base(image: str) -> ShellCommand:
    """Given the base image, return the command that says what is in it; nothing of it reaches the network."""
    options = ("--rm", "--network", "none", "--entrypoint", "python3")
    return command("docker", "run", *options, image, "-I", "-c", ASK_IMAGE)


def read_base(answer: str) -> ImageFacts:
    """Given what it printed, return the facts. Raises ValueError."""
    try:
        raw = json.loads(answer.strip().splitlines()[-1])
        return ImageFacts((raw["python"][0], raw["python"][1]), raw["libc"], raw["has_systemctl"])
    except (KeyError, IndexError, TypeError) as problem:
        raise ValueError(f"the image's answer lacks {problem}") from problem


def build(release: str, commit: str, base: str, wheels: tuple[str, ...], needs_network: bool) -> ShellCommand:
    """Given a release, its commit, the base image and the folders (and files) of wheels on the slave, return the
    command that makes the agent's image and notes its name in the release."""
    image = f"{IMAGE}:{commit}"
    context = f"{release}/wheels"
    brought = command("rm", "-rf", context).and_then(command("mkdir", context))
    for folder in wheels:
        source = (
            command("cp", folder, context) if folder.endswith(".whl") else command("cp", "-r", f"{folder}/.", context)
        )
        brought = brought.and_then(source)
    network = () if needs_network else ("--network", "none")
    words = ("--build-arg", f"D8_DOCKER_BASE_IMAGE={base}", "--tag", image, "--file", f"{release}/Dockerfile")
    made = command("docker", "build", "--force-rm", *network, *words, release)
    noted = ShellCommand(f"echo {shlex.quote(image)} > {shlex.quote(release)}/image")
    steps = brought.and_then(made).and_then(prune()).and_then(command("rm", "-rf", context)).and_then(noted)
    return script("umask 022").and_then(steps)


def prune() -> ShellCommand:
    """Return the command that removes what our builds left without a name."""
    return command("docker", "image", "prune", "--force", "--filter", "label=d8-agent")


def remove_image(release: str, commit: str) -> ShellCommand:
    """Given a release that was removed and its commit, return the command that removes its image, unless a former
    release of the same commit is there and needs it, and what a broken build left: containers, nameless images."""
    image = command("docker", "image", "rm", "--force", f"{IMAGE}:{commit}")
    unneeded = ShellCommand(f"[ -e {shlex.quote(release)}/image ] || {image.line} >/dev/null 2>&1")
    listed = command("docker", "ps", "--all", "--quiet", "--filter", "label=d8-agent")
    removed = f"{listed.line} | xargs -r docker rm --force; {unneeded.line}; {prune().line}"
    return script(f"if command -v docker >/dev/null; then {removed}; fi")
