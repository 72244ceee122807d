"""A lab: its number (which is its network), its bridge and its hosts. Opened, used, closed; closing leaves nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab import (
    availability,
    boot,
    cgroups,
    forwarding,
    images,
    machine_facts,
    network,
    procfs,
    profiles,
    recipes,
    signals,
    undo,
)
from tests.lab.errors import LabError
from tests.lab.host import Host
from tests.lab.images import Say
from tests.lab.ledger import Ledger, Trace, TraceKind
from tests.lab.places import Places
from tests.lab.profiles import HostOptions, Profile
from tests.lab.records import HostRecord, LabRecord, dump, is_valid_name, load_host, load_lab

LAB_FILE, LEDGER_FILE, LAST_INDEX_FILE = "lab.json", "ledger.jsonl", "last_index"


def say_on_stderr(text: str) -> None:
    """The default for messages about what takes time."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Lab:
    """One network of hosts. `Lab.open()` makes it, `host()` adds to it, `close()` takes all of it away."""

    number: int
    places: Places
    say: Say = say_on_stderr

    # --- coming and going ---

    @classmethod
    def open(cls, places: Places | None = None, *, say: Say = say_on_stderr) -> Lab:
        """Prepare the machine, take away dead labs, and return a new one with its network up.

        It belongs to this process: after its death the next lab's start takes it away, unless somebody called `keep`.
        Raises LabUnavailable and LabError.
        """
        places = places or Places.from_environment(os.environ)
        availability.prepare_machine()
        places.state.mkdir(parents=True, exist_ok=True)
        with images.locked_folder(places.state):
            reap_stale_labs(places, say)
            _remove_orphaned_folders(places)
            taken = network.numbers_on_machine() | {lab.number for lab in all_labs(places)} | cgroups.claimed_numbers()
            number = network.free_number(taken, first=random.choice(network.NUMBERS))
            while not cgroups.claim(cgroups.group_of_lab(number)):
                taken.add(number)
                number = network.free_number(taken, first=number)
            lab = cls(number, places, say)
            lab._write_claim()
        try:
            lab._connect()
        except BaseException:
            lab.close()
            raise
        return lab

    @classmethod
    @contextlib.contextmanager
    def session(cls, places: Places | None = None, *, say: Say = say_on_stderr) -> Iterator[Lab]:
        """A lab for the length of the block, taken away however the block ends."""
        lab = cls.open(places, say=say)
        try:
            yield lab
        finally:
            lab.close()

    def _write_claim(self) -> None:
        pid = os.getpid()
        record = LabRecord(self.number, pid, procfs.start_time(pid) or 0, procfs.boot_id(), is_kept=False)
        _write(self.folder / LAB_FILE, dump(record))
        forwarding.turn_on(self.places)

    def _connect(self) -> None:
        bridge = Trace(TraceKind.LINK, (network.bridge_name(self.number),))
        rules = [Trace(TraceKind.RULE, rule) for rule in network.lab_rules(self.number)]
        folder = Trace(TraceKind.FOLDER, (str(self.places.work / str(self.number)),))
        group = Trace(TraceKind.CGROUP, (cgroups.group_of_lab(self.number),))
        self.ledger.will_make(group, folder, bridge, *rules)
        network.create_bridge(self.number)
        for rule in rules:
            network.add_rule(rule.words)

    def keep(self) -> None:
        """Let the lab outlive this process, until `close`."""
        if (record := self.record) is not None:
            _write(self.folder / LAB_FILE, dump(dataclasses.replace(record, is_kept=True)))

    def close(self) -> None:
        """Take the lab away: processes, mounts, interfaces, rules, folders. Safe to repeat; Ctrl+C waits for it.

        Raises LabError that lists what would not go; the records stay then, for another try.
        """
        if not self.folder.exists():
            return
        with signals.deferred(), images.locked_folder(self.places.state):
            self._take_away()
            with contextlib.suppress(OSError):
                self.places.work.rmdir()
            if not all_labs(self.places):
                forwarding.restore(self.places)

    def _take_away(self) -> None:
        cgroups.kill_all(cgroups.group_of_lab(self.number))
        for host in self.hosts():
            boot.cut_power(host.record)
        undo.undo_all(self.ledger, self.ledger.standing())
        undo.remove_folder(self.folder)

    # --- what it is ---

    @property
    def is_stale(self) -> bool:
        """Whether nobody needs it any more: its owner is dead and it is not kept, or it is of an earlier boot."""
        record = self.record
        if record is None:
            return True
        return record.is_stale(procfs.is_alive(record.owner_pid, record.owner_started), procfs.boot_id())

    @property
    def folder(self) -> Path:
        """Return the folder of its records."""
        return self.places.state / str(self.number)

    @property
    def ledger(self) -> Ledger:
        """Return the list of what it has made on the machine."""
        return Ledger(self.folder / LEDGER_FILE)

    @property
    def record(self) -> LabRecord | None:
        """Return who owns it, or None when its record is torn or gone."""
        try:
            return load_lab((self.folder / LAB_FILE).read_text())
        except (OSError, ValueError, TypeError):
            return None

    @property
    def master_address(self) -> str:
        """Return this machine's address as its hosts see it."""
        return network.master_address(self.number)

    @property
    def subnet(self) -> str:
        """Return its network."""
        return network.subnet(self.number)

    def hosts(self) -> list[Host]:
        """Return its hosts, in the order of their addresses."""
        found = []
        for file in (self.folder / "hosts").glob("*.json"):
            with contextlib.suppress(OSError, ValueError, TypeError):
                found.append(Host(load_host(file.read_text()), self.ledger))
        return sorted(found, key=lambda host: host.record.index)

    def find(self, name: str) -> Host:
        """Return the host of that name. Raises LabError."""
        for host in self.hosts():
            if host.name == name:
                return host
        raise LabError(f"lab {self.number} has no host {name!r}: see `python3 -m tests.lab list`")

    def base_tree(self, suite: str = "bookworm") -> Path:
        """Return the folder of a whole small Debian, as for `tar -C FOLDER -c . | docker import - NAME`."""
        return images.ensure(recipes.debian(suite, machine_facts.gather()), self.places.cache, self.say)[-1]

    # --- hosts ---

    def host(
        self,
        profile: str = "bare",
        *,
        name: str | None = None,
        cron: bool = False,
        linger: bool = False,
        runtimes: bool = False,
        packages: tuple[str, ...] = (),
        password: str | None = None,
        authorized_key: str | None = None,
        is_started: bool = True,
        timeout_seconds: float = 60,
    ) -> Host:
        """Make a fresh host of the profile, boot it, and return it once it is up.

        `cron`, `linger` (polkit and user sessions), `runtimes` (Node.js, npm, FastAPI) and `packages` are installed in
        an image of their own, kept in the cache. `password` and `authorized_key` are those of the profile's user.
        Raises LabError, ValueError.
        """
        kind = profiles.parse_profile(profile)
        options = HostOptions(packages, cron, linger, password, authorized_key, runtimes)
        recipe = profiles.image_for(kind, options, machine_facts.gather())
        layers = images.ensure(recipe, self.places.cache, self.say)
        host = Host(self._register(kind, name, layers), self.ledger)
        try:
            boot.make_disk(host.record, self.ledger)
            if is_started:
                host.start(timeout_seconds)
                _give_credentials(host, options)
        except BaseException:
            self.remove(host)
            raise
        return host

    def _register(self, kind: Profile, name: str | None, layers: list[Path]) -> HostRecord:
        with images.locked_folder(self.folder):
            index = self._next_index()
            record = HostRecord(
                name=name or f"{kind.value}-{index}",
                profile=kind,
                user=profiles.KINDS[kind].user,
                lab_number=self.number,
                index=index,
                address=network.host_address(self.number, index),
                machine_id=uuid.uuid4().hex,
                layers=tuple(str(layer) for layer in layers),
                work=str(self.places.work / str(self.number) / str(index)),
            )
            if not is_valid_name(record.name):
                raise LabError(f"{record.name!r} can't be the name of a host: letters, digits and hyphens, up to 40")
            if record.name in {host.name for host in self.hosts()}:
                raise LabError(f"lab {self.number} has a host named {record.name!r} already")
            _write(self._host_file(record), dump(record))
            return record

    def _next_index(self) -> int:
        file = self.folder / LAST_INDEX_FILE
        last = int(file.read_text()) if file.exists() else 0
        index = network.next_index({host.record.index for host in self.hosts()}, last)
        _write(file, str(index))
        return index

    def remove(self, host: Host) -> None:
        """Take a host away with all it made. Safe to repeat, and while it is half made."""
        with signals.deferred():
            boot.cut_power(host.record)
            undo.undo_all(self.ledger, [t for t in self.ledger.standing() if t.owner == str(host.record.index)])
            self._host_file(host.record).unlink(missing_ok=True)

    def _host_file(self, record: HostRecord) -> Path:
        return self.folder / "hosts" / f"{record.index}.json"


