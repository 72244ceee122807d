from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from d8.installers.bundle import BundleError, bootstrap_sources, bundle

REPOSITORY = Path(__file__).resolve().parents[3]


MAIN = '''"""The way in."""

import sys
from slave_agent.bootstrap.part import value

if __name__ == "__main__":
    sys.exit(value)
'''
PART = '''"""A part.

More of it."""

from typing import Any

__all__ = ["value"]
value: Any = 1

if __name__ == "__main__":
    print(1)
'''


def test_modules_come_in_the_order_of_need_under_their_headings() -> None:
    text = bundle({"main": MAIN, "part": PART})
    assert text.index("# part") < text.index("value: Any = 1") < text.index("# main") < text.index("sys.exit(value)")
    assert "# A part.\n#\n# More of it." in text
    assert text.count("__name__") == 1
    assert "__all__" not in text and "slave_agent.bootstrap.part" not in text
    assert text.index("import sys") < text.index("from typing import Any") < text.index("# part")


def test_two_modules_may_not_define_the_same_name() -> None:
    with pytest.raises(BundleError, match="both define same"):
        bundle({"main": '"""A."""\nsame = 1\n', "other": '"""B."""\ndef same(): pass\n'})


@pytest.fixture(scope="module")
def server() -> str:
    return bundle(bootstrap_sources())


def test_the_server_is_one_file_of_standard_library(server: str) -> None:
    tree = ast.parse(server, feature_version=(3, 9))
    roots = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    roots |= {(node.module or "").partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {root.partition(".")[0] for root in roots} <= sys.stdlib_module_names


def test_the_server_is_as_clean_as_its_parts(server: str, tmp_path: Path) -> None:
    path = tmp_path / "slave_server.py"
    path.write_text(server, encoding="utf-8")
    ruff = [str(Path(sys.executable).with_name("ruff")), "check", "--config", str(REPOSITORY / "pyproject.toml")]
    rules = ["--target-version", "py39", "--ignore", "UP,RUF100"]
    result = subprocess.run([*ruff, *rules, str(path)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_server_runs(server: str, tmp_path: Path) -> None:
    path = tmp_path / "slave_server.py"
    path.write_text(server, encoding="utf-8")
    result = subprocess.run([sys.executable, "-I", "-S", str(path), "--version"], capture_output=True, check=True)
    assert result.stdout == b"0.1.0\n"
