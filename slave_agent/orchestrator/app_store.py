"""What is known of each app, a file each in the state folder: never the values of its environment."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from slave_agent.durable_files import sync_folder, write_atomically
from slave_agent.models import JsonObject
from slave_agent.orchestrator.errors import RecordNotKept
from slave_agent.states import AppPhase
from slave_agent.systemd.service_config import ServiceConfig, config_from, problems_in

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AppRecord:
    """An app as it was registered. `document` is its config without environment; `former` the one that an edit goes
    back to, `former_ran` whether it ran then, `is_restart_wanted` whether the edit restarts the app. `log_after` is
    the cursor of the last line that an app of the same name had left in the journal: the log begins after it.
    """

    name: str
    document: JsonObject
    environment_names: tuple[str, ...] = ()
    phase: AppPhase = AppPhase.REGISTERED
    former: JsonObject | None = None
    former_names: tuple[str, ...] = ()
    former_ran: bool = False
    is_restart_wanted: bool = False
    log_after: str | None = None

    @property
    def config(self) -> ServiceConfig:
        """The app, without the values of its environment."""
        return config_from(self.document)

    def as_before_edit(self) -> AppRecord:
        """The record that an edit began with."""
        before = self.former if self.former is not None else self.document
        names = self.former_names if self.former is not None else self.environment_names
        return AppRecord(self.name, before, names, log_after=self.log_after)

    def in_phase(self, phase: AppPhase) -> AppRecord:
        """The same in another phase."""
        return replace(self, phase=phase)


class AppStore:
    """Given the folder, which is made when needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """The names of all apps that are written down, sorted."""
        return sorted(path.stem for path in self._folder.glob("*.json") if not path.name.startswith("."))

    def all(self) -> list[AppRecord]:
        """Every record that can be read, sorted by name."""
        found = (self.find(name) for name in self.names())
        return [record for record in found if record is not None]

    def find(self, name: str) -> AppRecord | None:
        """Given a name that keeps the grammar, return its record; None where there is none that can be read."""
        path = self._path(name)
        try:
            return _record_of(name, json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.error("the record of the app %s can't be read: %s (%s)", name, path, error)
            return None

    def write(self, record: AppRecord) -> None:
        """Given a record, keep it. Raises RecordNotKept."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path(record.name), json.dumps(asdict(record), indent=2).encode())
        except OSError as error:
            told = f"the record of {record.name} can't be written: {error.strerror}"
            raise RecordNotKept(told, f"Look at the disk of {self._folder}.") from error

    def delete(self, name: str) -> None:
        """Given a name, forget it. Repeating it is fine."""
        self._path(name).unlink(missing_ok=True)
        if self._folder.is_dir():
            sync_folder(self._folder)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def _record_of(name: str, stored: JsonObject) -> AppRecord:
    document = stored["document"]
    if problems := problems_in(document):
        raise ValueError("; ".join(f"{problem.field}: {problem.message}" for problem in problems))
    return AppRecord(
        name=name,
        document=document,
        environment_names=tuple(stored["environment_names"]),
        phase=AppPhase(stored["phase"]),
        former=stored["former"],
        former_names=tuple(stored["former_names"]),
        former_ran=bool(stored["former_ran"]),
        is_restart_wanted=bool(stored.get("is_restart_wanted", True)),  # an older agent did not write it
        log_after=stored.get("log_after"),
    )