def all_labs(places: Places, say: Say = say_on_stderr) -> list[Lab]:
    """Return the labs that have records on this machine, dead ones too."""
    numbers = [int(path.name) for path in places.state.glob("*") if path.is_dir() and path.name.isdigit()]
    return [Lab(number, places, say) for number in sorted(numbers)]


def reap_stale_labs(places: Places, say: Say = say_on_stderr) -> None:
    """Take away labs whose owner is dead, unless they are kept. The caller holds the state folder's lock."""
    for lab in all_labs(places, say):
        if lab.is_stale:
            say(f"taking away lab {lab.number}, which its owner left behind")
            try:
                lab._take_away()
            except LabError as error:  # its number stays taken, which harms nobody
                say(str(error))


def _remove_orphaned_folders(places: Places) -> None:
    """Delete the work folders that no record speaks of: a reboot of the machine clears the records, not the disk."""
    numbers = {str(lab.number) for lab in all_labs(places)}
    for folder in places.work.glob("*"):
        if folder.name.isdigit() and folder.name not in numbers:
            with contextlib.suppress(LabError):
                undo.remove_folder(folder)


def _give_credentials(host: Host, options: HostOptions) -> None:
    if host.exists("/usr/sbin/sshd"):  # the image's keys would make all hosts the same one to a client
        host.run("rm -f /etc/ssh/ssh_host_*_key*; ssh-keygen -q -A; systemctl restart ssh")
    if options.password is not None:
        host.set_password(options.password)
    if options.authorized_key is not None:
        host.authorize(options.authorized_key)


def _write(path: Path, text: str) -> None:
    """Write a file so that a reader sees it whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.rename(path)
