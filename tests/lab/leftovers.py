"""Does a lab leave anything behind? A driver that looks at the machine before and after, for test_leftovers.py.

Run in namespaces of its own (`ISOLATED`), so that it sees all mounts, links, rules and processes that come from the
lab, and none that come from anybody else. Given an argv, it runs it, stops it as told, and prints the differences.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.lab import cgroups, machine, procfs
from tests.lab.forwarding import SWITCH

ISOLATED = (
    "setpriv", "--pdeathsig", "KILL",
    "unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
)  # fmt: skip

Snapshot = dict[str, list[str]]


def take_snapshot(folders: Sequence[Path], number_file: Path | None = None) -> Snapshot:
    """Return everything a lab could leave, by kind, as sorted lines.

    Control groups can't be hidden from each other by namespaces: the file, once it is there, says which are meant.
    """
    number = int(number_file.read_text()) if number_file and number_file.exists() else None
    rules = machine.run(["iptables-save"]).stdout.splitlines()
    links = json.loads(machine.run(["ip", "-json", "address"]).stdout)
    return {
        "mounts": sorted(f"{point} {kind}" for point, kind in procfs.mount_points()),
        "links": sorted(f"{link['ifname']} {[info['local'] for info in link['addr_info']]}" for link in links),
        "rules": sorted(line for line in rules if line.startswith("-")),
        "forwarding": [SWITCH.read_text().strip()],
        "processes": sorted(_processes()),
        "groups": [cgroups.group_of_lab(number)] if number in cgroups.claimed_numbers() and number else [],
        "files": sorted(file for folder in folders for file in _files(folder, depth=3)),
    }


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """Return one line for each thing that came or went, none when nothing did."""
    lines = []
    for kind, earlier in before.items():
        lines += [f"{kind}: left {item}" for item in after[kind] if item not in earlier]
        lines += [f"{kind}: lost {item}" for item in earlier if item not in after[kind]]
    return lines


def _files(folder: Path, depth: int) -> list[str]:
    """What is in the folder, so many levels down: whole disks of hosts need not be listed to be seen."""
    found = []
    for parent, folders, files in os.walk(folder):
        found += [str(Path(parent) / name) for name in [*folders, *files]]
        if len(Path(parent).relative_to(folder).parts) >= depth - 1:
            folders.clear()
    return found


def _processes() -> list[str]:
    """All living processes of the namespace, as pid and name. This one is its process 1, so orphans come to it."""
    found = []
    for entry in procfs.PROC.glob("[0-9]*"):
        try:
            status = (entry / "status").read_text()
        except OSError:
            continue
        if "\nState:\tZ" not in status:
            found.append(f"{entry.name} {status.split()[1]}")
    return found


def _reap_orphans() -> None:
    """Do what a process 1 does: a host ends only when its last zombie is reaped. Gives the kernel a moment for it."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.02)
        except ChildProcessError:
            return


def stop(process: subprocess.Popen[bytes], signals: Sequence[str], pause_seconds: float) -> None:
    """Send the signals, one after the other."""
    for name in signals:
        process.send_signal(signal.Signals[name])
        time.sleep(pause_seconds)


def main() -> int:
    """Run as `leftovers.py --watch FOLDER… [--ready FILE | --after SECONDS] [--signal NAME…] -- ARGV`; print JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--watch", type=Path, action="append", default=[])
    parser.add_argument("--number", type=Path, help="the file that will hold the lab's number")
    parser.add_argument("--ready", type=Path)
    parser.add_argument("--after", type=float, default=0.0)
    parser.add_argument("--signal", action="append", default=[])
    parser.add_argument("--then", help="a shell line that runs afterwards, as the next lab would")
    parser.add_argument("argv", nargs="+")
    options = parser.parse_args()

    for point, kind in procfs.mount_points():  # the disks of other labs, which may end any moment
        if kind == "overlay" and point.endswith("/root"):
            machine.run(["umount", "--lazy", point], check=False)
    machine.run(["mount", "-t", "tmpfs", "tmpfs", "/run/systemd"])  # nspawn's own traces of other labs are not ours
    machine.run(["mkdir", "-p", "/run/systemd/nspawn/locks", "/run/systemd/nspawn/propagate"])
    machine.run(["ip", "link", "set", "lo", "up"])
    SWITCH.write_text("0")
    machine.run(["iptables", "-S"])
    watched = [*options.watch, Path("/run/systemd")]
    before = take_snapshot(watched, options.number)
    process = subprocess.Popen(options.argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 60
    while options.ready and not options.ready.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(options.after)
    during = take_snapshot(watched, options.number)
    stop(process, options.signal, pause_seconds=0.1)
    output = process.communicate(timeout=90)[0].decode("utf-8", "replace")
    if options.then:
        output += machine.run(["sh", "-c", options.then], check=False, timeout_seconds=90).stderr
    _reap_orphans()
    after = take_snapshot(watched, options.number)
    result = {
        "returncode": process.returncode,
        "output": output,
        "during": differences(before, during),
        "left": differences(before, after),
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
