"""Writes install scripts: a template, the bundled bootstrap and one installer's secrets. Minting these is not
its business.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from d8.errors import D8Error
from d8.installers.bundle import bootstrap_sources, bundle
from d8.installers.texts import INSTALLER_TEXTS
from d8.models import Installer

SHELL_TEMPLATE = "install_slave.sh.j2"
END_MARK = "__D8_END__"
PRIVATE_FILE_MODE = 0o600
PRIVATE_FOLDER_MODE = 0o700


def write_installer(installer: Installer, folder: Path, now: datetime) -> Path:
    """Write `install_slave_YYYYMMDD_HHMMSS.sh` (named after `now`) with mode 0600 into `folder`, and return its path.

    An existing file is never overwritten: the next one gets _2, _3 and so on. Raises OSError.
    """
    script = render_shell_installer(installer, bundle(bootstrap_sources()))
    folder.mkdir(mode=PRIVATE_FOLDER_MODE, parents=True, exist_ok=True)
    stem = f"install_slave_{now:%Y%m%d_%H%M%S}"
    number = 1
    while True:
        path = folder / (f"{stem}.sh" if number == 1 else f"{stem}_{number}.sh")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE)
        except FileExistsError:
            number += 1
            continue
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
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
            created=_shown(installer.created),
            expires=_shown(installer.expires),
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


def configuration(installer: Installer) -> dict[str, object]:
    """Return the config.json of a bootstrap: of the token only its digest, everything else as the installer says."""
    return {
        "installer_id": installer.installer_id,
        "token_sha256": hashlib.sha256(installer.token.encode("utf-8")).hexdigest(),
        "bind": installer.bind,
        "port": installer.port,
        "master": installer.master_address,
        "tls": installer.tls,
        "certificate": "server.crt",
        "private_key": "server.key",
        "expires": installer.expires.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "privilege": installer.privilege,
        "language": installer.language,
        "work_dir": "work",
        "commit": None,
    }


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


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


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
