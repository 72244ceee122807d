"""The table of attacks names tests that exist, and none of its rows is empty."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[tuple[str, str]]:
    """Each attack with the cell that names its tests."""
    lines = (PROJECT / "tests/security/README.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]
    return [(row[0].lstrip("| "), row[-1]) for row in cells[1:]]


def names_in(path: Path) -> set[str]:
    """The names of all test functions of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_the_table_is_read() -> None:
    assert len(rows()) >= 16


@pytest.mark.parametrize(("attack", "cell"), rows(), ids=[attack[:40] for attack, _ in rows()])
def test_every_attack_has_tests_that_exist(attack: str, cell: str) -> None:
    named = _NAMED.findall(cell)
    assert named, f"nothing tries: {attack}"
    missing = [f"{path}::{name}" for path, name in named if name not in names_in(PROJECT / path)]
    assert missing == []
