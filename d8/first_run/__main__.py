"""`python3 -m d8.first_run requirements-dev.txt [--yes]`: makes .venv from another locked file, for the tests."""

from __future__ import annotations

import sys

from d8.errors import D8Error, UsageError
from d8.first_run.start import PROJECT, complete
from d8.locale import translation


def main(arguments: list[str]) -> int:
    """Given the locked file's name, make the environment; return the exit code."""
    names = [word for word in arguments if not word.startswith("-")]
    try:
        if len(names) != 1:
            raise UsageError("one locked file is wanted: requirements.txt or requirements-dev.txt")
        complete(PROJECT, names[0], "--yes" in arguments, translation("en"))
    except D8Error as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
