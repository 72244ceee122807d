"""Options 2 to 4: the apps of a slave, looked at and changed. What changes something is recorded in the audit log."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from d8.actions.workplace import Workplace
from d8.app_errors import AppNotUp, UnusableApp
from d8.app_models import AppDetail, AppEdited, AppPermission, AppStatus, AppVerb, FieldProblem
from d8.errors import Cancelled, D8Error, UsageError
from d8.fleet.answers import Json
from d8.fleet.apps_client import AppsClient
from d8.fleet.connection import connect_to_slave
from d8.masking import Masker
from d8.messages import Message
from d8.models import Slave

APP_NAME = re.compile(r"[a-z][a-z0-9_-]{0,47}")
Result = TypeVar("Result")


@dataclass(frozen=True)
class SlaveApps:
    """The apps of one slave, by name."""

    slave: Slave
    apps: tuple[AppStatus, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the object of `apps --json`."""
        return {"slave_id": self.slave.slave_id, "apps": [app.as_json() for app in self.apps]}


@dataclass(frozen=True)
class AppResult:
    """An app after something was done with it."""

    slave: Slave
    app: AppStatus

    def as_json(self) -> dict[str, Any]:
        """Return the object of `app start --json` and its like."""
        return {"slave_id": self.slave.slave_id, "app": self.app.as_json()}


@dataclass(frozen=True)
class AppShown:
    """An app with its configuration and the end of its journal."""

    slave: Slave
    detail: AppDetail

    def as_json(self) -> dict[str, Any]:
        """Return the object of `app status --json`."""
        return {
            "slave_id": self.slave.slave_id,
            "app": self.detail.app.as_json(),
            "config": self.detail.config,
            "environment_names": list(self.detail.environment_names),
            "log": list(self.detail.log),
            "exposure": self.detail.exposure,
        }


@dataclass(frozen=True)
class AppEdit:
    """What an edit changed."""

    slave: Slave
    edited: AppEdited
    is_dry_run: bool

    def as_json(self) -> dict[str, Any]:
        """Return the object of `app edit --json`."""
        return {
            "slave_id": self.slave.slave_id,
            "app": self.edited.app.as_json(),
            "changes": [change.__dict__ for change in self.edited.changes],
            "restarted": self.edited.restarted,
            "needs_restart": self.edited.needs_restart,
            "dry_run": self.is_dry_run,
        }


@dataclass(frozen=True)
class AppRemoval:
    """An app that is gone."""

    slave: Slave
    name: str

    def as_json(self) -> dict[str, Any]:
        """Return the object of `app remove --json`."""
        return {"slave_id": self.slave.slave_id, "removed": self.name}


def checked_name(name: str) -> str:
    """Given an app's name, return it. Raises UsageError for one that no app can have."""
    if APP_NAME.fullmatch(name):
        return name
    raise UsageError(
        "'{name}' is no name for an app",
        "A small letter first, then small letters, digits, - and _; at most 48 characters: shop-api.",
        name=name,
    )


def list_apps(workplace: Workplace, slave_name: str) -> SlaveApps:
    """Given a slave's name, return its apps."""
    with AppsRoom(workplace, slave_name) as room:
        return room.all()


def apps_and_permissions(workplace: Workplace, slave_name: str) -> tuple[SlaveApps, tuple[AppPermission, ...]]:
    """Given a slave's name, return its apps and what managing them needs there, granted or not."""
    with AppsRoom(workplace, slave_name) as room:
        return room.all(), room.client.permissions()


def show_app(workplace: Workplace, slave_name: str, name: str) -> AppShown:
    """Given a slave's and an app's name, return everything that is known of the app."""
    checked_name(name)
    with AppsRoom(workplace, slave_name) as room:
        return room.show(name)


def control_app(workplace: Workplace, slave_name: str, verb: AppVerb, name: str) -> AppResult:
    """Given a slave, what to do and with which app, do it and return how the app is then. Raises AppNotUp."""
    checked_name(name)
    with _changing(workplace, slave_name, verb.value, name) as (slave, client):
        return AppResult(slave, client.act(verb, name))


