"""Writes install scripts: a template, the bundled bootstrap and one installer's secrets. Minting these is not
its business.
"""

from __future__ import annotations

import json
import os
import shlex
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from d8.errors import D8Error
from d8.installers.batch import render_batch_installer
from d8.installers.bundle import bootstrap_sources, bundle
from d8.installers.configuration import configuration, shown
from d8.installers.texts import INSTALLER_TEXTS
from d8.models import Installer

SHELL_TEMPLATE = "install_slave.sh.j2"
END_MARK = "__D8_END__"
PRIVATE_FILE_MODE = 0o600
PRIVATE_FOLDER_MODE = 0o700


def write_installer(installer: Installer, folder: Path, now: datetime) -> Path:
    """Write `install_slave_YYYYMMDD_HHMMSS.sh` (named after `now`) with mode 0600 into `folder`, and return its path.

    An existing file is never overwritten: the next one gets _2, _3 and so on. Raises D8Error.
    """
    return _create(folder, now, ".sh", render_shell_installer(installer, bundle(bootstrap_sources())))


def write_batch_installer(installer: Installer, folder: Path, now: datetime) -> Path:
    """As `write_installer`, the `.bat` for Windows."""
    return _create(folder, now, ".bat", render_batch_installer(installer, bundle(bootstrap_sources())))


def _create(folder: Path, now: datetime, suffix: str, script: str) -> Path:
    """Write a new private file, its line ends as they are. Raises D8Error."""
    try:
        folder.mkdir(mode=PRIVATE_FOLDER_MODE, parents=True, exist_ok=True)
        return _written(folder, f"install_slave_{now:%Y%m%d_%H%M%S}", suffix, script)
    except OSError as error:
        raise D8Error(
            "no install script can be written into {folder}: {reason}",
            "Is there room, and may you write there? D8_INSTALLER_DIR says where the scripts go.",
            folder=folder,
            reason=error.strerror or error,
        ) from error


def _written(folder: Path, stem: str, suffix: str, script: str) -> Path:
    """Write the file under the first name that is free, and return it."""
    number = 1
    while True:
        path = folder / (f"{stem}{suffix}" if number == 1 else f"{stem}_{number}{suffix}")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE)
        except FileExistsError:
            number += 1
            continue
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            stream.write(script)
        return path


def render_shell_installer(installer: Installer, server: str) -> str:
    """Given an installer and the text of slave_server.py, return the script for Linux."""
    texts = INSTALLER_TEXTS[installer.language]
    return (
        _environment()
        .get_template(SHELL_TEMPLATE)
        .render(
            installer_id=one_line(installer.installer_id),
            master=one_line(installer.master_address),
            port=installer.port,
            tls=installer.tls,
            created=shown(installer.created),
            expires=shown(installer.expires),
            created_seconds=int(installer.created.timestamp()),
            expires_seconds=int(installer.expires.timestamp()),
            server=embeddable("slave_server.py", server),
            configuration=embeddable("config.json", json.dumps(configuration(installer), indent=2)),
            certificate=embeddable("server.crt", installer.key_pair.certificate),
            private_key=embeddable("server.key", installer.key_pair.private_key),
            end_mark=END_MARK,
            texts={name: text.format(port=installer.port) for name, text in texts.items()},
        )
    )


def embeddable(name: str, text: str) -> str:
    """Return `text` as it may stand in a quoted here-document, where the shell changes nothing.

    Raises D8Error for a text that holds the mark that would end it, or a NUL.
    """
    if END_MARK in text or "\0" in text:
        raise D8Error(
            "{name} can't be put into an install script",
            "It holds {mark} or a NUL character.",
            name=name,
            mark=END_MARK,
        )
    return text.rstrip("\n")


def one_line(text: str) -> str:
    """Return `text` for a comment: on one line, and nothing in it that steers a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _environment() -> Environment:
    environment = Environment(  # noqa: S701  the result is a shell script; what goes into it is quoted by the filter sh
        loader=PackageLoader("d8.installers"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["sh"] = shlex.quote
    environment.filters["printf"] = lambda text: shlex.quote(text + "\\n")
    return environment
