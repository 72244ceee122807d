"""The virtual environment of a release: made and filled with uv, or with pip's wheel; the master sends both."""

from __future__ import annotations

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


def unpack_wheels(archive: str, folder: str) -> ShellCommand:
    """Given the archive of wheels that was uploaded and a folder, return the command that fills the folder anew."""
    return command("rm", "-rf", folder).and_then(command("mkdir", "-p", folder)).and_then(
        command("tar", "-xf", archive, "-C", folder)
    )  # fmt: skip


def install(installer: Installer, release: str, requirements: str, wheels: str | None) -> ShellCommand:
    """Given what installs, the release and one of its lock files, return the command that installs it, hashes checked:
    from a folder of wheels, or from the index.

    Compiled ahead: the hardened agent can't write .pyc files, and starts in half the time with them.
    """
    python = f"{release}/venv/bin/python"
    locked = ("--require-hashes", "--only-binary", ":all:", "-r", f"{release}/{requirements}")
    source = ("--no-index", "--find-links", wheels) if wheels else ()
    if installer.kind == "uv":
        cache = f"{installer.path}-cache"
        words = ("pip", "install", "--no-config", "--system-certs", "--python", python, "--compile-bytecode")
        settings = ("env", f"UV_CACHE_DIR={cache}", "UV_LINK_MODE=copy", "NO_COLOR=1", "UV_NO_PROGRESS=1")
        installing = command(*settings, installer.path, *words, *source, *locked)
        removing = command("rm", "-rf", cache)
        return ShellCommand(f"umask 022; {installing.line}; status=$?; {removing.line}; exit $status")
    quiet = ("--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off", "--compile")
    pip = command(python, f"{installer.path}/pip", "install", *quiet, *source, *locked)
    return script("umask 022").and_then(pip)


def use_system_packages(release: str) -> ShellCommand:
    """Given a release, return the command that lets its venv see the distribution's packages (psutil)."""
    change = "s/^include-system-site-packages *=.*/include-system-site-packages = true/"
    return command("sed", "-i", change, f"{release}/venv/pyvenv.cfg")
