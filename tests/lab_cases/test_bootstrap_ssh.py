"""From a machine that has only an ssh server to a registered slave, with a real sshd, real keys and real passwords."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from d8.masking import encodings_of
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.master import Master
from tests.terminal.terminal import Terminal

PASSWORD = "Pa$$ 'w0rd' \"ñ%n!\\ x9"
FINGERPRINT_ON_THE_HOST = "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2"


@pytest.fixture
def master(tmp_path: Path, lab: Lab) -> Master:
    return Master(tmp_path, lab.master_address)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.fixture
def open_terminal(master: Master) -> Iterator[type[Terminal]]:
    opened: list[Terminal] = []

    def start(*words: str) -> Terminal:
        own = {name: value for name, value in master.environment.items() if name.startswith("D8_")}
        opened.append(Terminal(*words, folder=master.folder, columns=160, **own))
        return opened[-1]

    yield start  # type: ignore[misc]
    for terminal in opened:
        terminal.close()


def fingerprint_of(host: Host) -> str:
    return host.run(FINGERPRINT_ON_THE_HOST).stdout.strip()


def remains_on(host: Host) -> list[str]:
    """What an installation over ssh could leave behind in the home, the server's own folder excepted."""
    return [name for name in host.run("ls -A", host.user).stdout.split() if "install" in name or name == "d8_slave"]


@contextmanager
def watched_processes() -> Iterator[set[bytes]]:
    """Collects every command line and environment that any process of this machine, lab included, ever shows."""
    seen: set[bytes] = set()
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.is_set():
            for folder in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        seen.add((folder / name).read_bytes())
                    except OSError:
                        continue
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        is_over.set()
        watcher.join()


def assert_no_password(content: bytes, place: str) -> None:
    forms = [form.encode() for form in encodings_of(PASSWORD) if len(form) >= 8]
    assert not [form for form in forms if form in content], f"the password is in {place}"


def test_with_a_key_from_nothing_to_a_registered_slave(master: Master, ssh_host: Host, key: Path) -> None:
    ssh_host.authorize(key.with_suffix(".pub").read_text())
    words = ("bootstrap", ssh_host.address, "--yes", "--key", str(key))
    refused = master.json(*words, expect=4)
    fingerprint = fingerprint_of(ssh_host)
    assert fingerprint in refused["error"] and f"--accept-host-key {fingerprint}" in refused["hint"]
    assert remains_on(ssh_host) == []

    done = master.json(*words, "--accept-host-key", fingerprint)
    assert (done["build"]["status"], done["ssh"]["host_key"]) == ("success", fingerprint)
    assert (master.data / "ssh" / "known_hosts").stat().st_mode & 0o777 == 0o600
    [row] = master.json("status")["slaves"]
    assert row["address"] == ssh_host.address and row["state"] in ("ok", "other_commit")
    assert remains_on(ssh_host) == ["d8_slave"]
    assert not list((master.folder / "installers").glob("*")), "the script stays on neither side"

    again = master.json(*words)  # nothing to do: no ssh, no second build
    assert (again["ssh"]["host_key"], again["build"]["commands"]) == (None, [])


def test_with_a_password_asked_once_and_shown_nowhere(master: Master, ssh_host: Host, open_terminal) -> None:
    ssh_host.set_password(PASSWORD)
    with watched_processes() as seen:
        terminal = open_terminal("bootstrap", ssh_host.address)
        terminal.wait_for("Trust it?")
        assert fingerprint_of(ssh_host) in terminal.text
        terminal.press("y\r")
        terminal.wait_for(f"Password of pi@{ssh_host.address}:")
        terminal.press(PASSWORD + "\r")
        assert terminal.wait_for_end(240) == 0, terminal.everything
    assert "is ready" in terminal.everything
    assert terminal.everything.count("Password of") == 1

    everything = b"\n".join(seen)
    assert b"SSH_ASKPASS" in everything and b"askpass\0" in everything, "the watcher saw ssh and its question"
    assert_no_password(everything, "a command line or an environment")
    assert_no_password(terminal.raw, "the terminal")
    for path in master.folder.rglob("*"):
        if path.is_file():
            assert_no_password(path.read_bytes(), str(path))
    assert not list(Path("/tmp").glob("d8-ssh-*")), "the folder of ssh is gone"
    assert remains_on(ssh_host) == ["d8_slave"]


def test_a_wrong_password_is_told_and_not_asked_again(ssh_host: Host, open_terminal) -> None:
    ssh_host.set_password(PASSWORD)
    terminal = open_terminal("bootstrap", f"pi@{ssh_host.address}")
    terminal.wait_for("Trust it?")
    terminal.press("y\r")
    terminal.wait_for("Password of")
    terminal.press("not the password\r")
    assert terminal.wait_for_end() == 4
    assert "refused the password" in terminal.text
    assert remains_on(ssh_host) == []