def remove_app(workplace: Workplace, slave_name: str, name: str) -> AppRemoval:
    """Given a slave's and an app's name, remove the app and everything that was installed for it."""
    checked_name(name)
    with _changing(workplace, slave_name, "remove", name) as (slave, client):
        return AppRemoval(slave, client.remove(name))


def register_app(workplace: Workplace, slave_name: str, document: Json) -> AppResult:
    """Given a slave's name and the description of an app, install it there and start it.

    Raises UnusableApp with every problem, AppNotUp when it does not stay up; nothing is left of it then. The values of
    its environment are in no error.
    """
    name = checked_name(str(document.get("name", "")))
    with _changing(workplace, slave_name, "register", name, document) as (slave, client):
        return AppResult(slave, client.register(document))


def edit_app(workplace: Workplace, slave_name: str, name: str, document: Json) -> AppEdit:
    """Given a slave's and an app's name and the fields that change, change them.

    Raises like register_app; what does not stay up is put back by the slave.
    """
    checked_name(name)
    is_dry_run = bool(document.get("dry_run"))
    with _changing(workplace, slave_name, "try-edit" if is_dry_run else "edit", name, document) as (slave, client):
        return AppEdit(slave, client.edit(name, document), is_dry_run)


class AppsRoom:
    """One open line to a slave's apps, for who looks more than once. Given the slave's name; a context manager."""

    def __init__(self, workplace: Workplace, slave_name: str) -> None:
        self._workplace = workplace
        self.slave = workplace.registry.slave(slave_name)

    def __enter__(self) -> AppsRoom:
        self._client = connect_to_slave(self.slave, self._workplace.settings, self._workplace.registry)
        self.client = AppsClient(self._client)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._client.close()

    def all(self) -> SlaveApps:
        """Return the slave's apps."""
        return SlaveApps(self.slave, tuple(self.client.all()))

    def show(self, name: str) -> AppShown:
        """Given an app's name, return everything that is known of it."""
        described, detail = self.client.detail(name), self.client.status(name)
        return AppShown(self.slave, replace(described, app=detail.app, log=detail.log))


@contextmanager
def _changing(
    workplace: Workplace, slave_name: str, verb: str, name: str, document: Json | None = None
) -> Iterator[tuple[Slave, AppsClient]]:
    """A line to a slave's apps for one change; how it ends is recorded, secrets are taken out of its errors.

    Raises Cancelled for Ctrl+C: only the waiting ends, for the slave has the order.
    """
    with AppsRoom(workplace, slave_name) as room:
        try:
            with workplace.registry.recording(f"app-{verb}", f"{room.slave.slave_id}/{name}"):
                yield room.slave, room.client
        except KeyboardInterrupt as order:
            raise Cancelled(
                "nobody waits any more, but the slave goes on with it",
                "What came of it:\npython3 start_d8.py apps {slave}",
                slave=room.slave.slave_id,
            ) from order
        except D8Error as error:
            _mask(error, _values(document or {}))
            raise


def _values(document: Json) -> list[str]:
    environment = document.get("environment")
    return [value for value in environment.values() if value] if isinstance(environment, dict) else []


def _mask(error: D8Error, secrets: list[str]) -> None:
    """The slave may quote what it was sent, and an app may print its environment when it fails."""
    mask: Callable[[str], str] = Masker(secrets).mask
    error.message, error.hint = _masked(error.message, mask), _masked(error.hint, mask)
    error.args = (str(error.message),)
    if isinstance(error, UnusableApp):
        error.problems = tuple(FieldProblem(one.field, mask(one.message), mask(one.hint)) for one in error.problems)
    if isinstance(error, AppNotUp):
        error.log = tuple(map(mask, error.log))
        error.document = {
            name: mask(value) if isinstance(value, str) else value for name, value in error.document.items()
        }


def _masked(text: Message, mask: Callable[[str], str]) -> Message:
    return replace(text, values={name: mask(str(value)) for name, value in text.values.items()})
