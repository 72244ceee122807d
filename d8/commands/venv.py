"""The virtual environment of a release: made and filled with uv, or with pip's wheel; the master sends both."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from d8.shell import ShellCommand, command, script

REQUIREMENTS = "slave_agent/requirements.txt"
PSUTIL = "slave_agent/requirements-psutil.txt"
# The wheel of uv is a zip whose only program lies in NAME.data/scripts/.
UNPACK_UV = """
import os, sys, zipfile
wheel, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    name = next(name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
    with open(target + ".new", "wb") as stream:
        stream.write(archive.read(name))
os.chmod(target + ".new", 0o755)
os.replace(target + ".new", target)
"""


@dataclass(frozen=True)
class Installer:
    """What installs packages into a venv: `uv` or `pip`, and the path of its program or wheel on the slave."""

    kind: str
    path: str


def unpack_uv(python: str, wheel: str, target: str) -> ShellCommand:
    """Given uv's wheel on the slave, return the command that takes the program out of it and asks its version."""
    return command(python, "-I", "-c", UNPACK_UV, wheel, target).and_then(command(target, "--version"))


def create(installer: Installer, python: str, release: str) -> ShellCommand:
    """Given what installs, the interpreter and the release, return the command that makes an empty venv in it.

    A half venv of an earlier attempt is removed first; pip is not needed inside, for its wheel runs from outside.
    """
    venv = f"{release}/venv"
    clean = script("umask 022").and_then(command("rm", "-rf", venv))
    if installer.kind == "uv":
        words = ("venv", "--no-config", "--no-project", "--no-python-downloads", "--python", python)
        made = command(installer.path, *words, "--no-cache", venv)
    else:
        made = command(python, "-m", "venv", "--without-pip", venv)
    return clean.and_then(made)


def install(installer: Installer, release: str, requirements: str) -> ShellCommand:
    """Given what installs, the release and one of its lock files, return the command that installs it, hashes checked.

    Compiled ahead: the hardened agent can't write .pyc files, and starts in half the time with them.
    """
    target = f"{release}/{requirements}"
    python = f"{release}/venv/bin/python"
    if installer.kind == "uv":
        cache = shlex.quote(f"{installer.path}-cache")
        environment = f"umask 022; export UV_CACHE_DIR={cache} UV_LINK_MODE=copy NO_COLOR=1 UV_NO_PROGRESS=1"
        words = ("pip", "install", "--no-config", "--system-certs", "--python", python)
        install = command(installer.path, *words, "--require-hashes", "--only-binary", ":all:", "-r", target)
        compiled = ShellCommand(f"{install.line} --compile-bytecode")
        return ShellCommand(f"{environment}; {compiled.line}; status=$?; rm -rf {cache}; exit $status")
    words = ("install", "--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off", "--compile")
    return script("umask 022").and_then(
        command(python, f"{installer.path}/pip", *words, "--require-hashes", "--only-binary", ":all:", "-r", target)
    )


def use_system_packages(release: str) -> ShellCommand:
    """Given a release, return the command that lets its venv see the distribution's packages (psutil)."""
    change = "s/^include-system-site-packages *=.*/include-system-site-packages = true/"
    return command("sed", "-i", change, f"{release}/venv/pyvenv.cfg")
