"""How a release gets its libraries: which commands are run, with hashes always, from wheels or the index."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from slave_agent.activation.commands import Finished
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.prepare import parse_preparation, prepare

COMMIT = "a" * 40


class Runner:
    """Notes what is run; makes a venv's configuration; fails where a command holds one of the words."""

    def __init__(self, *failing: str) -> None:
        self.failing, self.commands = failing, list[str]()

    def run(
        self, argv: Sequence[str], *, stdin: str = "", timeout_seconds: float = 60, env: Mapping[str, str] | None = None
    ) -> Finished:
        line = " ".join(argv)
        self.commands.append(line)
        if " -m venv " in line:
            Path(argv[-1]).mkdir()
            Path(argv[-1], "pyvenv.cfg").write_text("include-system-site-packages = false\n")
        is_bad = any(word in line for word in self.failing)
        return Finished(tuple(argv), 1 if is_bad else 0, "--break-system-packages", "no such wheel" if is_bad else "")

    def spawn(self, argv: Sequence[str], *, folder: Path, log: Path) -> int:
        raise AssertionError("nothing is left running")

    @property
    def installs(self) -> list[str]:
        return [line for line in self.commands if " install " in line]


@pytest.fixture
def opt(tmp_path: Path) -> Path:
    release = tmp_path / "releases" / COMMIT
    (release / "slave_agent" / "activation").mkdir(parents=True)
    (release / "slave_agent" / "activation" / "d8-activate").touch()
    (release / "slave_agent" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    return tmp_path


def run(opt: Path, runner: Runner, **values: object) -> Path:
    document = {"commit": COMMIT, "branch": "main", "python": "/usr/bin/python3", **values}
    prepare(opt, parse_preparation(json.dumps(document)), runner)
    return opt / "releases" / COMMIT


@pytest.fixture
def wheels(tmp_path: Path) -> str:
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / "pip-1.0-py3-none-any.whl").touch()
    return str(folder)


def test_from_the_index_with_the_venvs_own_pip(opt: Path) -> None:
    runner = Runner()
    release = run(opt, runner)
    about = json.loads((release / "release.json").read_text())
    assert about == {
        "commit": COMMIT,
        "branch": "main",
        "version": "1.2.3",
        "runtime": "venv",
        "python": "/usr/bin/python3",
    }
    assert len(runner.installs) == 2
    assert all("--require-hashes --only-binary :all:" in line for line in runner.installs)
    assert not any("--no-index" in line or "--without-pip" in line for line in runner.commands)


def test_from_wheels_nothing_is_asked_of_the_index(opt: Path, wheels: str) -> None:
    runner = Runner()
    run(opt, runner, wheels=wheels)
    assert all(f"--find-links {wheels} --no-index --require-hashes" in line for line in runner.installs)
    assert all(f"{wheels}/pip-1.0-py3-none-any.whl/pip install" in line for line in runner.installs)
    assert any(" -m venv --without-pip " in line for line in runner.commands)


def test_where_some_wheels_are_missing_the_index_is_asked_too(opt: Path, wheels: str) -> None:
    runner = Runner()
    run(opt, runner, wheels=wheels, asks_index_too=True)
    assert all("--find-links" in line and "--no-index" not in line for line in runner.installs)


def test_a_psutil_without_a_wheel_is_the_distributions(opt: Path) -> None:
    release = run(opt, Runner("requirements-psutil.txt"))
    assert (release / "venv" / "pyvenv.cfg").read_text() == "include-system-site-packages = true\n"


@pytest.mark.parametrize("failing", ["requirements.txt", " -m venv ", "compileall", "import a2wsgi"])
def test_what_fails_is_told_with_its_last_words(opt: Path, failing: str) -> None:
    with pytest.raises(ActivationError, match="no such wheel"):
        run(opt, Runner(failing))


def test_native_keeps_its_libraries_in_the_release(opt: Path) -> None:
    runner = Runner()
    release = run(opt, runner, runtime="native")
    assert all(f"PYTHONUSERBASE={release}/native" in line for line in runner.installs)
    assert any("--break-system-packages" in line and "--user" in line for line in runner.installs)


def test_an_image_needs_its_base_and_the_wheels(opt: Path, wheels: str) -> None:
    with pytest.raises(ActivationError, match="base image"):
        run(opt, Runner(), runtime="docker", wheels=wheels)
    release = run(opt, Runner(), runtime="docker", wheels=wheels, base_image="debian:12")
    assert (release / "image").read_text() == f"localhost/d8-agent:{COMMIT}\n"
    assert not (release / "wheels").exists()


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"commit": "main", "python": "p"}', '{"runtime": "x"}'])
def test_what_is_no_preparation_is_refused(document: str) -> None:
    with pytest.raises(ActivationError):
        parse_preparation(document)
