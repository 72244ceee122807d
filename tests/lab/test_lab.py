"""What a test may count on from a host: that it is what its profile says, and that each fault is real."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import boot, images, machine_facts, recipes
from tests.lab.errors import CommandFailed, CommandTimedOut, HostNotRunning, LabError
from tests.lab.host import Host
from tests.lab.lab import Lab

PORT = 8000
TRY = f"import socket,sys; socket.create_connection((sys.argv[1], {PORT}), timeout=1)"


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[Host]:
    """A bare host for the tests that change nothing another test would notice."""
    host = lab.host("bare")
    yield host
    lab.remove(host)


def serve(host: Host) -> None:
    """Have the host answer on PORT, after its shell is gone."""
    host.run(f"cd /tmp && nohup python3 -m http.server {PORT} >/dev/null 2>&1 &", "pi")
    assert boot.wait_until(lambda: answers(host), 5)


def answers(host: Host) -> bool:
    """Whether this machine can connect to PORT of the host."""
    with contextlib.suppress(OSError), socket.create_connection((host.address, PORT), timeout=1):
        return True
    return False


def reaches(host: Host, address: str) -> bool:
    """Whether the host can connect to PORT of the address."""
    return host.run(["python3", "-c", TRY, address], check=False).is_success


# --- who is who ---


def test_a_bare_host_is_a_small_debian_12(host: Host) -> None:
    assert 'VERSION_ID="12"' in host.read_text("/etc/os-release")
    assert host.run("python3 --version").stdout.startswith("Python 3.11")
    assert host.run("systemctl is-system-running").stdout == "running\n"
    for missing in ("git", "pip", "cron", "docker", "sshd"):
        assert not host.run(["sh", "-c", f"command -v {missing}"], check=False).is_success
    assert not host.run("python3 -m venv /tmp/venv", "pi", check=False).is_success


def test_pi_has_sudo_without_a_password_and_mallory_has_none(host: Host) -> None:
    assert host.user == "pi"
    assert host.run("sudo id -u", "pi").stdout == "0\n"
    refused = host.run("sudo -n id -u", "mallory", check=False)
    assert not refused.is_success
    assert "password is required" in refused.stderr


def test_a_host_has_its_own_name_address_and_machine_id(lab: Lab, host: Host, no_sudo_host: Host) -> None:
    assert host.run("hostname").stdout.strip() == host.name
    assert host.read_text("/etc/machine-id") == host.read_text("/var/lib/dbus/machine-id") == f"{host.machine_id}\n"
    assert f" {host.address}/24" in host.run("ip -4 -o address show dev host0").stdout
    assert host.machine_id != no_sudo_host.machine_id != Path("/etc/machine-id").read_text().strip()
    assert lab.find(host.name) == host


def test_no_sudo_means_no_way_up_and_no_way_to_stay(no_sudo_host: Host) -> None:
    assert no_sudo_host.user == "bob"
    assert not no_sudo_host.run("sudo -n true", "bob", check=False).is_success
    assert not no_sudo_host.run("command -v crontab", "bob", check=False).is_success
    assert not no_sudo_host.run("loginctl enable-linger bob", "bob", check=False).is_success


def test_no_sudo_with_cron(lab: Lab) -> None:
    host = lab.host("no-sudo", cron=True)
    host.run("echo '@reboot touch /home/bob/was-rebooted' | crontab -", "bob")
    host.reboot()
    assert boot.wait_until(lambda: host.exists("/home/bob/was-rebooted"), 5)
    lab.remove(host)


def test_no_sudo_with_lingering_keeps_user_units_over_logout_and_reboot(lab: Lab) -> None:
    host = lab.host("no-sudo", linger=True)
    unit = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=default.target\n"
    host.push(unit.encode(), "/home/bob/.config/systemd/user/stays.service")
    host.run("chown -R bob: /home/bob")
    host.run("loginctl enable-linger && systemctl --user enable --now stays.service", "bob")
    host.reboot()
    status = "systemctl --user is-active stays.service"
    assert boot.wait_until(lambda: host.run(status, "bob", check=False).stdout == "active\n", 5)
    lab.remove(host)


def test_a_root_only_host_has_no_sudo(root_host: Host) -> None:
    assert root_host.user == "root"
    assert root_host.run("id -u; pwd; command -v sudo || echo none").stdout == "0\n/root\nnone\n"


def test_debian_13_boots(debian13_host: Host) -> None:
    assert "trixie" in debian13_host.read_text("/etc/os-release")
    assert debian13_host.run("sudo python3 --version", "pi").stdout.startswith("Python 3.13")


def test_debian_11_boots_and_has_python_3_9(bullseye_host: Host) -> None:
    assert bullseye_host.run("sudo python3 --version", "pi").stdout.startswith("Python 3.9")


def test_ssh_lets_in_with_the_key_that_was_given(lab: Lab) -> None:
    host = lab.host("ssh", password="raspberry")
    host.run("mkdir -p -m 700 ~/.ssh && ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/key", "mallory")
    key = host.read_text("/home/mallory/.ssh/key.pub").strip()
    options = "-i ~/.ssh/key -o StrictHostKeyChecking=no -o BatchMode=yes"
    assert not host.run(f"ssh {options} pi@localhost id -un", "mallory", check=False).is_success
    host.authorize(key)
    assert host.run(f"ssh {options} pi@localhost id -un", "mallory").stdout == "pi\n"
    assert host.run("getent shadow pi").stdout.startswith("pi:$")
    lab.remove(host)


def test_docker_runs_an_image_made_from_the_base_tree(docker_host: Host, lab: Lab) -> None:
    assert "overlay2" in docker_host.run("docker info --format '{{.Driver}}'").stdout
    assert docker_host.run("docker-compose --version").is_success
    with subprocess.Popen(["tar", "-C", str(lab.base_tree()), "-c", "."], stdout=subprocess.PIPE) as tar:
        docker_host.run(["docker", "import", "-", "base:1"], input=tar.stdout, timeout_seconds=120)
    ran = docker_host.run("docker run --rm --network host base:1 cat /etc/os-release", timeout_seconds=60)
    assert 'VERSION_ID="12"' in ran.stdout


# --- running things ---


def test_the_exit_code_and_both_streams_come_back(host: Host) -> None:
    outcome = host.run("echo out; echo err >&2; exit 7", "pi", check=False)
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (7, "out\n", "err\n")
    with pytest.raises(CommandFailed, match=r"exit code 7.*err"):
        host.run("echo err >&2; exit 7")


def test_a_list_is_an_argv_and_not_a_shell_line(host: Host) -> None:
    for user in ("root", "pi"):
        assert host.run(["printf", "%s|", "a b", "$HOME", "'"], user).stdout == "a b|$HOME|'|"


def test_input_and_environment_arrive_but_show_in_nobodys_ps(host: Host) -> None:
    command = 'cat; echo "$TOKEN"; ps -ewwo args'
    outcome = host.run(command, "pi", input="from stdin\n", env={"TOKEN": "canary-7f"})
    assert outcome.stdout.startswith("from stdin\ncanary-7f\n")
    assert outcome.stdout.count("canary-7f") == 1


def test_nothing_of_this_machines_environment_leaks_in(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "of-the-machine")
    for user in ("root", "pi"):
        assert "CANARY" not in host.run("env", user).stdout


def test_a_nohuped_process_survives_its_shell_and_delays_nobody(host: Host) -> None:
    started = time.monotonic()
    host.run("nohup sleep 1234 & echo $!", "pi")
    assert time.monotonic() - started < 2
    (sleeper,) = (process for process in host.processes() if process.command == "sleep 1234")
    assert sleeper.user == "pi"
    host.kill(sleeper.pid)
    assert boot.wait_until(lambda: all(p.pid != sleeper.pid for p in host.processes()), 2)


def test_a_command_that_takes_too_long_is_killed_with_its_children(host: Host) -> None:
    with pytest.raises(CommandTimedOut):
        host.run("sleep 4321 & sleep 4321", "pi", timeout_seconds=0.5)
    assert boot.wait_until(lambda: all("4321" not in process.command for process in host.processes()), 2)


def test_shells_live_among_the_hosts_own_control_groups(host: Host) -> None:
    assert ".." not in host.run("cat /proc/self/cgroup", "pi").stdout


def test_files_go_there_and_come_back(host: Host, tmp_path: Path) -> None:
    content = bytes(range(256))
    host.push(content, "/home/pi/new/folder/file", owner="pi", mode=0o600)
    assert host.pull("/home/pi/new/folder/file") == content
    assert host.run("stat -c '%U:%G %a' /home/pi/new/folder/file").stdout == "pi:pi 600\n"
    assert (host.changes_dir / "home/pi/new/folder/file").read_bytes() == content
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/text").write_text("hello")
    host.push(tmp_path, "/srv/tree", owner="pi")
    assert host.read_text("/srv/tree/inner/text") == "hello"
    host.push(b"in a tmpfs", "/run/there")
    assert host.read_text("/run/there") == "in a tmpfs"


def test_a_popen_talks_both_ways(host: Host) -> None:
    with host.popen(["cat"], "pi") as process:
        output, _ = process.communicate(b"hello", timeout=5)
    assert output == b"hello"


# --- network ---


def test_hosts_reach_the_machine_and_each_other_and_the_machine_reaches_them(lab: Lab, bare_host: Host) -> None:
    other = lab.host("bare")
    serve(bare_host)
    assert answers(bare_host)
    assert reaches(other, bare_host.address)
    with socket.create_server((lab.master_address, PORT)):
        assert reaches(bare_host, lab.master_address)
    lab.remove(other)


def test_a_cut_host_is_cut_off_from_everybody_until_it_is_healed(lab: Lab, bare_host: Host) -> None:
    other = lab.host("bare")
    serve(bare_host)
    serve(other)
    with socket.create_server((lab.master_address, PORT)):
        bare_host.cut()
        assert bare_host.is_cut
        assert not answers(bare_host)
        assert not reaches(other, bare_host.address)
        assert not reaches(bare_host, other.address)
        assert not reaches(bare_host, lab.master_address)
        assert answers(other), "only one was cut"
        bare_host.heal()
        assert answers(bare_host)
        assert reaches(other, bare_host.address)
        assert reaches(bare_host, lab.master_address)
    lab.remove(other)


def test_a_connection_that_is_open_stalls_while_the_host_is_cut(bare_host: Host) -> None:
    serve(bare_host)
    with socket.create_connection((bare_host.address, PORT), timeout=1) as connection:
        bare_host.cut()
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(TimeoutError):
            connection.recv(1)
        bare_host.heal()
        connection.settimeout(10)
        assert connection.recv(4) == b"HTTP"


def test_the_internet_is_there_and_can_be_taken_away(lab: Lab, host: Host) -> None:
    fetch = "curl -fsS -m {} -o /dev/null $(grep -m1 -oE 'http[^ ]+' /etc/apt/sources.list)/dists/bookworm/InRelease"
    assert host.run(fetch.format(30)).is_success
    serve(host)
    with host.without_internet(), socket.create_server((lab.master_address, PORT)):
        assert reaches(host, lab.master_address)
        assert answers(host)
        assert not host.run(fetch.format(2), check=False).is_success


# --- disk and power ---


def test_a_reboot_keeps_files_and_gives_new_processes(bare_host: Host) -> None:
    serve(bare_host)
    bare_host.push(b"kept", "/home/pi/kept", owner="pi")
    before = bare_host.leader_pid
    bare_host.reboot()
    assert bare_host.leader_pid != before
    assert bare_host.read_text("/home/pi/kept") == "kept"
    assert not answers(bare_host)
    assert bare_host.run("sudo id -u", "pi").stdout == "0\n"


def test_power_can_go_and_come_back(bare_host: Host) -> None:
    bare_host.push(b"kept", "/home/pi/kept", owner="pi")
    for end in (bare_host.power_off, bare_host.cut_power):
        end()
        assert not bare_host.is_running
        with pytest.raises(HostNotRunning):
            bare_host.run("true")
        assert (bare_host.root_dir / "home/pi/kept").read_text() == "kept"
        bare_host.start()
        assert bare_host.read_text("/home/pi/kept") == "kept"


def test_a_full_disk_is_full_and_still_holds_what_it_held(bare_host: Host) -> None:
    bare_host.push(b"before", "/home/pi/file", owner="pi")
    write = "head -c 100000 /dev/zero > ~/more"
    with bare_host.fill_disk("/home/pi"):
        assert bare_host.run("cat ~/file; stat -c %U ~", "pi").stdout == "beforepi\n"
        refused = bare_host.run(write, "pi", check=False)
        assert "No space left" in refused.stderr
    with bare_host.fill_disk("/home/pi", free_kib=256):
        assert bare_host.run(write, "pi").is_success
        assert not bare_host.run("head -c 300000 /dev/zero > ~/more", "pi", check=False).is_success
    assert bare_host.run(write, "pi").is_success


def test_each_fresh_host_boots_in_under_eight_seconds(lab: Lab) -> None:
    started = time.monotonic()
    host = lab.host("bare")
    assert time.monotonic() - started < 8
    lab.remove(host)


# --- wrong use ---


def test_wrong_words_are_answered_with_what_there_is(lab: Lab, host: Host) -> None:
    with pytest.raises(ValueError, match="bare, root-only"):
        lab.host("windows")
    with pytest.raises(LabError, match="already"):
        lab.host("bare", name=host.name)
    with pytest.raises(LabError, match="letters"):
        lab.host("bare", name="../x")


def test_an_image_that_can_not_be_built_says_why_and_is_not_there(lab: Lab) -> None:
    parent = recipes.networked("bookworm", machine_facts.gather())
    broken = recipes.Image("broken", "bookworm", parent, script="echo because >&2; exit 3")
    for _ in range(2):
        with pytest.raises(LabError, match="image broken can't be built, exit code 3: because"):
            images.ensure(broken, lab.places.cache, lab.say)
    assert not images.tree_of(broken, lab.places.cache).parent.exists()
    assert not (lab.places.cache / "building" / broken.folder_name).exists()
