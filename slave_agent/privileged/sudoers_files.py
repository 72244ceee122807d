"""Reads sudo's files as sudo does, with what they include. Only root can; only paths ever leave the helper."""

from __future__ import annotations

import re
from pathlib import Path

from slave_agent.privileged.sudoers import files_with_free_systemctl, rule_lines
from slave_agent.systemd.whole_files import read_whole

MAIN = Path("/etc/sudoers")
MOST_FILES = 200
INCLUDE = re.compile(r'[@#](include|includedir)\s+"?([^"]+?)"?\s*\Z')


def sudoers_finding(main: Path = MAIN) -> dict[str, object]:
    """Return {"files": paths of sudo's files with a rule for free use of systemctl, "unread": those not readable}."""
    texts, unread = sudoers_texts(main)
    return {"files": files_with_free_systemctl(texts), "unread": sorted(unread)}


def sudoers_texts(main: Path = MAIN) -> tuple[dict[str, str], list[str]]:
    """Return the texts of sudo's files by path, and the paths of those that can't be read."""
    texts: dict[str, str] = {}
    unread: list[str] = []
    waiting = [main]
    while waiting and len(texts) + len(unread) < MOST_FILES:
        path = waiting.pop(0)
        if str(path) in texts or str(path) in unread:
            continue
        try:
            text = read_whole(path.resolve())
        except OSError:
            unread.append(str(path))
            continue
        if text is not None:
            texts[str(path)] = text
            waiting.extend(_included(path, text))
    return texts, unread


def _included(path: Path, text: str) -> list[Path]:
    """The files that a file includes: in a folder, as sudo does, none with a dot or a tilde at the end."""
    found = []
    for line in rule_lines(text):
        if match := INCLUDE.match(line):
            named = path.parent / match[2].replace("%h", "")
            if match[1] == "include":
                found.append(named)
            elif named.is_dir():
                found.extend(one for one in sorted(named.iterdir()) if "." not in one.name and one.name[-1] != "~")
    return found
