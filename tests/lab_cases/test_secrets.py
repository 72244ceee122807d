"""A token planted as GIT_TOKEN is nowhere afterwards, in no encoding: logs, screen, argv, environments, disk."""

from __future__ import annotations

import subprocess

import pytest

from d8.masking import encodings_of
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.git_server import git_server
from tests.support.master import PROJECT, Master

TOKEN = "ghp_Planted'To\"ken$%!+/=9aZ"
# Runs on the host as root until it is ended: every command line and environment that any process ever shows.
WATCH = """
import glob, os, sys, time
seen = set()
while not os.path.exists("/run/stop-watching"):
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as stream:
                seen.add(stream.read())
        except OSError:
            pass
    time.sleep(0.01)
sys.stdout.buffer.write(b"\\n".join(seen))
"""


@pytest.fixture
def master(tmp_path, lab: Lab) -> Master:
    return Master(tmp_path, lab.master_address)


def forms() -> list[bytes]:
    """What to look for: every encoding that is long enough to mean something."""
    return sorted({form.encode() for form in encodings_of(TOKEN) if len(form) >= 8})


def assert_absent(content: bytes, place: str) -> None:
    found = [form for form in forms() if form in content]
    assert not found, f"the token is in {place}, as {found}"


def test_the_search_finds_what_is_there():
    with pytest.raises(AssertionError):
        assert_absent(f"url=https://{TOKEN}@host".encode(), "a line")


def test_the_git_token_leaves_no_trace(master: Master, lab: Lab, tmp_path):
    host: Host = lab.host("git")
    quoted = TOKEN.replace("\\", "\\\\").replace("'", "\\'")
    with git_server(PROJECT, tmp_path, lab.master_address, TOKEN) as url:
        master.bring_bootstrap(host)
        (tmp_path / "env").write_text(f"D8_REPO_URL={url}\nGIT_TOKEN='{quoted}'\n")
        watcher = host.popen(["python3", "-c", WATCH])
        built = master.run("build", host.address, "--yes")
        log = master.json("builds", sorted((master.data / "build_logs").iterdir())[-1].stem)
        host.run("touch /run/stop-watching")
        watched, _ = watcher.communicate(timeout=30)

    assert built.returncode == 0, built.stderr
    assert any("from the repository" in step["outcome"] for step in log["steps"]), log["steps"]
    assert_absent((built.stdout + built.stderr).encode(), "the screen")
    assert b"git" in watched and b"fetch" in watched  # the watcher saw the clone
    assert_absent(watched, "a command line or an environment")
    for path in (master.data / "build_logs").iterdir():
        assert_absent(path.read_bytes(), path.name)
    changed = [path for path in host.changes_dir.rglob("*") if path.is_file() and not path.is_symlink()]
    assert changed
    for path in changed:
        assert_absent(path.read_bytes(), str(path.relative_to(host.changes_dir)))
    for place in ("/tmp", "/run", "/dev/shm"):
        found = host.run(f"grep -rlaF ghp_Planted {place} || true").stdout
        assert not found, f"in memory file systems: {found}"
    journal = host.run("journalctl --no-pager -o export --all || true").stdout.encode()
    assert_absent(journal, "the journal")
    lab.remove(host)


def test_a_wrong_git_token_sends_the_masters_own_copy_and_says_why(master: Master, lab: Lab, tmp_path):
    host: Host = lab.host("git")
    with git_server(PROJECT, tmp_path, lab.master_address, TOKEN) as url:
        master.bring_bootstrap(host)
        (tmp_path / "env").write_text(f"D8_REPO_URL={url}\nGIT_TOKEN=ghp_wrong_one\n")
        document = master.build(host)
    assert document["status"] == "success"
    assert any("the master sends its own copy" in notice["text"] for notice in document["notices"])
    lab.remove(host)


def private_keys_seen_by(host: Host, user: str) -> set[str]:
    """The files that hold a private key and that the user can read."""
    look = (
        "find / -xdev -type f -readable 2>/dev/null | xargs -d '\\n' grep -laF 'BEGIN PRIVATE KEY' 2>/dev/null || true"
    )
    return set(host.run(look, user, timeout_seconds=120).stdout.split())


def test_another_user_of_the_slave_reads_no_secret(master: Master, bare_host: Host):
    master.bring_bootstrap(bare_host)
    installer = master.token("installer")
    before = private_keys_seen_by(bare_host, "mallory")
    master.build(bare_host)
    assert private_keys_seen_by(bare_host, "mallory") == before
    for token in (installer, master.token("agent"), master.token("rescue")):
        found = subprocess.run(["grep", "-rlaF", token, str(bare_host.changes_dir)], capture_output=True, text=True)
        assert found.stdout == "", f"a bearer token is on the slave's disk: {found.stdout}"
