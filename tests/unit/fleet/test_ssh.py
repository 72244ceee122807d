"""ssh without a host: words that can't be taken for options, host keys that are judged, failures that are explained."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from d8 import processes
from d8.actions.bootstrap import REMOTE, script_failure
from d8.errors import D8Error, ExitCode, Refused, SlaveUnreachable, UsageError
from d8.fleet.ssh import BEGAN, Ssh
from d8.fleet.ssh_answer import Answer, AnswerKind, waiting
from d8.fleet.ssh_host_keys import (
    HostKey,
    PinnedKeys,
    Verdict,
    judge,
    parse_fingerprint,
    parse_known_hosts,
    render_known_hosts,
)
from d8.fleet.ssh_options import ssh_command
from d8.fleet.ssh_problems import Ending, HostKeyChanged, LoginRefused, problem_of
from d8.fleet.ssh_target import Target, parse_target

ED25519 = HostKey("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIP5iShiH5EniDl/pzIwzAJn37yfr5m6kxJ4+FBVoXZRd")
ED25519_FINGERPRINT = "SHA256:XDWVsL87tOPq7ygSsKNJsNvu6x0exRA1bSyOouHrLck"
OTHER = HostKey("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
NAUGHTY_PASSWORDS = [
    "simple",
    "Pa$$ 'w0rd' \"x\" `id` $(id) %s \\n \\",
    "ñ漢字🤖",
    " leading and trailing ",
    "-n",
    "x" * 1000,
]


needs_openssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH's client is not installed here")


class TestTarget:
    @pytest.mark.parametrize(
        ("text", "user", "port", "wanted"),
        [
            ("192.168.4.25", None, None, Target("192.168.4.25", 22, "pi")),
            ("root@192.168.4.25:2222", None, None, Target("192.168.4.25", 2222, "root")),
            ("Pi.Local", "admin", 2222, Target("pi.local", 2222, "admin")),
            ("pi@[fd00::5]:2222", None, None, Target("fd00::5", 2222, "pi")),
            ("fd00::5", None, None, Target("fd00::5", 22, "pi")),
            ("pi@host", "pi", None, Target("host", 22, "pi")),
        ],
    )
    def test_what_operators_type(self, text: str, user: str | None, port: int | None, wanted: Target) -> None:
        assert parse_target(text, user, port) == wanted

    @pytest.mark.parametrize(
        "text",
        ["-oProxyCommand=id", "pi@-oProxyCommand=id", "-l@host", "a b@host", "pi;id@host", "$(id)@host", "@", "a@b@c",
         "pi@host name", "pi@host;id", "pi@", "pi@host:0", "pi@host:99999", "é@host", "pi\n@host", "pi@ho\nst"],
    )  # fmt: skip
    def test_what_could_be_an_option_or_a_command_is_refused(self, text: str) -> None:
        with pytest.raises(UsageError):
            parse_target(text)

    def test_contradictions_and_missing_keys_are_wrong_usage(self, tmp_path: Path) -> None:
        for arguments in (("pi@host", "root"), ("host:2222", None, 22), ("host", None, None, tmp_path / "none")):
            with pytest.raises(UsageError):
                parse_target(*arguments)  # type: ignore[arg-type]

    def test_the_pinned_name_is_the_one_of_known_hosts(self) -> None:
        assert Target("host").name == "host"
        assert Target("fd00::5", 2222).name == "[fd00::5]:2222"


class TestCommandLine:
    def test_everything_before_the_host_is_options_and_nothing_of_the_operators_weakens_it(
        self, tmp_path: Path
    ) -> None:
        key = tmp_path / "100% key"
        words = [str(word) for word in ssh_command(Target("host", 2222, "pi", key), 4.2, ("BatchMode=yes",), "run it")]
        assert words[-3:] == ["--", "host", "run it"]
        options = [words[index + 1] for index, word in enumerate(words) if word == "-o"]
        assert {
            "ControlPath=none",
            "GlobalKnownHostsFile=/dev/null",
            "HostKeyAlias=[host]:2222",
            "BatchMode=yes",
        } <= set(options)
        assert "ConnectTimeout=5" in options and "IdentitiesOnly=yes" in options
        assert words[words.index("-i") + 1] == f"{tmp_path}/100%% key"

    @needs_openssh
    def test_the_real_ssh_understands_every_option(self) -> None:
        words = [str(word) for word in ssh_command(Target("host"), 5, ("StrictHostKeyChecking=yes",), "true")]
        shown = subprocess.run(["ssh", "-G", *words[1:]], capture_output=True, text=True)
        assert shown.returncode == 0, shown.stderr
        effective = dict(line.split(" ", 1) for line in shown.stdout.splitlines() if " " in line)
        assert effective["stricthostkeychecking"] == "true"
        assert effective["userknownhostsfile"] == "known_hosts"
        assert effective["globalknownhostsfile"] == "/dev/null"
        assert effective["hostkeyalias"] == "host"


class TestHostKeys:
    @needs_openssh
    def test_the_fingerprint_is_sshs_own(self, tmp_path: Path) -> None:
        assert ED25519.fingerprint == ED25519_FINGERPRINT
        (tmp_path / "key.pub").write_text(f"{OTHER.kind} {OTHER.text}\n")
        said = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True).stdout
        assert OTHER.fingerprint in said

    @pytest.mark.parametrize(
        ("pinned", "presented", "accepted", "verdict"),
        [
            (None, [ED25519], None, Verdict.ASK),
            (ED25519, [ED25519], None, Verdict.KNOWN),
            (ED25519, [OTHER], None, Verdict.CHANGED),
            (ED25519, [], None, Verdict.CHANGED),
            (None, [ED25519], ED25519.fingerprint, Verdict.PIN),
            (None, [OTHER, ED25519], ED25519.fingerprint, Verdict.PIN),
            (None, [OTHER], ED25519.fingerprint, Verdict.NOT_THE_ACCEPTED_ONE),
            (ED25519, [OTHER], ED25519.fingerprint, Verdict.NOT_THE_ACCEPTED_ONE),
            (OTHER, [ED25519], ED25519.fingerprint, Verdict.PIN),
            (ED25519, [ED25519], ED25519.fingerprint, Verdict.KNOWN),
        ],
    )
    def test_the_rule(
        self, pinned: HostKey | None, presented: list[HostKey], accepted: str | None, verdict: Verdict
    ) -> None:
        assert judge(pinned, presented, accepted) is verdict

    def test_a_pin_replaces_the_one_of_its_name_alone_and_is_private(self, tmp_path: Path) -> None:
        pins = PinnedKeys(tmp_path / "data")
        assert pins.key_of("host") is None
        for name, key in (("host", ED25519), ("[host]:2222", OTHER), ("host", OTHER)):
            pins.pin(name, key)
        assert (pins.key_of("host"), pins.key_of("[host]:2222")) == (OTHER, OTHER)
        assert pins.path.stat().st_mode & 0o777 == 0o600 and pins.path.parent.stat().st_mode & 0o777 == 0o700

    def test_known_hosts_survive_reading_and_writing_and_odd_lines(self) -> None:
        keys = {"host": ED25519, "[fd00::5]:22": OTHER}
        assert parse_known_hosts(render_known_hosts(keys)) == keys
        odd = f"# comment\n\n@revoked host ssh-ed25519 {ED25519.text}\nhost\nhost ssh-rsa not*base64\n"
        assert parse_known_hosts(odd) == {}

    def test_fingerprints_are_taken_as_people_copy_them(self) -> None:
        assert parse_fingerprint(f" {ED25519_FINGERPRINT}=\n") == ED25519_FINGERPRINT
        for text in ("", "MD5:00", "SHA256:short", "SHA256:" + "x" * 44, "--yes"):
            with pytest.raises(UsageError):
                parse_fingerprint(text)


def ending(*lines: str, exit_code: int = 255, has_begun: bool = False) -> Ending:
    return Ending(exit_code, lines, has_begun)


@pytest.mark.parametrize(
    ("line", "kind", "word"),
    [
        ("ssh: connect to host h port 22: Connection refused", SlaveUnreachable, "nothing answers"),
        ("ssh: connect to host h port 22: Connection timed out", SlaveUnreachable, "no answer"),
        ("Connection timed out during banner exchange", SlaveUnreachable, "no answer"),
        ("ssh: connect to host h port 22: No route to host", SlaveUnreachable, "no way"),
        ("ssh: Could not resolve hostname h: Name or service not known", SlaveUnreachable, "name h"),
        ("kex_exchange_identification: Connection closed by remote host", SlaveUnreachable, "closed"),
        ("Host key verification failed.", HostKeyChanged, "another host key"),
        ("pi@h: Permission denied (publickey,password).", LoginRefused, "none of this master's keys"),
        ("Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures", Refused, "many"),
        ("Permissions 0644 for '/k' are too open.\nbad permissions", Refused, "others can read"),
        ("no matching host key type found. Their offer: ssh-rsa", Refused, "no algorithm"),
        ("something that nobody has seen yet", SlaveUnreachable, "nobody has seen"),
    ],
)  # fmt: skip
def test_what_ssh_says_is_explained(line: str, kind: type[D8Error], word: str) -> None:
    problem = problem_of(ending(*line.split("\n")), "h", "pi", "h")
    assert type(problem) is kind and word in str(problem), str(problem)
    assert problem.exit_code == (ExitCode.REFUSED if issubclass(kind, Refused) else ExitCode.UNREACHABLE)


def test_the_ways_to_log_in_are_read_from_the_refusal() -> None:
    problem = problem_of(ending("pi@h: Permission denied (publickey,keyboard-interactive)."), "h", "pi", "h")
    assert isinstance(problem, LoginRefused) and problem.methods == {"publickey", "keyboard-interactive"}


def test_what_the_command_prints_is_not_taken_for_sshs_words() -> None:
    assert problem_of(ending("Connection refused", exit_code=1, has_begun=True), "h", "pi", "h") is None
    broken = problem_of(
        ending("curl: Connection refused", "Timeout, server not responding", has_begun=True), "h", "p", "h"
    )
    assert "broke" in str(broken)
    assert problem_of(ending("sh: not found", exit_code=127, has_begun=True), "h", "pi", "h") is None
    missing = problem_of(ending("No such file: 'ssh'", exit_code=127), "h", "pi", "h")
    assert "no ssh client" in str(missing)
    assert "in time" in str(problem_of(ending(exit_code=124, has_begun=True), "h", "pi", "h"))


@dataclass
class ScriptedSsh:
    """Takes the place of `processes.stream`: prints these lines, ends so, and keeps what it was given."""

    lines: Sequence[str]
    exit_code: int = 0
    words: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    known_hosts: str = ""
    answers: list[str] = field(default_factory=list)
    questions: Sequence[str] = ()

    def __call__(
        self,
        words: Sequence[str | Path],
        observe: Callable[[str], None],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        timeout_seconds: float | None = None,
    ) -> int:
        assert cwd is not None and environment is not None
        assert cwd.stat().st_mode & 0o777 == 0o700
        self.words, self.environment = [str(word) for word in words], dict(environment)
        self.known_hosts = (cwd / "known_hosts").read_text() if (cwd / "known_hosts").exists() else ""
        for question in self.questions:
            self.answers.append(ask(self.environment, question))
        for line in self.lines:
            observe(line)
        return self.exit_code


def ask(environment: Mapping[str, str], question: str) -> str:
    """Do as ssh does: run the program, read its first line."""
    done = subprocess.run([environment["SSH_ASKPASS"], question], capture_output=True, text=True, timeout=10)
    return done.stdout.removesuffix("\n") if done.returncode == 0 else ""


class TestRun:
    def test_only_the_commands_own_lines_are_shown(self) -> None:
        shown: list[str] = []
        fake = ScriptedSsh(["from .bashrc", BEGAN, "one", "two"], 3)
        code = Ssh(Target("host"), 5, fake).run("true", ED25519, stdin=b"", observe=shown.append, timeout_seconds=5)
        assert (code, shown) == (3, ["one", "two"])
        assert fake.known_hosts == f"host {ED25519.kind} {ED25519.text}\n"
        assert "StrictHostKeyChecking=yes" in fake.words and "BatchMode=yes" in fake.words
        assert "SSH_ASKPASS" not in fake.environment or "SSH_ASKPASS" in os.environ

    @pytest.mark.parametrize("password", NAUGHTY_PASSWORDS)
    def test_a_password_is_told_once_and_is_nowhere_else(self, password: str) -> None:
        fake = ScriptedSsh([BEGAN], questions=["pi@host's password: ", "(pi@host) Password: "])
        answer = Answer(AnswerKind.PASSWORD, password)
        Ssh(Target("host"), 5, fake).run(
            "true", ED25519, stdin=b"", observe=lambda _: None, timeout_seconds=5, answer=answer
        )
        assert fake.answers == [password, ""]
        if len(password) > 2:
            assert password not in " ".join(fake.words) and password not in repr(answer)
            named = {name: value for name, value in fake.environment.items() if name != "PYTEST_CURRENT_TEST"}
            assert not any(password in value for value in named.values())
        assert fake.environment["SSH_ASKPASS_REQUIRE"] == "force"
        assert not Path(fake.environment["SSH_ASKPASS"]).parent.exists()

    @pytest.mark.parametrize(
        ("kind", "question"),
        [
            (AnswerKind.PASSWORD, "Enter passphrase for key '/k': "),
            (AnswerKind.PASSWORD, "Are you sure you want to continue connecting (yes/no/[fingerprint])? "),
            (AnswerKind.PASSPHRASE, "pi@host's password: "),
        ],
    )
    def test_another_question_gets_no_answer(self, kind: AnswerKind, question: str, tmp_path: Path) -> None:
        with waiting(Answer(kind, "secret"), tmp_path) as environment:
            assert ask(environment, question) == ""
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("secret", ["", "x" * 1001, "two\nlines", "a\0b"])
    def test_what_ssh_could_not_read_whole_is_refused(self, secret: str) -> None:
        with pytest.raises(UsageError):
            Answer(AnswerKind.PASSWORD, secret)


class TestKeyFile:
    @needs_openssh
    def test_an_encrypted_key_a_plain_one_and_none(self, tmp_path: Path) -> None:
        for name, passphrase in (("plain", ""), ("locked", "open sesame")):
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(tmp_path / name)]
            subprocess.run(words, check=True)
        (tmp_path / "text").write_text("not a key\n")
        (tmp_path / "text").chmod(0o600)
        needs = [Ssh(Target("h", key=tmp_path / name), 5).key_needs_passphrase() for name in ("plain", "locked")]
        assert needs == [False, True]
        assert Ssh(Target("h"), 5).key_needs_passphrase() is False
        with pytest.raises(UsageError, match="can't use the key"):
            Ssh(Target("h", key=tmp_path / "text"), 5).key_needs_passphrase()


class TestRemoteCommand:
    """The line that the slave's login shell gets, run here by a shell in a home of its own."""

    def run(self, home: Path, script: bytes, announced: int, shell: str = "sh") -> subprocess.CompletedProcess[bytes]:
        home.mkdir(exist_ok=True)
        command = REMOTE.format(size=announced)
        return subprocess.run(
            [shell, "-c", command], input=script, capture_output=True, env={**os.environ, "HOME": str(home)}
        )

    @pytest.mark.parametrize("shell", ["sh", "bash"])
    def test_the_script_is_run_with_start_and_removed(self, tmp_path: Path, shell: str) -> None:
        home = tmp_path / "a home"
        script = b'#!/bin/sh\necho "$1 $(stat -c %a "$0")"; cat; exit 7\n'
        done = self.run(home, script, len(script), shell)
        assert (done.returncode, done.stdout) == (7, b"--start 600\n"), done.stderr
        assert list(home.iterdir()) == []

    def test_half_a_script_is_not_run(self, tmp_path: Path) -> None:
        done = self.run(tmp_path / "home", b"echo ran\n", 100)
        assert done.returncode == 75 and b"ran" not in done.stdout
        assert list((tmp_path / "home").iterdir()) == []

    def test_it_is_one_line_in_single_quotes(self) -> None:
        command = REMOTE.format(size=1)
        assert "\n" not in command and command.count("'") == 2 and "!" not in command
        assert len(shlex.split(command)) == 3


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["1. Port", "", "ERROR: Port 7600 is taken by x.", "Stop it."], "Port 7600 is taken by x. Stop it."),
        (["sh: not found", ""], "sh: not found"),
        ([], "?"),
    ],
)
def test_why_the_script_failed(lines: list[str], reason: str) -> None:
    assert script_failure(lines) == reason


class TestStream:
    def test_standard_input_arrives_whole_while_output_is_read(self) -> None:
        data = os.urandom(300_000).hex().encode() + b"\n"
        seen: list[str] = []
        echo = "import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d); sys.stderr.write('end\\n')"
        assert processes.stream([sys.executable, "-c", echo], seen.append, stdin=data) == 0
        assert data.decode().strip() in seen and "end" in seen

    def test_a_process_that_does_not_want_its_input_is_no_failure(self) -> None:
        assert processes.stream(["sh", "-c", "exec <&-; exit 3"], lambda _: None, stdin=b"x" * 1_000_000) == 3

    def test_past_the_limit_it_is_ended(self) -> None:
        assert processes.stream(["sleep", "60"], lambda _: None, timeout_seconds=0.3) == 124

    def test_a_missing_program_is_127(self) -> None:
        seen: list[str] = []
        assert processes.stream(["no-such-program-here"], seen.append, stdin=b"x") == 127 and seen
