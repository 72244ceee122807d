"""The verb `install`: folders, settings, credentials and units are laid out, the guard armed. Nothing is stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from slave_agent.activation import agent_user, apps, bootstrap_copy, clock, units
from slave_agent.activation.charge import check_guard, commit_in_charge, switch_code, units_of
from slave_agent.activation.context import Activation, owner_of
from slave_agent.activation.credentials import write_agent_credentials
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.facts import gather_facts
from slave_agent.activation.files import Owner, give_tree, make_folder, point_link, write_file, write_json
from slave_agent.activation.layout import Layout
from slave_agent.activation.persistence import persistence_command
from slave_agent.activation.plain_keeper import cron_lines
from slave_agent.activation.record import Record
from slave_agent.activation.runtime import launcher_of, missing_from, runtime_of, write_launcher
from slave_agent.activation.settings import BootstrapSource, InstallSettings
from slave_agent.activation.states import CredentialKind, Fallback, Mode, Phase, Runtime, Scope

UNFINISHED_SECONDS = 600.0  # so long a release that nobody goes on with stays beside another one, or beside nothing


def install(activation: Activation, settings: InstallSettings) -> dict[str, Any]:
    """Given the settings, lay the release out beside whatever runs now. Repeating it is safe; the handover is later.

    Raises ActivationError: release in the wrong place, unknown user, a unit that systemd refuses.
    """
    layout = activation.layout
    _check(layout, settings)
    make_folder(layout.state, 0o700)
    before = activation.store.find()
    if before is not None and before.phase.awaits_confirmation:
        raise ActivationError(
            "A handover awaits its confirmation.", "Confirm it, or wait until the guard took it back."
        )
    owner = agent_user.ensure_agent_user(activation.runner) if layout.scope is Scope.SYSTEM else None
    record = _record(activation, settings, before)
    is_only_tried = record.falls_back_to is Fallback.RELEASE and commit_in_charge(layout) is not None
    if not is_only_tried:
        switch_code(layout, settings.release)
    _lay_out_release(layout, settings, owner, record)
    apps.write_app_users(layout, settings.bootstrap.user if settings.bootstrap else None, settings.app_users)
    bootstrap_copy.install_bootstrap(layout, settings)
    activation.store.save(record)
    if not is_only_tried:
        check_guard(activation, layout.control)
        activation.keeper.place(units_of(layout, record, settings.release))
    if record.confirmed_commit is None and record.has_bootstrap:
        activation.keeper.boot_into(Mode.BOOTSTRAP)
    activation.keeper.arm_guard()
    write_agent_credentials(layout, settings, record, owner)
    if record.persistence_command and not record.persistence_command.startswith("#"):
        place_adoption(layout)
    return {
        "installed": True,
        "scope": layout.scope.value,
        "release": str(settings.release),
        "survives_reboot": layout.scope.survives_reboot,
        "persistence_command": record.persistence_command,
    }


def place_adoption(layout: Layout) -> None:
    """Leave an enabled user unit that takes over once the user's manager runs."""
    wants = layout.units / "default.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    write_file(layout.units / units.ADOPT, units.render_adopt_unit(layout))
    point_link(wants / units.ADOPT, layout.units / units.ADOPT)


def is_where_a_user_manager_looks(layout: Layout) -> bool:
    """Whether this is the user's own installation; one in another folder (a demonstration) leaves the home alone."""
    home = layout.units.parents[2]
    return layout.opt == home / ".local/share/d8-agent/opt"


def _check(layout: Layout, settings: InstallSettings) -> None:
    if settings.release.resolve() != layout.release(settings.commit).resolve():
        raise ActivationError(
            f"The release {settings.release} is not {layout.release(settings.commit)}.", "Unpack it to that folder."
        )
    missing = missing_from(settings.release)
    if runtime_of(settings.release) is Runtime.DOCKER and layout.scope is not Scope.SYSTEM:
        raise ActivationError("A container's keeper has to be a unit of root.", "Build with the strategy venv.")
    if missing is not None:
        raise ActivationError(f"{settings.release} has no {missing}.", "Make the environment before install.")
    apps.check_app_users(settings.app_users)
    if settings.bootstrap is None:
        return
    try:
        owner_of(settings.bootstrap.user)
    except KeyError as problem:
        raise ActivationError(f"There is no user {settings.bootstrap.user}.", "Name the bootstrap's user.") from problem


def _record(activation: Activation, settings: InstallSettings, before: Record | None) -> Record:
    """The record of this installation; what runs beside the bootstrap, or without one, is the former one continued."""
    if settings.bootstrap is None:
        return _record_beside(activation.layout, settings, before)
    return _record_of_build(activation, settings, settings.bootstrap, before)


