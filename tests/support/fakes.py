"""Stand-ins at the edge of unit tests: a builder that builds nothing, an operator who answers from a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from d8.build.builder import BuildOptions
from d8.build.events import Observer, OutputLine, StepEnded, StepName, StepStarted
from d8.errors import ExitCode
from d8.fleet.names import Address, slave_id_for
from d8.fleet.registry import Registry
from d8.menu.prompts import Choice
from d8.messages import Message, message
from d8.models import BuildReport, BuildStatus, Credential, CredentialKind, Scope, Slave, StrategyName
from d8.settings import Settings, read_settings

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def make_settings(folder: Path, **variables: str) -> Settings:
    """Settings whose folders lie in `folder`, without a network to find an address in."""
    own = {
        "D8_DATA_DIR": str(folder / "data"),
        "D8_INSTALLER_DIR": str(folder / "installers"),
        "D8_MASTER_ADDRESS": "192.0.2.10",
        "D8_LANG": "en",
        "D8_CONNECT_TIMEOUT": "1",
    }
    return read_settings({**own, **variables}, folder / ".env")


def make_slave(address: str = "192.168.4.25", port: int = 7600, **fields: object) -> Slave:
    """A registered slave as a build leaves it."""
    values = {
        "slave_id": slave_id_for(Address(address, port)),
        "address": address,
        "port": port,
        "machine_id": "a" * 32,
        "hostname": "pi",
        "commit": COMMIT,
        "strategy": StrategyName.VENV,
        "scope": Scope.SYSTEM,
        "survives_reboot": True,
        "registered": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    }
    return Slave(**{**values, **fields})  # type: ignore[arg-type]


def register(registry: Registry, slave: Slave, token: str = "the-agents-token") -> None:
    """Register a slave with the credential of its agent."""
    registry.save_slave(slave)
    known = Credential(CredentialKind.AGENT, f"certificate of {slave.slave_id}", token, slave.slave_id)
    registry.save_credential(known, slave.registered)


class InMemoryBuilder:
    """Takes the place of BuildD8Slave: its events, its report, the slave in the registry. `fails` names hosts."""

    fails: frozenset[str] = frozenset()

    def __init__(
        self, address: Address, settings: Settings, registry: Registry, observer: Observer, options: BuildOptions
    ) -> None:
        self._address, self._settings, self._registry, self._observer = address, settings, registry, observer
        self._options = options

    def build(self) -> BuildReport:
        """Two steps, one line of output, then success, or failure for a host in `fails`."""
        is_well = self._address.host not in self.fails
        self._observer(StepStarted(StepName.CONNECTIVITY, message("Connectivity")))
        self._observer(OutputLine("hello \x1b[31mfrom the slave"))
        outcome = message("the bootstrap answers on port {port}", port=self._address.port)
        self._observer(StepEnded(StepName.CONNECTIVITY, is_well, outcome, 0.1))
        slave = make_slave(self._address.host, self._address.port)
        if is_well:
            self._registry.save_slave(slave)
        status = BuildStatus.SUCCESS if is_well else BuildStatus.FAILED
        return BuildReport(
            slave_id=slave.slave_id,
            slave_host=self._address.host,
            status=status,
            exit_code=ExitCode.DONE if is_well else ExitCode.UNREACHABLE,
            log_file=self._settings.data_dir / "build_logs" / "build_x.json",
            document={"slave_id": slave.slave_id, "status": status, "duration_seconds": 2.0, "commands": []},
            strategy=StrategyName.VENV if is_well else None,
            error=None if is_well else Message("it is switched off"),
            hint=None if is_well else Message("Switch it on."),
            slave=slave if is_well else None,
        )


@dataclass
class ScriptedOperator:
    """Answers from a list; an exception in it is raised. Fails on a question for which nothing is left."""

    answers: list[object]
    asked: list[str] = field(default_factory=list)

    def choose(self, title: str, choices: Sequence[Choice]) -> int:
        """Answer with a number that is on offer."""
        answer = self._next(title)
        assert answer in {choice.number for choice in choices}, f"{answer} is not on offer"
        assert isinstance(answer, int)
        return answer

    def text(self, question: Message, default: str, check: Callable[[str], object]) -> str:
        """Answer with a text that passes the check; empty takes the default."""
        answer = str(self._next(str(question))) or default
        check(answer)
        return answer

    def confirm(self, question: Message) -> bool:
        """Answer yes or no."""
        answer = self._next(str(question))
        assert isinstance(answer, bool)
        return answer

    def secret(self, question: Message) -> str:
        """Answer with a password."""
        return str(self._next(str(question)))

    def pause(self) -> None:
        """Enter."""

    def _next(self, question: str) -> object:
        self.asked.append(question)
        assert self.answers, f"nobody expected: {question}"
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer
