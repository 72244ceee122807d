"""PURE: the command lines that boot a host and that run something inside it, and the files that make it itself."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.lab import network
from tests.lab.records import HostRecord

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ROOT_ENVIRONMENT = {"PATH": PATH, "HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash"}
# Enter the host's control groups first, so that whatever happens later all it starts can be found and killed there.
ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1"; shift; done; shift; exec "$@"'
CONTAINER_FLAGS = ("--capability=all", "--system-call-filter=add_key keyctl bpf request_key")
CONTAINER_CONTROLLERS = ("cpuset", "blkio", "devices", "cpuacct", "cpu", "pids", "memory", "freezer")

Command = str | Sequence[str]


def enter(entrances: Sequence[Path], argv: Sequence[str]) -> list[str]:
    """Given the groups' cgroup.procs files, return the command that joins them and becomes `argv`."""
    return ["/bin/sh", "-c", ENTER, "enter", *map(str, entrances), "--", *argv]


def boot(host: HostRecord, resolv_conf: str, runs_containers: bool) -> list[str]:
    """Return the command that boots a host. `runs_containers`: with the rights that dockerd needs inside."""
    command = [
        "systemd-nspawn", "--quiet", "--boot", "--settings=no", "--register=no", "--keep-unit", "--link-journal=no",
        "--console=read-only", f"--directory={host.root_dir}", f"--machine={host.machine_name}",
        f"--hostname={host.name}", f"--network-bridge={network.bridge_name(host.lab_number)}",
        f"--resolv-conf={resolv_conf}",
    ]  # fmt: skip
    if runs_containers:
        # Docker's own storage can't stand on an overlay: it gets a folder of the machine's disk.
        command += [*CONTAINER_FLAGS, f"--bind={host.folder / 'docker'}:/var/lib/docker"]
    return command


def overlay_options(host: HostRecord) -> str:
    """Return the mount options of the host's disk: the image's layers below, the host's own changes on top."""
    return f"lowerdir={':'.join(host.layers)},upperdir={host.folder / 'upper'},workdir={host.folder / 'overlay'}"


def leftovers(host: HostRecord, device: int, inode: int) -> list[Path]:
    """Return what a killed nspawn leaves on the machine: its lock, named after the root folder, and a folder."""
    run = Path("/run/systemd/nspawn")
    return [run / "locks" / f"inode-{device}:{inode}", run / "propagate" / host.machine_name]


def identity_files(host: HostRecord, machine_hosts: str) -> dict[str, str]:
    """Given the machine's /etc/hosts, return the files (path inside, text) that make the host itself on first boot."""
    subnet_length = network.subnet(host.lab_number).partition("/")[2]
    return {
        "/etc/hostname": f"{host.name}\n",
        "/etc/hosts": f"{machine_hosts.rstrip()}\n127.0.1.1 {host.name}\n",
        "/etc/machine-id": f"{host.machine_id}\n",
        "/var/lib/dbus/machine-id": f"{host.machine_id}\n",
        # Debian ships an 80-container-host0.network, and the first file by name wins. Waiting for IPv6 routers, of
        # which there are none, would hold up network-online.target, and dockerd behind it, for 13 seconds.
        "/etc/systemd/network/10-lab.network": (
            "[Match]\nName=host0\n\n[Network]\n"
            f"Address={host.address}/{subnet_length}\nGateway={network.master_address(host.lab_number)}\nIPv6AcceptRA=no\n"
        ),
    }


def run_inside(leader: int, command: Command, user: str, environment: Mapping[str, str]) -> list[str]:
    """Return the command that runs `command` in the host as the user.

    root gets it as it is; anybody else gets a login shell, with PAM, as over ssh. The environment's names are given to
    `su`, its values only by inheritance, so that they show in nobody's `ps`.
    """
    inside = ["nsenter", "--target", str(leader), "--all", "--"]
    if user == "root":
        at_home = [*inside, "env", "--chdir=/root"]
        return [*at_home, *(["/bin/bash", "-c", command] if isinstance(command, str) else command)]
    text = command if isinstance(command, str) else shlex.join(command)
    keep = ["--whitelist-environment", ",".join(environment)] if environment else []
    return [*inside, "su", "--login", *keep, user, "--command", text]


def environment_for(user: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment the command is started with: nothing of this machine's own."""
    return {**(ROOT_ENVIRONMENT if user == "root" else {"PATH": PATH}), **environment}
