"""Takes away what a ledger lists. Each way is safe to repeat, and safe where the thing was never made."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from tests.lab import cgroups, machine, network, procfs
from tests.lab.errors import LabError
from tests.lab.ledger import Ledger, Trace, TraceKind


def undo_all(ledger: Ledger, traces: Iterable[Trace]) -> None:
    """Take the traces away, the last made first. Goes on after a failure, and raises LabError with all of them."""
    failures = []
    for trace in reversed(list(traces)):
        try:
            undo(trace)
            ledger.is_gone(trace)
        except (LabError, OSError) as error:
            failures.append(f"{trace.kind.value} {' '.join(trace.words)}: {error}")
    if failures:
        raise LabError("left behind, run `python3 -m tests.lab down --all` again: " + "; ".join(failures))


def undo(trace: Trace) -> None:
    """Take one thing away. Raises LabError or OSError when it will not go."""
    match trace.kind:
        case TraceKind.FOLDER:
            remove_folder(Path(trace.words[0]))
        case TraceKind.FILE:
            Path(trace.words[0]).unlink(missing_ok=True)
        case TraceKind.MOUNT:
            unmount(Path(trace.words[0]))
        case TraceKind.LINK:
            network.delete_link(trace.words[0])
        case TraceKind.RULE:
            network.delete_rule(trace.words)
        case TraceKind.CGROUP:
            cgroups.remove(trace.words[0])


def unmount(point: Path) -> None:
    """Unmount what is at the folder, once or stacked; wait a little for the last user to let go."""
    for _ in range(100):
        if not procfs.mounts_at_or_under(point):
            return
        machine.run(["umount", "--recursive", str(point)], check=False)
        if procfs.mounts_at_or_under(point):
            time.sleep(0.05)
    machine.run(["umount", "--recursive", "--lazy", str(point)])


def remove_folder(folder: Path) -> None:
    """Delete a folder and all below it, never what is mounted there: that would delete somebody else's files."""
    if mounted := procfs.mounts_at_or_under(folder):
        raise LabError(f"{mounted[0]} is still mounted: unmount it, then try again")
    if folder.is_dir():
        shutil.rmtree(folder)
