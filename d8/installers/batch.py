"""Renders the install script for Windows: a few lines for cmd.exe that find Python, and below them the files in base64.

The commands are ASCII; everything that is anybody's text (paths, names, tokens, accents) is in the base64.
"""

from __future__ import annotations

import base64
import json
import textwrap
import unicodedata
from collections.abc import Iterator

from jinja2 import Environment, PackageLoader, StrictUndefined

from d8.installers.configuration import configuration, shown
from d8.installers.windows_texts import WINDOWS_TEXTS
from d8.models import Installer

BATCH_TEMPLATE = "install_slave.bat.j2"
INSTALLER_SOURCE = "install_slave.py"
BASE64_WIDTH = 76
PYTHON_CHECK = "import ctypes, ssl, sys; sys.exit(sys.version_info < (3, 9))"
UNPACK = (
    "import base64, sys; "
    f"text = open(sys.argv[1], encoding='ascii').read().split('\\n::{INSTALLER_SOURCE}\\n')[1].split('\\n::')[0]; "
    f"exec(compile(base64.b64decode(text), '{INSTALLER_SOURCE}', 'exec'))"
)
HELP = ("help_none", "help_start", "help_uninstall", "help_dir")
SPECIAL = frozenset('^&|<>()"')
# What has no ASCII form of its own, and what a comment could be broken with.
REPLACED = {"«": '"', "»": '"', "…": "...", "–": "-", "ñ": "n", "Ñ": "N"}


def render_batch_installer(installer: Installer, server: str) -> str:
    """Given an installer and the text of slave_server.py, return the script for Windows, with its CRLF line ends."""
    texts = WINDOWS_TEXTS[installer.language]
    script = (
        _environment()
        .get_template(BATCH_TEMPLATE)
        .render(
            texts=texts,
            help=[texts[name] for name in HELP],
            installer_id=installer.installer_id,
            master=installer.master_address,
            port=installer.port,
            created=shown(installer.created),
            expires=shown(installer.expires),
            python_check=PYTHON_CHECK,
            unpack=UNPACK,
            files=list(carried_files(installer, server)),
        )
    )
    return script.replace("\n", "\r\n")


def carried_files(installer: Installer, server: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each file that the script carries: its name, and its content as lines of base64."""
    texts = {name: text.format(port=installer.port) for name, text in WINDOWS_TEXTS[installer.language].items()}
    facts = {
        "created": shown(installer.created),
        "expires": shown(installer.expires),
        "created_seconds": int(installer.created.timestamp()),
        "expires_seconds": int(installer.expires.timestamp()),
        "port": installer.port,
        "tls": installer.tls,
    }
    source, _, _ = _environment().loader.get_source(_environment(), INSTALLER_SOURCE)  # type: ignore[union-attr]
    contents = {
        INSTALLER_SOURCE: source,
        "texts.json": json.dumps({"texts": texts, "facts": facts}),
        "config.json": json.dumps(configuration(installer), indent=2),
        "slave_server.py": server,
    }
    if installer.tls:
        contents |= {"server.crt": installer.key_pair.certificate, "server.key": installer.key_pair.private_key}
    for name, content in contents.items():
        yield name, textwrap.wrap(base64.b64encode(content.encode()).decode("ascii"), BASE64_WIDTH)


def ascii_line(text: str) -> str:
    """Return `text` on one line of printable ASCII: without accents, ? for what has no such form. Pure."""
    plain = "".join(REPLACED.get(character, character) for character in text)
    decomposed = unicodedata.normalize("NFKD", plain)
    kept = (character for character in decomposed if not unicodedata.combining(character))
    return "".join(character if character.isascii() and character.isprintable() else "?" for character in kept)


def in_comment(text: str) -> str:
    """Return `text` for a rem line, where cmd.exe expands %names% all the same. Pure."""
    return "".join("?" if character in "%^&|<>" else character for character in ascii_line(text))


def in_echo(text: str) -> str:
    """Return `text` for an echo line, where nothing of it is taken for a command. Pure."""
    escaped = "".join(f"^{character}" if character in SPECIAL else character for character in ascii_line(text))
    return escaped.replace("%", "%%")


def _environment() -> Environment:
    environment = Environment(  # noqa: S701  the result is a batch file; what goes into it passes through the filters
        loader=PackageLoader("d8.installers"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["rem"] = in_comment
    environment.filters["say"] = in_echo
    return environment
