"""The files of apps: units, environments, and a note of what to put back. The same for root's helper and for a user.

A change is two files, so a note is written first: whoever finds one that is not settled puts back what it says. A
settled note keeps the version before, until the new one has proved itself.
"""

from __future__ import annotations

import errno
import json
import shutil
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Optional

from slave_agent.systemd.app_place import AppPlace
from slave_agent.systemd.environment_file import parse_environment
from slave_agent.systemd.errors import SystemdError
from slave_agent.systemd.service_config import APP_NAME, app_name_of
from slave_agent.systemd.service_generator import is_ours, is_untouched
from slave_agent.systemd.whole_files import read_whole, remove_whole, write_whole

UNIT_MODE, SECRET_MODE, FOLDER_MODE = 0o644, 0o600, 0o700


class UnitFileState(str, Enum):
    """What lies where an app's unit belongs: as D8 wrote it, changed since, somebody else's, or nothing."""

    UNTOUCHED = "untouched"
    EDITED = "edited"
    FOREIGN = "foreign"
    MISSING = "missing"


OURS = (UnitFileState.UNTOUCHED, UnitFileState.EDITED)


class Stage(str, Enum):
    """How far a change has come: its files are being written, they are all there, or all are being removed."""

    WRITING = "writing"
    SETTLED = "settled"
    REMOVING = "removing"


@dataclass(frozen=True)
class UndoNote:
    """What was there before a change; None stands for no such file."""

    stage: Stage
    unit: Optional[str]
    environment: Optional[str]


class UnitFiles:
    """The files of all apps in one place. Whoever calls what changes something holds the app's lock."""

    def __init__(self, place: AppPlace) -> None:
        self.place = place

    def state(self, name: str) -> UnitFileState:
        """Return what lies where the app's unit belongs."""
        try:
            text = read_whole(self.place.unit(name))
        except OSError as problem:
            if problem.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EFBIG):
                return UnitFileState.FOREIGN
            raise
        if text is None:
            return UnitFileState.MISSING
        if not is_ours(text):
            return UnitFileState.FOREIGN
        return UnitFileState.UNTOUCHED if is_untouched(text) else UnitFileState.EDITED

    def unit_text(self, name: str) -> Optional[str]:
        """Return the text of the app's unit, or None."""
        return read_whole(self.place.unit(name))

    def environment(self, name: str) -> dict[str, str]:
        """Return the app's environment; empty where it has none."""
        text = read_whole(self.place.environment(name))
        return parse_environment(text) if text else {}

    def note(self, name: str) -> Optional[UndoNote]:
        """Return what is noted for the app. Raises SystemdError for a note that can't be read."""
        text = read_whole(self.place.undo_note(name))
        if text is None:
            return None
        try:
            values = json.loads(text)
            return UndoNote(Stage(values["stage"]), values["unit"], values["environment"])
        except (ValueError, KeyError, TypeError) as problem:
            path = self.place.undo_note(name)
            raise SystemdError(f"{path} can't be read: {problem}", f"Look at the app, then remove {path}.") from problem

    def make_folders(self) -> None:
        """Make the folders that are not there; nobody else can look into ours."""
        self.place.units.mkdir(parents=True, exist_ok=True)
        for folder in (self.place.apps, self.place.locks):
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)

    def has_anything(self, name: str) -> bool:
        """Whether there is anything of D8's for an app."""
        return self.state(name) in OURS or self.place.environment(name).exists() or self.place.undo_note(name).exists()

    def begin(self, name: str, stage: Stage) -> None:
        """Note what is there now, before the first file changes."""
        unit, environment = (read_whole(path) for path in (self.place.unit(name), self.place.environment(name)))
        self._write_note(name, UndoNote(stage, unit, environment))

    def mark(self, name: str, stage: Stage) -> None:
        """Give the app's note another stage."""
        if (note := self.note(name)) is not None:
            self._write_note(name, UndoNote(stage, note.unit, note.environment))

    def write(self, name: str, unit: Optional[str], environment: Optional[str]) -> None:
        """Write the environment first, so that no unit is ever without it; None removes, the unit first."""
        if unit is None:
            remove_whole(self.place.unit(name))
        if environment is None:
            remove_whole(self.place.environment(name))
        else:
            write_whole(self.place.environment(name), environment, SECRET_MODE)
        if unit is not None:
            write_whole(self.place.unit(name), unit, UNIT_MODE)

    def delete(self, name: str) -> None:
        """Remove unit, the link that starts it at boot, an administrator's additions to it, and environment."""
        self.write(name, None, None)
        self.place.boot_link(name).unlink(missing_ok=True)
        shutil.rmtree(self.place.drop_ins(name), ignore_errors=True)

    def forget(self, name: str) -> None:
        """Remove the app's note."""
        remove_whole(self.place.undo_note(name))

    def names(self) -> tuple[str, ...]:
        """Return the apps that have a unit of D8's, sorted."""
        found = (app_name_of(path.name) for path in self.place.units.glob(self.place.unit_pattern))
        names = (name for name in found if name and APP_NAME.match(name))
        return tuple(sorted(name for name in names if self.state(name) in OURS))

    def unfinished(self) -> tuple[str, ...]:
        """Return the apps whose last change was interrupted, sorted."""
        suffix = ".undo.json"
        names = [path.name[: -len(suffix)] for path in self.place.apps.glob(f"[!.]*{suffix}")]
        return tuple(sorted(name for name in names if (note := self.note(name)) and note.stage is not Stage.SETTLED))

    def _write_note(self, name: str, note: UndoNote) -> None:
        write_whole(self.place.undo_note(name), json.dumps(asdict(note)) + "\n", SECRET_MODE)
