#!/usr/bin/env python3
# -*- coding: utf-8 -*-
"""Starts D8: sets up .venv at the first run, then opens the menu or runs a command. `start_d8.py --help` lists them.

This file alone has to parse on old Pythons, so that it can say what it needs: no f-strings, no annotations.
"""

import os
import sys

NEEDED = (3, 11)
PROJECT = os.path.dirname(os.path.abspath(__file__))


def explain_old_python():
    """Return what to tell somebody whose Python is too old."""
    lines = [
        "D8 needs Python %d.%d or newer; this is Python %s." % (NEEDED[0], NEEDED[1], sys.version.split()[0]),
        "D8 necesita Python %d.%d o posterior." % NEEDED,
        "",
    ]
    newer = find_newer_python()
    if newer:
        lines.append("This machine has one / Esta máquina tiene uno:  %s start_d8.py" % newer)
    else:
        lines += [
            "  Debian 12+, Ubuntu 24.04+, Raspberry Pi OS 12+:  sudo apt install python3 python3-venv",
            "  Fedora, RHEL 9+:                                 sudo dnf install python3.11",
            "  elsewhere:  https://www.python.org/downloads/  or  uv python install 3.11",
        ]
    return "\n".join(lines)


def find_newer_python():
    """Return the name of a Python on this machine that is new enough, or None."""
    for minor in range(20, NEEDED[1] - 1, -1):
        name = "python3.%d" % minor
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            if os.access(os.path.join(folder, name), os.X_OK):
                return name
    return None


def main():
    """Check the Python, then hand over to the package."""
    if sys.version_info < NEEDED:
        sys.stderr.write(explain_old_python() + "\n")
        return 1
    if os.path.realpath(sys.prefix) == os.path.realpath(os.path.join(PROJECT, ".venv")):
        from d8.cli import main as run_command

        return run_command(sys.argv[1:])
    from d8.first_run.start import start

    return start(sys.argv[1:])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(1)
