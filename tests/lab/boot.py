"""Starts and stops a host: its disk, its control group, nspawn, and the wait until systemd says it is up."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.lab import cgroups, machine, machine_facts, network, nspawn, procfs
from tests.lab.errors import HostNotRunning, LabError
from tests.lab.ledger import Ledger, TraceKind
from tests.lab.profiles import KINDS
from tests.lab.records import HostRecord

POLL_SECONDS = 0.05
BOOTED = ("running", "degraded")

_children: dict[Path, subprocess.Popen[bytes]] = {}  # the nspawn processes that this process has to reap


def make_disk(host: HostRecord, ledger: Ledger) -> None:
    """Make the host's folder and mount its disk: the image below, an empty layer of its own on top."""
    ledger.will_make(host.trace(TraceKind.FOLDER, str(host.folder)), host.trace(TraceKind.MOUNT, str(host.root_dir)))
    for name in ("upper", "overlay", "root", "docker"):
        (host.folder / name).mkdir(parents=True)
    for path, text in nspawn.identity_files(host, Path("/etc/hosts").read_text()).items():
        file = host.folder / "upper" / path.lstrip("/")
        _make_parents_like_image(host, file.parent)
        file.write_text(text)
    machine.run(["mount", "-t", "overlay", "d8-lab", "-o", nspawn.overlay_options(host), str(host.root_dir)])
    root = host.root_dir.stat()
    lock, propagate = nspawn.leftovers(host, root.st_dev, root.st_ino)
    ledger.will_make(host.trace(TraceKind.FILE, str(lock)), host.trace(TraceKind.FOLDER, str(propagate)))


def _make_parents_like_image(host: HostRecord, folder: Path) -> None:
    """In an overlay the topmost folder's owner and mode count: ordinary system folders, root's and 0755."""
    folder.mkdir(parents=True, exist_ok=True)
    while folder != host.folder / "upper":
        folder.chmod(0o755)
        folder = folder.parent
    folder.chmod(0o755)


def start(host: HostRecord, ledger: Ledger) -> None:
    """Boot the host from its disk, and come back at once. Nothing happens when it runs already."""
    if is_running(host):
        return
    _reap(host)
    ledger.will_make(host.trace(TraceKind.LINK, host.interface), host.trace(TraceKind.CGROUP, host.cgroup))
    cgroups.create(host.cgroup)
    command = nspawn.boot(host, machine_facts.resolv_conf_mode(), KINDS[host.profile].runs_containers)
    with (host.folder / "console.log").open("ab") as console:
        _children[host.folder] = subprocess.Popen(
            nspawn.enter(cgroups.entrances(host.cgroup), command),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env=nspawn.ROOT_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )


def wait_booted(host: HostRecord, timeout_seconds: float) -> None:
    """Wait until systemd in the host has started all it starts, and its address is up.

    Raises LabError with the end of the console when the host stops or the time runs out.
    """

    def is_past_nspawn() -> bool:
        _raise_if_ended(host)
        leader = find_leader(host)
        return leader is not None and procfs.command_name(leader) in ("systemd", "init")

    def is_booted() -> bool:
        _raise_if_ended(host)
        leader = find_leader(host)
        return leader is not None and _has_address(host, leader) and _system_state(leader) in BOOTED

    deadline = time.monotonic() + timeout_seconds
    if KINDS[host.profile].runs_containers and wait_until(is_past_nspawn, timeout_seconds):
        _let_containers_have_controllers(leader_of(host))  # before dockerd starts, else it fails and tries again
    if not wait_until(is_booted, deadline - time.monotonic()):
        raise LabError(f"{host.name} did not boot within {timeout_seconds} s: {_console_end(host)}")


def is_running(host: HostRecord) -> bool:
    """Whether any process of the host is there."""
    return bool(cgroups.pids(host.cgroup))


def find_leader(host: HostRecord) -> int | None:
    """Return the machine's pid of the host's process 1, or None."""
    for pid in cgroups.pids(host.cgroup):
        numbers = procfs.namespace_pids(pid)
        if len(numbers) == 2 and numbers[1] == 1:
            return pid
    return None


def leader_of(host: HostRecord) -> int:
    """Return the machine's pid of the host's process 1. Raises HostNotRunning."""
    if (leader := find_leader(host)) is None:
        raise HostNotRunning(f"{host.name} is not running: `start` it first")
    return leader


def power_off(host: HostRecord, timeout_seconds: float) -> None:
    """Shut the host down in order, as its power button does; what has not ended by the deadline is killed."""
    if (leader := find_leader(host)) is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(leader, signal.SIGRTMIN + 3)
        wait_ended(host, timeout_seconds)
    cut_power(host)


def wait_ended(host: HostRecord, timeout_seconds: float) -> bool:
    """Wait until no process of the host is left; return whether that happened in time."""

    def is_over() -> bool:
        if (child := _children.get(host.folder)) is not None:
            child.poll()
        return not is_running(host)

    return wait_until(is_over, timeout_seconds)


def cut_power(host: HostRecord) -> None:
    """Kill everything in the host at once, and take its end of the cable away, which the kernel does only later."""
    cgroups.kill_all(host.cgroup)
    _reap(host)
    network.delete_link(host.interface)


def wait_until(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    """Ask again and again until the condition holds; return whether it did in time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _reap(host: HostRecord) -> None:
    if (child := _children.pop(host.folder, None)) is not None:
        child.wait(10)


def _has_address(host: HostRecord, leader: int) -> bool:
    try:
        return network.address_is_up((procfs.PROC / str(leader) / "net/fib_trie").read_text(), host.address)
    except OSError:
        return False


def _system_state(leader: int) -> str:
    command = nspawn.run_inside(leader, ["systemctl", "is-system-running"], "root", {})
    return machine.run(command, env=nspawn.ROOT_ENVIRONMENT, check=False, timeout_seconds=10).stdout.strip()


def _let_containers_have_controllers(leader: int) -> None:
    """nspawn gives a host its resource controllers read-only; dockerd has to make groups in them."""
    for name in nspawn.CONTAINER_CONTROLLERS:
        remount = ["mount", "-o", "remount,bind,rw", f"/sys/fs/cgroup/{name}"]
        machine.run(["nsenter", "--target", str(leader), "--mount", "--", *remount], check=False)


def _raise_if_ended(host: HostRecord) -> None:
    child = _children.get(host.folder)
    if child is not None and child.poll() is not None:
        raise LabError(f"{host.name} stopped while booting, exit code {child.returncode}: {_console_end(host)}")


def _console_end(host: HostRecord) -> str:
    try:
        return (host.folder / "console.log").read_text(errors="replace")[-1500:].strip()
    except OSError:
        return "no console output"
