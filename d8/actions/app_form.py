"""From what an operator writes to the description of an app. Pure but for reading a file of variables.

Only the form of each answer is checked here; what is right on the slave (users, paths, ports) the slave says.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from dotenv.parser import Binding, parse_stream

from d8.app_models import AppKind
from d8.errors import D8Error, UsageError
from d8.messages import Message

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ATTRIBUTE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
SIZE = re.compile(r"(\d{1,12})\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
FACTORS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
KINDS_OF_FILES = {".js": AppKind.NODE, ".mjs": AppKind.NODE, ".cjs": AppKind.NODE, ".py": AppKind.PYTHON}
STANDARD_INPUT = "-"


def guessed_kind(script: str) -> AppKind | None:
    """Given a script as an operator names it, return the kind of app that it probably belongs to."""
    if ATTRIBUTE.fullmatch(script):
        return AppKind.FASTAPI
    if (kind := KINDS_OF_FILES.get(Path(script).suffix)) is not None:
        return kind
    if MODULE.fullmatch(script):
        return AppKind.MODULE if "." in script else AppKind.NPM
    return None


def guessed_folder(script: str) -> str | None:
    """Given a script as an operator names it, return the folder that its app probably runs in: the script's own."""
    return str(PurePosixPath(script).parent) if script.startswith("/") else None


def parse_script(kind: AppKind, script: str) -> str:
    """Given the kind of an app and its script, return the script. Raises UsageError that says what is expected."""
    if kind in (AppKind.NODE, AppKind.PYTHON) and not script.startswith("/"):
        raise UsageError(
            "'{script}' is no absolute path", "The file on the slave, from /: /home/pi/shop/server.js", script=script
        )
    if kind is AppKind.FASTAPI and not ATTRIBUTE.fullmatch(script):
        raise UsageError(
            "'{script}' does not name an application", "MODULE:ATTRIBUTE, as for uvicorn: main:app", script=script
        )
    if kind is AppKind.MODULE and not MODULE.fullmatch(script):
        raise UsageError("'{script}' is no module", "As after python -m: shop.worker", script=script)
    if not script:
        raise UsageError("a script is needed", "For npm the name of a script in package.json: start")
    return script


def parse_path(text: str) -> str:
    """Given a folder on the slave, return it, in its shortest form but for links. Raises UsageError for one that is not
    absolute.
    """
    if text.startswith("/"):
        return str(PurePosixPath("/" + text.lstrip("/")))
    raise UsageError("'{path}' is no absolute path", "The folder on the slave, from /: /home/pi/shop", path=text)


def parse_port(text: str) -> int:
    """Given a port, return its number. Raises UsageError."""
    if text.isdecimal() and len(text) < 6 and 1 <= int(text) <= 65535:
        return int(text)
    raise UsageError("'{text}' is no port", "Ports go from 1 to 65535.", text=text)


def parse_memory(text: str) -> int:
    """Given a size like 256M, return bytes. Raises UsageError."""
    found = SIZE.fullmatch(text.strip())
    if found and int(found[1]) > 0:
        return int(found[1]) * FACTORS[found[2].upper()]
    raise UsageError("'{text}' is no size", "A number with K, M or G: 256M.", text=text)


def parse_cpu(text: str) -> int:
    """Given a share of a processor like 50%, return percent; more than 100 are several processors."""
    number = text.strip().removesuffix("%").strip()
    if number.isdecimal() and len(number) < 6 and int(number) > 0:
        return int(number)
    raise UsageError("'{text}' is no share of a processor", "Percent of one processor: 50%.", text=text)


def parse_user(text: str) -> str:
    """Given a user of the slave, return the name. Raises UsageError where there is none."""
    if text.strip():
        return text.strip()
    raise UsageError("a user is needed", "The user of the slave that the app runs as: pi")


def parse_variable(text: str) -> tuple[str, str]:
    """Given NAME=VALUE, return both. Raises UsageError, in which the value is not named."""
    name, equals, value = text.partition("=")
    if equals and VARIABLE.fullmatch(name):
        return name, value
    raise UsageError("'{name}' is no variable", "NAME=VALUE; the name of letters, digits and _.", name=name[:50])


def variables_of_file(path: str) -> dict[str, str]:
    """Given a file of NAME=VALUE lines as in .env (- is the standard input), return its variables.

    Nothing in it is replaced by the master's own variables. Raises UsageError, in which no value is named.
    """
    try:
        text = sys.stdin.read() if path == STANDARD_INPUT else Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "the variables in {path} can't be read: {reason}",
            "A text file with NAME=VALUE lines, or - for the standard input.",
            path=path,
            reason=error.strerror if isinstance(error, OSError) else "not UTF-8",
        ) from error
    bindings = list(parse_stream(io.StringIO(text)))
    if bad := [str(binding.original.line) for binding in bindings if _is_bad(binding)]:
        raise UsageError(
            "{path} has lines that are no NAME=VALUE: {lines}",
            "One variable a line, # begins a comment.",
            path=path,
            lines=", ".join(bad),
        )
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}


def _is_bad(binding: Binding) -> bool:
    """Whether a line is neither a variable nor empty nor a comment."""
    return binding.error or (binding.key is not None and (binding.value is None or not VARIABLE.fullmatch(binding.key)))


def environment_of(pairs: Iterable[str], files: Iterable[str]) -> dict[str, str]:
    """Given NAME=VALUE words and files with more of them, return the environment; words win over files."""
    found: dict[str, str] = {}
    for path in files:
        found |= variables_of_file(path)
    return found | dict(map(parse_variable, pairs))


def collected(parts: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Given how to get each field, return those that are there (not None). Raises UsageError with every problem."""
    found: dict[str, Any] = {}
    problems: list[Message] = []
    for name, part in parts.items():
        try:
            found[name] = part()
        except D8Error as error:
            problems.append(Message("{option}: {problem}. {hint}", _shown(name, error)))
    if problems:
        raise UsageError("{problems}", "start_d8.py app SLAVE register --help explains each.", problems=problems)
    return {name: value for name, value in found.items() if value is not None}


def _shown(name: str, error: D8Error) -> dict[str, object]:
    return {"option": "--" + name.replace("_", "-"), "problem": error.message, "hint": error.hint}
