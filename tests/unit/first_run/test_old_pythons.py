"""start_d8.py parses on Pythons that are too old for anything else, and says what it needs."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

import pytest

START = Path(__file__).resolve().parents[3] / "start_d8.py"


def old_pythons() -> list[Path]:
    """Old interpreters that happen to be on this machine."""
    folder = Path(os.environ.get("PYENV_ROOT", "/root/.pyenv")) / "versions"
    found = sorted(folder.glob("*/bin/python")) if folder.is_dir() else []
    return [path for path in found if tuple(map(int, path.parts[-3].split(".")[:2])) < (3, 11)]


def test_it_uses_nothing_that_python_3_5_does_not_know() -> None:
    ast.parse(START.read_text(), feature_version=(3, 5))


def test_it_uses_nothing_that_python_2_does_not_know() -> None:
    tree = ast.parse(START.read_text())
    for node in ast.walk(tree):
        assert not isinstance(node, (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef))
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None and not any(argument.annotation for argument in node.args.args)
    assert START.read_text().splitlines()[1] == "# -*- coding: utf-8 -*-"


@pytest.mark.skipif(not old_pythons(), reason="no old Python on this machine")
def test_an_old_python_is_told_what_is_needed() -> None:
    for python in old_pythons():
        done = subprocess.run([python, START], capture_output=True, check=False)
        assert done.returncode == 1 and b"D8 needs Python 3.11 or newer" in done.stderr, python
