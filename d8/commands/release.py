"""A release on the slave: its folder, how it is unpacked, what proves that it is whole."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from d8.commands.preflight import HostFacts
from d8.models import StrategyName
from d8.shell import ShellCommand, command, script

SYSTEM_RELEASES = "/opt/d8-agent/releases"
USER_RELEASES = ".local/share/d8-agent/opt/releases"
# Roots and agents read a release; nobody but its owner writes it. One that was confirmed before steps aside, whole,
# until the new one of the same commit is confirmed: it is what the slave goes back to. `unproved` goes at that moment.
UNPACK = """set -e; umask 022
if [ -e "$release/agent.json" ] && [ ! -e "$release/unproved" ] && [ ! -e "$release.former" ]; then
    mv "$release" "$release.former"
fi
rm -rf "$release" "$release.new"; mkdir -p "$release.new"
tar -xzf "$archive" -C "$release.new" --no-same-owner --no-same-permissions
cp "$release.new/slave_agent/activation/d8-activate" "$release.new/d8-activate"; chmod 755 "$release.new/d8-activate"
printf '%s\\n' "$facts" > "$release.new/release.json"; : > "$release.new/unproved"
mv "$release.new" "$release"
"""
REMOVE = """set -e; rm -rf "$release.new"
if [ -e "$release.former" ]; then rm -rf "$release"; mv "$release.former" "$release"
elif [ -e "$release/unproved" ] || [ ! -e "$release/agent.json" ]; then rm -rf "$release"; fi
"""
IMPORT_CHECK = """
import sys
sys.path.insert(0, sys.argv[1])
import a2wsgi, flask, psutil, uvicorn
import slave_agent.server
print("the agent and its libraries import, psutil", psutil.__version__)
"""


def folder(facts: HostFacts, commit: str) -> str:
    """Given the host and the commit, return the folder of the release: root's where there is root, else in the home."""
    if facts.is_for_root:
        return f"{SYSTEM_RELEASES}/{commit}"
    return f"{facts.home}/{USER_RELEASES}/{commit}"


def launcher(facts: HostFacts) -> str:
    """Given the host, return the activation program that stays while releases come and go."""
    return folder(facts, "").removesuffix("releases/") + "control/d8-activate"


@dataclass(frozen=True)
class ReleaseFacts:
    """What a release says of itself in release.json: `runtime` is what its agent runs in, `python` the host's
    interpreter for it."""

    commit: str
    branch: str | None
    version: str
    runtime: StrategyName
    python: str


def unpack(archive: str, release: str, about: ReleaseFacts) -> ShellCommand:
    """Given an uploaded tar.gz and the release's folder, return the command that makes it anew from the archive."""
    facts = json.dumps(asdict(about))
    values = f"archive={shlex.quote(archive)} release={shlex.quote(release)} facts={shlex.quote(facts)}"
    return script(f"{values}\n{UNPACK}")


def remove(release: str) -> ShellCommand:
    """Given a release's folder, return the command that removes what an attempt made there, finished or not, and never
    a release that was confirmed: a former one comes back. Folders that only held it go as well."""
    parents = [str(folder) for folder in list(PurePosixPath(release).parents)[:3] if "d8-agent" in folder.parts]
    empty = f"{{ {command('rmdir', *parents).line} 2>/dev/null || true; }}"
    return script(f"release={shlex.quote(release)}\n{REMOVE}{empty if parents else ''}")


def check(release: str, python: tuple[str, ...], options: tuple[str, ...] = ("-I",)) -> ShellCommand:
    """Given an installed release, the words that start its Python and the options that keep everything foreign out,
    return the command that compiles the agent and proves that it imports."""
    compiled = script("umask 022").and_then(command(*python, "-m", "compileall", "-q", f"{release}/slave_agent"))
    return compiled.and_then(command(*python, *options, "-c", IMPORT_CHECK, release))
