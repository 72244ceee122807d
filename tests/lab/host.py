"""One host, as a test holds it in its hand: run things in it, cut it off, crash it, look at its disk."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.lab import boot, cgroups, machine, network, nspawn, undo
from tests.lab.ledger import Ledger, TraceKind
from tests.lab.machine import Input, Outcome
from tests.lab.procs import PS_COMMAND, HostProcess, parse_ps
from tests.lab.profiles import Profile
from tests.lab.records import HostRecord

FILLER = ".lab-filler"


@dataclass(frozen=True)
class Host:
    """A booted Debian with an address of its own. Made by `Lab.host`; all paths are as seen inside it."""

    record: HostRecord
    ledger: Ledger

    @property
    def name(self) -> str:
        """Return its host name."""
        return self.record.name

    @property
    def address(self) -> str:
        """Return its address on the lab's network."""
        return self.record.address

    @property
    def profile(self) -> Profile:
        """Return what it is like."""
        return self.record.profile

    @property
    def user(self) -> str:
        """Return who works on it: `pi`, `bob` or `root`."""
        return self.record.user

    @property
    def machine_id(self) -> str:
        """Return its /etc/machine-id."""
        return self.record.machine_id

    @property
    def root_dir(self) -> Path:
        """Return where its disk is mounted on this machine, for searching it. Its tmpfs (/tmp, /run) are not there."""
        return self.record.root_dir

    @property
    def changes_dir(self) -> Path:
        """Return the folder that holds only what was written to its disk since it was made: quick to search."""
        return self.record.folder / "upper"

    @property
    def leader_pid(self) -> int:
        """Return this machine's pid of its process 1, a new one after each boot. Raises HostNotRunning."""
        return boot.leader_of(self.record)

    @property
    def is_running(self) -> bool:
        """Whether any process of it is there."""
        return boot.is_running(self.record)

    # --- running things ---

    def run(
        self,
        command: nspawn.Command,
        user: str = "root",
        *,
        check: bool = True,
        timeout_seconds: float = 60,
        input: Input = None,
        env: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Run a shell line (str) or an argv (list) and return its Outcome; a user other than root gets a login shell.

        What the command leaves running (nohup, setsid) goes on running.
        Raises CommandFailed (with `check`), CommandTimedOut, HostNotRunning.
        """
        environment = env or {}
        return machine.run(
            self.command_line(command, user, env=environment),
            input=input,
            env=nspawn.environment_for(user, environment),
            timeout_seconds=timeout_seconds,
            check=check,
        )

    def popen(
        self, command: nspawn.Command, user: str = "root", *, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command with pipes to its three streams. The caller ends it; removing the host ends it too."""
        environment = env or {}
        return subprocess.Popen(
            self.command_line(command, user, env=environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=nspawn.environment_for(user, environment),
            start_new_session=True,
        )

    def command_line(
        self, command: nspawn.Command, user: str = "root", *, env: Mapping[str, str] | None = None
    ) -> list[str]:
        """Return the argv that runs the command inside from this machine, for a caller that wants its own terminal."""
        inside = nspawn.run_inside(self.leader_pid, command, user, env or {})
        return nspawn.enter(cgroups.shell_entrances(self.record.cgroup), inside)

    def processes(self) -> list[HostProcess]:
        """Return its processes, as its own `ps` lists them."""
        return parse_ps(self.run(PS_COMMAND).stdout)

    def kill(self, pid: int) -> None:
        """kill -9 a process, by the pid it has inside."""
        self.run(["kill", "-9", "--", str(pid)])

    # --- files ---

    def push(self, source: Path | str | bytes, dest: str, *, owner: str = "root", mode: int = 0o644) -> None:
        """Put a file there: the bytes, or the content of the file on this machine whose path is given.

        A folder is put there with all below it, under its own name's modes, owned by `owner`.
        """
        if not isinstance(source, bytes) and Path(source).is_dir():
            self._push_folder(Path(source), dest, owner)
            return
        content = source if isinstance(source, bytes) else Path(source).read_bytes()
        script = 'umask 077; mkdir -p "$(dirname "$1")" && cat > "$1" && chown "$2" "$1" && chmod "$3" "$1"'
        self.run(["/bin/sh", "-c", script, "push", dest, f"{owner}:", f"{mode:o}"], input=content)

    def _push_folder(self, source: Path, dest: str, owner: str) -> None:
        script = 'mkdir -p "$1" && tar -C "$1" --no-same-owner -xf - && chown -R "$2" "$1"'
        with subprocess.Popen(["tar", "-C", str(source), "-cf", "-", "."], stdout=subprocess.PIPE) as tar:
            self.run(["/bin/sh", "-c", script, "push", dest, f"{owner}:"], input=tar.stdout, timeout_seconds=300)

    def pull(self, path: str) -> bytes:
        """Return a file's content."""
        return self.run(["cat", "--", path]).raw_stdout

    def read_text(self, path: str) -> str:
        """Return a file's content as text."""
        return self.pull(path).decode()

    def exists(self, path: str) -> bool:
        """Whether there is something at the path."""
        return self.run(["test", "-e", path], check=False).is_success

    # --- who may log in ---

    def set_password(self, password: str, user: str | None = None) -> None:
        """Give the user (the profile's, unless told otherwise) a password."""
        self.run(["chpasswd"], input=f"{user or self.user}:{password}\n")

    def authorize(self, public_key: str, user: str | None = None) -> None:
        """Let whoever has the key log in by ssh as the user, beside those who may already."""
        script = (
            'home=$(getent passwd "$1" | cut -d: -f6); install -d -m 700 -o "$1" -g "$1" "$home/.ssh";'
            'cat >> "$home/.ssh/authorized_keys"; chown "$1:" "$home/.ssh/authorized_keys"'
        )
        self.run(["/bin/sh", "-euc", script, "authorize", user or self.user], input=f"{public_key.strip()}\n")

    # --- faults ---

    def cut(self) -> None:
        """Cut it off from this machine, the other hosts and the internet, both ways, without a word to either side."""
        for rule in self._cut_rules():
            self.ledger.will_make(self.record.trace(TraceKind.RULE, *rule))
            network.add_rule(rule)

    def heal(self) -> None:
        """Connect it again."""
        for rule in self._cut_rules():
            network.delete_rule(rule)
            self.ledger.is_gone(self.record.trace(TraceKind.RULE, *rule))

    @property
    def is_cut(self) -> bool:
        """Whether it is cut off."""
        return any(network.has_rule(rule) for rule in self._cut_rules())

    def _cut_rules(self) -> list[network.Rule]:
        return network.cut_rules(self.record.lab_number, self.address)

    @contextlib.contextmanager
    def without_internet(self) -> Iterator[None]:
        """For the length of the block: it reaches this machine's bridge address and the other hosts, nothing beyond."""
        rules = network.offline_rules(self.record.lab_number, self.address)
        traces = [self.record.trace(TraceKind.RULE, *rule) for rule in rules]
        self.ledger.will_make(*traces)
        try:
            for rule in rules:
                network.add_rule(rule)
            yield
        finally:
            undo.undo_all(self.ledger, traces)

    @contextlib.contextmanager
    def fill_disk(self, path: str, *, free_kib: int = 0) -> Iterator[None]:
        """For the length of the block: the folder is a full disk with `free_kib` left. What it held is still in it.

        It is a tmpfs over the folder, so a process that already has files open there goes on writing to the real ones,
        and what is written during the block is gone after it.
        """
        script = """
            size=$(( $(du -sk "$1" | cut -f1) * 2 + $2 + 1024 ))
            copy=$(mktemp -d /run/lab-disk.XXXXXX)
            mount -t tmpfs -o "size=${size}k" lab-disk "$copy"
            cp -a "$1/." "$copy/"
            chown --reference="$1" "$copy"; chmod --reference="$1" "$copy"
            mount --bind "$copy" "$1"; umount "$copy"; rmdir "$copy"
            room=$(( $(df -k --output=avail "$1" | tail -n 1) - $2 ))
            head -c "${room}K" /dev/zero > "$1/$3"
        """
        self.run(["/bin/sh", "-euc", script, "fill", path, str(free_kib), FILLER])
        try:
            yield
        finally:
            if self.is_running:
                self.run(["umount", "--lazy", path], check=False)

    # --- power ---

    def reboot(self, timeout_seconds: float = 60) -> None:
        """Reboot it from inside and wait until it is up again. One that went down by itself is just started."""
        if self.is_running:
            self.run(["systemctl", "reboot"], check=False)
            boot.wait_ended(self.record, timeout_seconds)
        boot.cut_power(self.record)
        self.start(timeout_seconds)

    def power_off(self, timeout_seconds: float = 30) -> None:
        """Shut it down in order; what has not ended by then is killed. Its disk stays."""
        boot.power_off(self.record, timeout_seconds)

    def cut_power(self) -> None:
        """Pull the plug: everything in it is killed at once. Its disk stays as it was written so far."""
        boot.cut_power(self.record)

    def start(self, timeout_seconds: float = 60) -> None:
        """Boot it, if it does not run, and wait until it is up."""
        boot.start(self.record, self.ledger)
        self.wait_booted(timeout_seconds)

    def wait_booted(self, timeout_seconds: float = 60) -> None:
        """Wait until it is up and has its address. Raises LabError with the end of its console."""
        boot.wait_booted(self.record, timeout_seconds)