def test_a_declined_host_key_ends_it(master: Master, ssh_host: Host, open_terminal) -> None:
    terminal = open_terminal("bootstrap", ssh_host.address)
    terminal.wait_for("Trust it?")
    terminal.press("n\r")
    assert terminal.wait_for_end() == 1
    assert not (master.data / "ssh" / "known_hosts").exists()


def test_a_changed_host_key_is_refused_with_both_fingerprints(master: Master, ssh_host: Host, key: Path) -> None:
    ssh_host.authorize(key.with_suffix(".pub").read_text())
    before = fingerprint_of(ssh_host)
    words = ("bootstrap", ssh_host.address, "--yes")
    pinned_only = master.run(*words, "--accept-host-key", before)  # pinned; no key of ours is tried
    assert pinned_only.returncode == 4 and "none of this master's keys" in " ".join(pinned_only.stderr.split())
    ssh_host.run("rm /etc/ssh/ssh_host_*; ssh-keygen -q -A; systemctl restart ssh")
    after = fingerprint_of(ssh_host)

    refused = master.json(*words, "--key", str(key), expect=4)
    assert "HAS CHANGED" in refused["error"] and before in refused["error"] and after in refused["error"]
    assert remains_on(ssh_host) == []
    assert before != after
    stale = master.json(*words, "--key", str(key), "--accept-host-key", before, expect=4)
    assert before in stale["error"] and after in stale["error"]
    assert remains_on(ssh_host) == []


def test_another_kind_of_host_key_can_be_the_accepted_one(master: Master, ssh_host: Host) -> None:
    ecdsa = ssh_host.run("ssh-keygen -lf /etc/ssh/ssh_host_ecdsa_key.pub | cut -d' ' -f2").stdout.strip()
    words = ("bootstrap", ssh_host.address, "--yes")
    assert "none of this master's keys" in master.json(*words, "--accept-host-key", ecdsa, expect=4)["error"]
    assert "ecdsa-sha2-nistp256" in (master.data / "ssh" / "known_hosts").read_text()
    assert "none of this master's keys" in master.json(*words, expect=4)["error"]  # and ssh insists on that one


def test_another_port_has_a_pin_of_its_own(master: Master, ssh_host: Host) -> None:
    ssh_host.run("/usr/sbin/sshd -p 2222")
    words = ("bootstrap", f"pi@{ssh_host.address}:2222", "--yes")
    assert fingerprint_of(ssh_host) in master.json(*words, expect=4)["error"]
    refused = master.json(*words, "--accept-host-key", fingerprint_of(ssh_host), expect=4)
    assert "none of this master's keys" in refused["error"]
    assert (master.data / "ssh" / "known_hosts").read_text().startswith(f"[{ssh_host.address}]:2222 ssh-ed25519 ")
    assert "none of this master's keys" in master.json(*words, expect=4)["error"]
    assert "is not known yet" in master.json("bootstrap", ssh_host.address, "--yes", expect=4)["error"]


def test_a_key_with_a_passphrase_asks_for_it(master: Master, ssh_host: Host, tmp_path: Path, open_terminal) -> None:
    locked = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-f", str(locked)], check=True)
    ssh_host.authorize(locked.with_suffix(".pub").read_text())
    ssh_host.run("rm /usr/bin/python3*; chmod 000 /usr/bin/apt-get")  # the script must fail: no build here
    words = ("bootstrap", ssh_host.address, "--key", str(locked))
    pin = master.json(*words, "--accept-host-key", fingerprint_of(ssh_host), expect=4)
    assert "none of this master's keys" in pin["error"]
    for answer, expected in (("wrong", "wrong passphrase?"), ("open sesame", "Python 3.9")):
        terminal = open_terminal(*words)
        terminal.wait_for(f"Passphrase of {locked}:")
        terminal.press(answer + "\r")
        assert terminal.wait_for_end(120) != 0
        assert expected in terminal.everything, terminal.everything


def test_a_script_that_fails_there_says_why(master: Master, ssh_host: Host, key: Path) -> None:
    ssh_host.authorize(key.with_suffix(".pub").read_text())
    ssh_host.run("nohup python3 -m http.server 7600 >/dev/null 2>&1 &")
    deadline = time.monotonic() + 20
    while ssh_host.run("ss -Hltn 'sport = :7600'").stdout == "":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    words = ("bootstrap", ssh_host.address, "--yes", "--key", str(key))
    failed = master.json(*words, "--accept-host-key", fingerprint_of(ssh_host), expect=1)
    assert "install script failed" in failed["error"] and "7600" in failed["error"]
    assert remains_on(ssh_host) == []
