"""The verb `uninstall`: units, users, folders, crontab lines and, unless it is to be kept, the bootstrap are gone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from slave_agent.activation import agent_user, apps, bootstrap_copy, containers, facts, processes, units
from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import remove_tree
from slave_agent.activation.giving_back import give_back
from slave_agent.activation.layout import HELPER_FOLDER, Layout
from slave_agent.activation.record import Record
from slave_agent.activation.states import Scope
from slave_agent.activation.swap import stop_plain_bootstrap

OUR_PARENTS = ("d8-agent", "share", ".local")


def uninstall(activation: Activation, *, keep_bootstrap: bool) -> dict[str, Any]:
    """Remove everything of D8 from this host. Repeating it, also after an interruption, is fine.

    With `keep_bootstrap` the installer's own server answers afterwards, as before the build: the copy that our units
    start goes as well. Raises ActivationError, and nothing is removed, where that server is gone or does not start.
    """
    layout, record = activation.layout, _readable_record(activation)
    is_started_anew = keep_bootstrap and record is not None and give_back(activation, record)
    apps_removed = apps.remove_apps(layout, activation.runner)
    activation.keeper.remove()
    if record is not None and not keep_bootstrap:
        stop_plain_bootstrap(activation, record)
        bootstrap_copy.remove_bootstrap_home(record)
    _forget_adoption(layout)
    needs_lingering = is_started_anew and layout.scope is Scope.USER  # the user's manager has started it
    if record is not None and record.lingering_was_enabled and not needs_lingering:
        facts.stop_lingering(activation.runner)
    if layout.scope is Scope.SYSTEM:
        _end_processes_of_agent_user()
        containers.remove_all(activation.runner)
        agent_user.remove_agent_user(activation.runner)
    _remove_folders(layout)
    return {"uninstalled": True, "bootstrap_kept": keep_bootstrap, "apps_removed": apps_removed}


def _readable_record(activation: Activation) -> Record | None:
    """The record; one that can't be read must not be in the way of what removes it."""
    try:
        return activation.store.find()
    except ActivationError:
        return None


def _remove_folders(layout: Layout) -> None:
    if layout.scope is Scope.SYSTEM:
        remove_tree(HELPER_FOLDER)
    for root in (layout.var, layout.etc, layout.opt):
        with suppress(FileNotFoundError):  # never there, or somebody else is removing it as well
            for entry in sorted(root.iterdir(), key=_goes_last):
                remove_tree(entry)
            if not any(root.iterdir()):
                root.rmdir()
    if layout.scope is not Scope.SYSTEM:
        _remove_if_empty(*(folder for folder in list(layout.opt.parents)[:3] if folder.name in OUR_PARENTS))


def _goes_last(entry: Path) -> tuple[bool, str]:
    """`control` and then `controls`: an uninstall that was killed is repeated from there, and a master waits for it."""
    return entry.name.startswith("control"), entry.name


def _forget_adoption(layout: Layout) -> None:
    for path in (layout.units / "default.target.wants" / units.ADOPT, layout.units / units.ADOPT):
        if path.is_symlink() or path.exists():
            path.unlink()
    _remove_empty(layout)


def _remove_empty(layout: Layout) -> None:
    """The folders of user units that held only ours."""
    if layout.scope is Scope.SYSTEM:
        return
    wants = [layout.units / f"{name}.target.wants" for name in ("default", "sockets", "timers")]
    _remove_if_empty(*wants, layout.units, layout.units.parent, layout.units.parents[1])


def _remove_if_empty(*folders: Path) -> None:
    """Remove folders from the inside out, as long as nobody else's things are in them."""
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _end_processes_of_agent_user() -> None:
    """Jobs that outlived the agent would keep its user from being removed."""
    owner = agent_user.find_agent_user()
    for folder in processes.PROC.iterdir():
        if owner is not None and folder.name.isdigit() and processes.user_of(int(folder.name)) == owner.user_id:
            processes.stop(int(folder.name), patience_seconds=1)
