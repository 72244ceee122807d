"""The bootstrap that the keeper starts: first with the installer's credential, after confirm with the rescue's."""

from __future__ import annotations

import pwd
import shutil
from pathlib import Path
from typing import Any

from slave_agent.activation.context import owner_of
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import Owner, make_folder, read_json, remove_tree, write_file, write_json
from slave_agent.activation.layout import Layout
from slave_agent.activation.record import Record
from slave_agent.activation.settings import BootstrapSource, CredentialText, InstallSettings
from slave_agent.activation.states import Scope

RESCUE = "rescue"
INSTALLER = "installer"
KEY_PAIR = ("certificate", "private_key")


def install_bootstrap(layout: Layout, settings: InstallSettings) -> None:
    """Copy server, config and key pair of the running bootstrap, and lay the rescue credential beside them."""
    source = settings.bootstrap
    if source is None:
        return
    owner = owner_of(source.user) if layout.scope is Scope.SYSTEM else None
    make_folder(layout.bootstrap_server.parent)
    make_folder(layout.bootstrap_folder, 0o700, owner)
    if source.server.resolve() != layout.bootstrap_server.resolve():
        write_file(layout.bootstrap_server, source.server.read_bytes(), 0o755)
    if source.config.resolve() != layout.bootstrap_config.resolve():
        _copy_installer(layout, settings, source, owner)
    if settings.rescue is not None:
        _stage_rescue(layout, settings, settings.rescue, owner)


def adopt_rescue(layout: Layout, record: Record) -> None:
    """Make the rescue credential the bootstrap's own. Repeating it is fine; the config changes in one rename."""
    prepared = layout.bootstrap_folder / "rescue.json"
    if record.bootstrap_user is None or not prepared.exists():
        return
    owner = owner_of(record.bootstrap_user) if layout.scope is Scope.SYSTEM else None
    write_json(layout.bootstrap_config, read_json(prepared), 0o600, owner)
    in_use = Path(str(read_json(layout.bootstrap_config).get("certificate") or "/")).parent
    for folder in layout.bootstrap_folder.glob("keys-*"):
        if folder != in_use:
            remove_tree(folder)
    prepared.unlink()


def secret_files(config: Path) -> tuple[str, ...]:
    """Given the installer's config, return it and the key pair it names, as far as they lie in its folder."""
    names = [config]
    values = read_config(config)
    for field in KEY_PAIR:
        named = values.get(field)
        path = config.parent / named if isinstance(named, str) else config
        if path.parent == config.parent and path not in names:
            names.append(path)
    return tuple(str(path) for path in names)


def remove_installer_secrets(record: Record) -> None:
    """Remove what the installer left: its token's hash and its key pair."""
    for name in record.installer_secrets:
        Path(name).unlink(missing_ok=True)


def clear_work(layout: Layout, record: Record) -> None:
    """Empty the folders that a build filled: uploads, tools and the jobs with their output are of no use any more.

    The first build ran in the installer's bootstrap, each later one in the copy of it.
    """
    homes = [layout.bootstrap_folder, *([Path(record.installer_folder)] if record.installer_folder else [])]
    for folder in (home / name for home in homes for name in ("work", "jobs")):
        if folder.is_dir() and not folder.is_symlink():
            for left in folder.iterdir():
                remove_tree(left)


def read_config(config: Path) -> dict[str, Any]:
    """Return a bootstrap's config. Raises ActivationError that names the file."""
    try:
        return read_json(config)
    except (OSError, ValueError) as problem:
        raise ActivationError(
            f"The bootstrap's config can't be read: {problem}", "Give the path of its config.json."
        ) from problem


def home_of(user: str) -> Path:
    """The home of a user, or / where it does not exist."""
    home = Path(pwd.getpwnam(user).pw_dir)
    return home if home.is_dir() else Path("/")


def _copy_installer(layout: Layout, settings: InstallSettings, bootstrap: BootstrapSource, owner: Owner | None) -> None:
    source = bootstrap.config
    values = read_config(source)
    keys = {name: values.pop(name, None) for name in KEY_PAIR}  # the installer names them also where TLS is off
    texts = {
        name: (source.parent / str(path)).read_text(encoding="ascii")
        for name, path in keys.items()
        if path and settings.tls
    }
    paths = _write_keys(layout, INSTALLER, texts, owner)
    work = source.parent / str(values.get("work_dir") or "work")
    write_json(layout.bootstrap_config, {**values, **paths, **_place(settings), "work_dir": str(work)}, 0o600, owner)


def _stage_rescue(layout: Layout, settings: InstallSettings, rescue: CredentialText, owner: Owner | None) -> None:
    texts = {"certificate": rescue.certificate, "private_key": rescue.private_key} if settings.tls else {}
    paths = _write_keys(layout, f"{RESCUE}-{rescue.token_sha256[:12]}", texts, owner)
    values = read_config(layout.bootstrap_config)
    values = {**{name: value for name, value in values.items() if name not in KEY_PAIR}, **paths, **_place(settings)}
    values.update(token_sha256=rescue.token_sha256, expires=None, installer_id=RESCUE)
    write_json(layout.bootstrap_folder / "rescue.json", values, 0o600, owner)


def _place(settings: InstallSettings) -> dict[str, Any]:
    return {"port": settings.port, "bind": settings.bind, "tls": settings.tls, "language": settings.language}


def _write_keys(layout: Layout, name: str, texts: dict[str, Any], owner: Owner | None) -> dict[str, str]:
    folder = layout.bootstrap_folder / f"keys-{name}"
    make_folder(folder, 0o700, owner)
    paths = {}
    for field, text in texts.items():
        path = folder / ("server.crt" if field == "certificate" else "server.key")
        write_file(path, str(text), 0o600, owner)
        paths[field] = str(path)
    return paths


def remove_bootstrap_home(record: Record) -> None:
    """Remove the installer's folder, if it really is one."""
    folder = Path(record.installer_folder or "/")
    if folder.name == "d8_slave" or (folder / "slave_server.py").exists():
        shutil.rmtree(folder, ignore_errors=True)
