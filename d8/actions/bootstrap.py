"""Option 12: brings the bootstrap to a machine over ssh, starts it there, ready to be built."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from d8.actions.host_key import HostKeyQuestion, explained_change, trusted_key
from d8.actions.installer import make_installer
from d8.actions.workplace import Workplace
from d8.congress.diagnosis import diagnose
from d8.congress.known_failures import UNKNOWN_FAILURE
from d8.errors import Cancelled, D8Error, Refused, SlaveUnreachable
from d8.fleet.connection import connect
from d8.fleet.names import Address
from d8.fleet.ssh import Ssh
from d8.fleet.ssh_answer import Answer, AnswerKind
from d8.fleet.ssh_host_keys import HostKey
from d8.fleet.ssh_problems import HostKeyChanged, LoginRefused
from d8.fleet.ssh_target import Target
from d8.messages import Message, message

SecretQuestion = Callable[[Message], str]
PASSWORD_METHODS = frozenset({"password", "keyboard-interactive"})
LAST_LINES = 12
# Nothing is run unless all of it arrived. One line, for whatever login shell; the file is nobody else's, and goes.
REMOTE = (
    'sh -c \'umask 077; f=$(mktemp "$HOME/.d8_install.XXXXXX") || exit 1; '
    'remove() {{ rm -f "$f"; }}; trap remove EXIT; trap "exit 130" HUP INT TERM; '
    'cat >"$f"; [ "$(wc -c <"$f")" -eq {size} ] || {{ echo "only a part of the script arrived" >&2; exit 75; }}; '
    'sh "$f" --start </dev/null\''
)


@dataclass(frozen=True)
class Operator:
    """Who may be asked: about a host key, and for a password. None: nobody, the answer is no."""

    accepts_host_key: HostKeyQuestion | None = None
    secret: SecretQuestion | None = None


class BootstrapSlave:
    """Given the workplace, the target, who can be asked and who reads the script's lines."""

    def __init__(
        self,
        workplace: Workplace,
        target: Target,
        operator: Operator,
        show_line: Callable[[str], None],
        accepted_host_key: str | None = None,
    ) -> None:
        self._workplace = workplace
        self._target = target
        self._operator = operator
        self._show_line = show_line
        self._accepted = accepted_host_key
        self._ssh = Ssh(target, workplace.settings.connect_timeout_seconds)

    @property
    def address(self) -> Address:
        """Where the slave will be built."""
        return Address(self._target.host, self._workplace.settings.slave_port)

    def install_if_needed(self) -> HostKey | None:
        """Install over ssh where no server of this master answers yet; return the proved host key, None where ssh had
        nothing to do. Raises D8Error.
        """
        return None if self.answers_already() else self.install()

    def answers_already(self) -> bool:
        """Whether a bootstrap or agent that this master has credentials for is there: then ssh has nothing to do."""
        try:
            connect(self.address, self._workplace.settings, self._workplace.registry).close()
        except (SlaveUnreachable, Refused):
            return False
        return True

    def install(self) -> HostKey:
        """Start the bootstrap there; return the host key that the machine proved. Raises D8Error with its section."""
        try:
            return self._install()
        except Cancelled:
            raise
        except D8Error as error:
            error.hint = with_section(error)
            raise

    def _install(self) -> HostKey:
        settings = self._workplace.settings
        key = trusted_key(self._ssh, self._target, settings, self._operator.accepts_host_key, self._accepted)
        try:
            self._start(key, None)
        except LoginRefused as refused:
            self._start(key, self._ask_for_answer(refused))
        except HostKeyChanged as changed:
            raise explained_change(changed, self._ssh, self._target, settings) from changed
        self._workplace.registry.record("bootstrap", str(self._target), key.fingerprint)
        return key

    def _ask_for_answer(self, refused: LoginRefused) -> Answer:
        """Given why no key was enough, ask for what would be: a passphrase or a password, once. Raises Refused."""
        if self._ssh.key_needs_passphrase():
            kind, question = AnswerKind.PASSPHRASE, message("Passphrase of {key}:", key=self._target.key)
        elif refused.methods & PASSWORD_METHODS:
            kind, question = AnswerKind.PASSWORD, message("Password of {target}:", target=self._target)
        else:
            raise refused
        if self._operator.secret is None:
            raise refused
        return Answer(kind, self._operator.secret(question))

    def _start(self, key: HostKey, answer: Answer | None) -> None:
        """Send a new installer and run it. Raises LoginRefused, D8Error with what the script said."""
        script = self._make_script()
        said: deque[str] = deque(maxlen=LAST_LINES)

        def observe(line: str) -> None:
            said.append(line)
            self._show_line(line)

        try:
            exit_code = self._ssh.run(
                REMOTE.format(size=len(script)),
                key,
                stdin=script,
                observe=observe,
                timeout_seconds=self._workplace.settings.install_timeout_seconds,
                answer=answer,
            )
        except LoginRefused as refused:
            raise refused if answer is None else wrong_answer(answer, self._target) from refused
        if exit_code != 0:
            raise D8Error(
                "the install script failed on {host}: {reason}",
                "Mend that there and do it again.",
                host=self._target.name,
                reason=script_failure(said),
            )

    def _make_script(self) -> bytes:
        """Return an installer of its own for this machine; no copy of it stays on this disk."""
        with tempfile.TemporaryDirectory(prefix="d8-installer-") as folder:
            return make_installer(self._workplace, datetime.now(UTC), folder=Path(folder)).script.read_bytes()


def with_section(error: D8Error) -> Message:
    """Given why it failed, return the advice with the section of docs/troubleshooting.md, where there is one. Pure."""
    diagnosis = diagnose([str(error.message)])
    if diagnosis == UNKNOWN_FAILURE.diagnosis:
        return error.hint
    return message("Read on in {doc}. {advice}", doc=diagnosis.doc, advice=error.hint)


def script_failure(lines: Sequence[str]) -> str:
    """Given the script's last lines, return why it failed, in one: from its ERROR on, or the last line. Pure."""
    words = [line.strip() for line in lines if line.strip()]
    begins = [index for index, line in enumerate(words) if line.startswith("ERROR: ")]
    if begins:
        return " ".join(words[begins[-1] :]).removeprefix("ERROR: ")
    return words[-1] if words else "?"


def wrong_answer(answer: Answer, target: Target) -> Refused:
    """Given what was answered and to whom, return the error to raise. Pure."""
    if answer.kind is AnswerKind.PASSPHRASE:
        return Refused("{target} was not reached with the key: wrong passphrase?", "Try again.", target=target)
    return Refused(
        "{target} refused the password",
        "Try again, or check the user: --user NAME. Some servers let root in with a key alone.",
        target=target,
    )
