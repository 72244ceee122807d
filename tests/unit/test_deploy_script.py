"""scripts/desplegar_agent.sh without a host: it parses in every shell, and each text stands in both languages."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SCRIPT = SCRIPTS / "desplegar_agent.sh"
FILES = [SCRIPT, *sorted((SCRIPTS / "deploy").glob("*.sh"))]
SAID = re.compile(r"\b(?:say|warn|step|agrees|stop_with [0-9])\s+'([^']*)'\s*(?:\\\n\s*)?'([^']*)'")
WORDS = re.compile(r"\b(?:say|warn|step|agrees|stop_with [0-9])\s+'")
SHELLS = [shell for shell in ("sh", "dash", "bash", "busybox") if shutil.which(shell)]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_it_parses(shell: str, file: Path) -> None:
    words = ["busybox", "sh"] if shell == "busybox" else [shell]
    subprocess.run([*words, "-n", str(file)], check=True)


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_each_text_has_its_spanish_with_the_same_values(file: Path) -> None:
    text = file.read_text()
    found = SAID.findall(text)
    assert len(found) == len(WORDS.findall(text)), "a text is not followed by its Spanish"
    for english, spanish in found:
        assert english.count("%s") == spanish.count("%s"), english
        assert "%" not in re.sub(r"%s", "", english + spanish), english


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--what"], "--what"),
        (["--port", "x"], "--port x"),
        (["--port"], "--port"),
        (["--certificate", "/c"], "--certificate"),
        (["--status", "--rollback"], "--rollback"),
        (["--lang", "de"], "--lang de"),
        (["--port", "0"], "--port 0"),
        (["--port", "65536"], "--port 65536"),
        (["--confirm-timeout", "1"], "--confirm-timeout 1"),
        (["--bind", "localhost"], "--bind localhost"),
        (["--host", "a b"], "--host a b"),
        (["--host", "*"], "--host *"),
        (["--host", "fe80::x"], "--host fe80::x"),
        (["--host", "a" * 254], "--host aaa"),
        (["--app-user", "a b"], "--app-user a b"),
        (["--app-user", ""], "--app-user"),
        (["--http", "--certificate", "/c", "--key", "/k"], "--http --certificate"),
        (["--show-token", "--token-file", "/t"], "--show-token --token-file"),
    ],
)
def test_wrong_words_are_named(words: list[str], expected: str) -> None:
    done = subprocess.run(["sh", str(SCRIPT), *words], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 2 and expected in done.stderr and "--help" in done.stderr


@pytest.mark.parametrize(("locale", "word"), [("es_ES.UTF-8", "Uso:"), ("en_US.UTF-8", "Usage:"), ("C", "Usage:")])
def test_the_language_is_that_of_the_locale(locale: str, word: str) -> None:
    environment = {"PATH": "/usr/bin:/bin", "LANG": locale}
    done = subprocess.run(["sh", str(SCRIPT), "--help"], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.startswith(word)


def test_a_terminal_that_is_gone_stops_nothing() -> None:
    words = f". '{SCRIPTS}/deploy/words.sh'; step a b; say a b; warn a b; (stop_with 3 a b) || exit $?"
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(["sh", "-euc", words], stdout=full, stderr=full, check=False)
    assert done.returncode == 3


def shell(names: str, script: str, **environment: str) -> str:
    """Run a text with the functions of some of the script's files, as strict as the script is; return what it said."""
    sourced = "".join(f". '{SCRIPTS}/deploy/{name}.sh'; " for name in names.split())
    known = {"PATH": os.environ["PATH"], **environment}
    done = subprocess.run(["sh", "-euc", sourced + script], capture_output=True, text=True, env=known, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


RULES = {
    "siax-agent ALL=(ALL) NOPASSWD: /bin/systemctl",
    "%sudo\tALL = (ALL:ALL)  NOPASSWD:/usr/bin/systemctl ",
    "pi raspberry=(root) NOPASSWD: /bin/systemctl",
    "pi ALL=NOPASSWD: /bin/systemctl",
}
SOMEBODYS_RIGHTS = {
    "oper ALL=(ALL) ALL, NOPASSWD: /bin/systemctl",
    "backup ALL=(root) NOPASSWD: /usr/bin/rsync, NOPASSWD: /bin/systemctl",
    "pi ALL=(ALL:ALL) NOPASSWD: /usr/bin/id, /bin/systemctl",
    "%sudo ALL=(ALL:ALL) PASSWD: ALL, NOPASSWD: /usr/bin/systemctl",
    "pi ALL=(ALL) NOPASSWD: NOEXEC: /bin/systemctl",
    "pi, ana ALL=(ALL) NOPASSWD: /bin/systemctl",
    "pi,ana ALL=(ALL) NOPASSWD: /bin/systemctl",
    "OPERATORS ALL=(ALL) NOPASSWD: /bin/systemctl",
    "ALL ALL=(ALL) NOPASSWD: /bin/systemctl",
    "pi one, two=(ALL) NOPASSWD: /bin/systemctl",
    "pi one=(ALL) NOPASSWD: /usr/bin/id : two=(ALL) NOPASSWD: /bin/systemctl",
    "pi ALL=(postgres) NOPASSWD: /bin/systemctl",
    "pi ALL=(ALL) NOPASSWD: /bin/systemctl restart shop",
    "pi ALL=(ALL) /bin/systemctl",
    "Defaults:pi env_keep = NOPASSWD: /bin/systemctl",
    "Cmnd_Alias UNITS = /bin/systemctl",
    "#1000 ALL=(ALL) NOPASSWD: /bin/systemctl",
    "# pi ALL=(ALL) NOPASSWD: /bin/systemctl",
    "svc ALL=(ALL) NOPASSWD: /usr/bin/id, \\\n  NOPASSWD: /bin/systemctl",
    "User_Alias OPERATORS = ana, \\\npi ALL=(ALL) NOPASSWD: /bin/systemctl",
}


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_line_that_is_nothing_but_the_old_rule_is_taken_out(rule: str, tmp_path: Path) -> None:
    file = tmp_path / "sudoers"
    file.write_text(f"# kept\n{rule}\npi ALL=(ALL) ALL\n")
    assert shell("sudoers", f"lines_of rest '{file}'") == "# kept\npi ALL=(ALL) ALL\n"
    assert shell("sudoers", f"lines_of rule '{file}'") == f"{rule}\n"


@pytest.mark.parametrize("rights", sorted(SOMEBODYS_RIGHTS))
def test_a_line_that_is_more_than_the_old_rule_stays(rights: str, tmp_path: Path) -> None:
    file = tmp_path / "sudoers"
    file.write_text(f"{rights}\nana ALL=(ALL) ALL\n")
    assert shell("sudoers", f"lines_of rest '{file}'") == file.read_text()
    assert shell("sudoers", f"lines_of rule '{file}'") == ""


ADDRESSES = [("203.0.113.5", True), ("2001:db8::5", True), ("slave.example", False), ("4you.example", False)]


@pytest.mark.parametrize(("name", "is_address"), ADDRESSES)
def test_an_address_of_the_certificate_is_no_name(name: str, is_address: bool) -> None:
    assert shell("options", f"is_host '{name}' && is_address '{name}' && echo address || echo name") == (
        "address\n" if is_address else "name\n"
    )


@pytest.mark.parametrize(
    ("reason", "told"),
    [(None, ""), ("rolled back", "what is confirmed was there before it"), ("it does not start", "it does not start")],
)
def test_the_status_tells_what_became_of_the_last_change(reason: str | None, told: str, tmp_path: Path) -> None:
    known = {"reason": reason, "port": 7600, "answering": {"mode": "agent", "commit": "a"}}
    (tmp_path / "installed").write_text(json.dumps(known))
    given = "look_at_sudoers() { :; }; INSTALLED=yes CONFIRMED=a PREVIOUS=b PHASE=confirmed; tell_status"
    said = shell("words activation looking", given, WORK=str(tmp_path), PYTHON="python3")
    assert ("last" in said) is bool(told) and told in said and "rolled back" not in said


OWNER = 65534


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A git checkout of another user, whose settings name programs, with a file that was changed."""
    if os.getuid() != 0:
        pytest.skip("only root can run git as somebody else")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "slave_agent").mkdir()
        (folder / "slave_agent" / "code.py").write_text("pass\n")
        (folder / ".gitattributes").write_text("*.py filter=spy\n")
        git = ["git", "-C", name, "-c", "user.name=pi", "-c", "user.email=pi@example.org"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
            subprocess.run([*git, *words], check=True)
        for key, value in (
            ("filter.spy.clean", f"id -u >>{name}/filter; cat"),
            ("core.fsmonitor", f"{name}/spy"),
        ):
            subprocess.run([*git, "config", key, value], check=True)
        (folder / "spy").write_text(f"#!/bin/sh\nid -u >>{name}/fsmonitor\n")
        (folder / "slave_agent" / "code.py").write_text("none\n")
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() or path.name == "spy" else 0o644)
            os.chown(path, OWNER, OWNER)
        yield folder


def test_git_runs_as_the_owner_of_the_checkout_and_leaves_its_index_alone(checkout: Path) -> None:
    index = checkout / ".git" / "index"
    before = index.stat()
    said = shell(
        "words release",
        "umask 077; find_source 2>&1; echo $COMMIT; "
        "in_checkout archive --format=tar $COMMIT slave_agent | tar -tf - slave_agent/code.py",
        ROOT=str(checkout),
        OPT="/opt/d8-agent",
    )
    assert "Uncommitted changes" in said and re.search("^[0-9a-f]{40}\nslave_agent/code.py$", said, re.MULTILINE), said
    after = index.stat()
    assert (after.st_uid, stat.S_IMODE(after.st_mode), after.st_mtime_ns) == (OWNER, 0o644, before.st_mtime_ns)
    assert set((checkout / "filter").read_text().split()) == {str(OWNER)}
    assert not (checkout / "fsmonitor").exists()
    assert [path for path in checkout.rglob("*") if path.stat().st_uid != OWNER] == []