def _record_beside(layout: Layout, settings: InstallSettings, before: Record | None) -> Record:
    """The new release comes beside the confirmed one, which has the port and gets it back; or where there is none."""
    if before is not None and before.confirmed_commit is None and before.has_bootstrap:
        raise ActivationError("The bootstrap has not given the port away yet.", "Build this slave from its master.")
    if before is None and layout.scope is not Scope.SYSTEM:
        raise ActivationError("Without a bootstrap only the system scope can be installed.", "Run it as root.")
    if before is None or before.confirmed_commit is None:
        return _fresh_record(
            layout,
            settings,
            falls_back_to=Fallback.NOTHING,
            deadline_boottime_seconds=clock.boottime_seconds() + UNFINISHED_SECONDS,
        )
    if (before.port, before.bind, before.tls) != (settings.port, settings.bind, settings.tls):
        raise ActivationError(
            f"This slave listens on {before.bind}, port {before.port}, TLS {before.tls}: that stays in a new release.",
            "Uninstall it first, or leave address, port and TLS as they are.",
        )
    return replace(
        before,
        phase=Phase.INSTALLED,
        commit=settings.commit,
        confirm_timeout_seconds=settings.confirm_timeout_seconds,
        step_delay_seconds=settings.step_delay_seconds,
        falls_back_to=Fallback.RELEASE,
        step=None,
        boot_id=clock.boot_id(),
        deadline_boottime_seconds=clock.boottime_seconds() + UNFINISHED_SECONDS,
        misses=0,
        failed_starts=0,
        reason=None,
    )


def _fresh_record(layout: Layout, settings: InstallSettings, **values: Any) -> Record:
    known: dict[str, Any] = {
        "bootstrap_user": None,
        "bootstrap_credential": CredentialKind.RESCUE,  # what may never reach the agent: there is no installer's
        "phase": Phase.INSTALLED,
        "scope": layout.scope,
        "commit": settings.commit,
        "slave_id": settings.slave_id,
        "port": settings.port,
        "bind": settings.bind,
        "tls": settings.tls,
        "confirm_timeout_seconds": settings.confirm_timeout_seconds,
        "step_delay_seconds": settings.step_delay_seconds,
        "boot_id": clock.boot_id(),
    }
    return Record(**{**known, **values})


def _record_of_build(
    activation: Activation, settings: InstallSettings, source: BootstrapSource, before: Record | None
) -> Record:
    layout = activation.layout
    is_rebuild = source.config.resolve() == layout.bootstrap_config.resolve()
    if is_rebuild and before is None:
        raise ActivationError(
            f"{source.config} is there, but no record of it.", "Run uninstall, then the installer again."
        )
    secrets = before.installer_secrets if before else ()
    command = None
    if layout.scope is Scope.NOHUP and is_where_a_user_manager_looks(layout):
        facts = gather_facts(activation.runner, may_ask=False)
        command = persistence_command(facts, layout.scope, cron_lines(layout))
    fresh = _fresh_record(
        layout,
        settings,
        bootstrap_user=source.user,
        bootstrap_credential=before.bootstrap_credential if is_rebuild and before else CredentialKind.INSTALLER,
        installer_folder=before.installer_folder if is_rebuild and before else str(source.config.parent),
        installer_secrets=secrets if is_rebuild else bootstrap_copy.secret_files(source.config),
        bootstrap_pid=source.pid,
        persistence_command=command,
        lingering_was_enabled=bool(before and before.lingering_was_enabled),
    )
    if before is None:
        return fresh
    return replace(fresh, confirmed_commit=before.confirmed_commit, previous_commit=before.previous_commit)


def _lay_out_release(layout: Layout, settings: InstallSettings, owner: Owner | None, record: Record) -> None:
    make_folder(layout.etc, 0o755)
    make_folder(layout.var, 0o700, owner)
    _write_launchers(layout)
    if layout.scope is Scope.SYSTEM:
        give_tree(settings.release, Owner(0, 0))
    known = agent_settings(layout, settings, record.persistence_command)
    write_json(settings.release / "agent.json", known, 0o640, _readable_by(owner))
    if layout.scope.has_systemd:  # a release brings its unit, as it brings its launcher and its settings
        write_file(settings.release / units.AGENT, units_of(layout, record, settings.release)[units.AGENT])
    if settings.release_key is not None:  # who builds the slave anew is who updates it
        write_file(layout.release_key, settings.release_key + "\n", 0o644)
    if not layout.current.is_symlink():
        point_link(layout.current, settings.release)
    point_link(layout.agent_settings, layout.current / "agent.json")


def _write_launchers(layout: Layout) -> None:
    """The units start a release by its launcher, also one that was laid out before there were launchers."""
    for release in (layout.opt / "releases").iterdir():
        if release.is_dir() and not launcher_of(release).exists() and missing_from(release) is None:
            write_launcher(release)


def _readable_by(owner: Owner | None) -> Owner | None:
    return Owner(0, owner.group_id) if owner else None


def agent_settings(layout: Layout, settings: InstallSettings, command: str | None) -> dict[str, Any]:
    """Return what agent.json holds. Nothing in it is secret. Pure."""
    return {
        "slave_id": settings.slave_id,
        "bind": settings.bind,
        "port": settings.port,
        "tls": settings.tls,
        "state_dir": str(layout.var),
        "commit": settings.commit,
        "branch": settings.branch,
        "release_dir": str(settings.release),
        "scope": layout.scope.value,
        "allowed_hosts": list(settings.allowed_hosts),
        "helper_socket": str(layout.helper_socket) if layout.helper_socket else None,
        "survives_reboot": layout.scope.survives_reboot,
        "persistence_command": command,
        "language": settings.language,
    }
