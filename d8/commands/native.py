"""Libraries for the host's own Python, as `pip3 install --user` has it, but in a user base that only the agent sees."""

from __future__ import annotations

import shlex

from d8.shell import ShellCommand, command, script

# A Python that its distribution manages refuses --user (PEP 668) without this; an older pip doesn't know it.
BREAK_SYSTEM_PACKAGES = "--break-system-packages"


def python(interpreter: str, release: str) -> tuple[str, ...]:
    """Given the host's interpreter and a release, return the words that start it with the release's libraries."""
    return ("env", "-u", "PYTHONNOUSERSITE", f"PYTHONUSERBASE={release}/native", interpreter)


def clean(release: str) -> ShellCommand:
    """Given a release, return the command that makes its user base anew, empty."""
    return script("umask 022").and_then(command("rm", "-rf", f"{release}/native")).and_then(
        command("mkdir", "-p", f"{release}/native")
    )  # fmt: skip


def install(
    interpreter: str, pip_wheel: str | None, release: str, requirements: str, wheels: str | None
) -> ShellCommand:
    """Given the host's interpreter, pip's wheel (None: the host's own pip), the release, one of its lock files and a
    folder of wheels (None: the index), return the command that installs it for this user base alone, hashes checked.

    What the distribution has is left alone and not counted on: --ignore-installed.
    """
    pip = (*python(interpreter, release), *((f"{pip_wheel}/pip",) if pip_wheel else ("-m", "pip")))
    quiet = ("--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off", "--compile")
    source = ("--no-index", "--find-links", wheels) if wheels else ()
    locked = ("--require-hashes", "--only-binary", ":all:", "-r", f"{release}/{requirements}")
    words = command(*pip, "install", "--user", "--ignore-installed", "--no-warn-script-location", *quiet, *source)
    asking = command(*pip, "install", "--help").line
    allowed = f"flag=; {asking} | grep -q -e {BREAK_SYSTEM_PACKAGES} && flag={BREAK_SYSTEM_PACKAGES}"
    return ShellCommand(f"umask 022; {allowed}; {words.line} $flag {shlex.join(locked)}")
