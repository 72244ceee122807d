"""Whatever ends a lab, nothing of it stays on the machine: no mount, interface, rule, process, group or file.

Each case runs in namespaces of its own, where everything that is there before or after can be compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab import images, leftovers
from tests.lab.availability import lab_unavailable_reason
from tests.lab.lab import Lab

CHECKOUT = Path(__file__).resolve().parents[2]

BUSY_LAB = """
import os, pathlib, sys, time
from tests.lab import signals
from tests.lab.lab import Lab

folder = pathlib.Path(sys.argv[1])
(folder / "begun").touch()  # Ctrl+C before this is Python's own affair, which loses some during imports
with signals.terminated_as_interrupt(), Lab.session() as lab:
    (folder / "number").write_text(str(lab.number))
    host = lab.host("bare")
    other = lab.host("no-sudo")
    other.cut()
    host.run("nohup sleep 1000 >/dev/null 2>&1 &", "pi")
    with host.without_internet(), host.fill_disk("/home/pi"):
        (folder / "ready").touch()
        {action}
"""

TEST_OF_SOMEBODY = """
import pathlib, time

def test_that_is_interrupted(lab, bare_host):
    folder = pathlib.Path({folder!r})
    (folder / "number").write_text(str(lab.number))
    (folder / "ready").touch()
    bare_host.run("sleep 60", "pi")
"""


@pytest.fixture(autouse=True)
def _images_are_there(lab: Lab) -> None:
    """The cases have no network, so what they boot is built before."""
    assert lab_unavailable_reason() is None
    lab.remove(lab.host("bare", is_started=False))
    lab.remove(lab.host("no-sudo", is_started=False))


@dataclass(frozen=True)
class Isolated:
    """Runs a command through the driver, with records and disks of its own."""

    folder: Path

    @property
    def ready(self) -> Path:
        return self.folder / "ready"

    def run(self, argv: list[str], *options: str) -> dict[str, Any]:
        state, work = self.folder / "state", self.folder / "work"
        for place in (state, work):
            place.mkdir(exist_ok=True)
        watched = ["--watch", str(state), "--watch", str(work), "--number", str(self.folder / "number")]
        driver = [sys.executable, "-m", "tests.lab.leftovers", *watched, *options]
        environment = {**os.environ, "D8_LAB_STATE": str(state), "D8_LAB_WORK": str(work), "PYTHONPATH": str(CHECKOUT)}
        ended = subprocess.run(
            [*leftovers.ISOLATED, *driver, "--", *argv],
            cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=170, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        result: dict[str, Any] = json.loads(ended.stdout)
        return result

    def assert_nothing_is_left(self, result: dict[str, Any]) -> None:
        kept = [line for line in result["left"] if not line.endswith("/state/ip_forward_before")]
        assert kept == [], result["output"]


@pytest.fixture
def isolated(tmp_path: Path) -> Isolated:
    return Isolated(tmp_path)


def _busy_lab(folder: Path, action: str) -> list[str]:
    script = folder / "busy_lab.py"
    script.write_text(BUSY_LAB.replace("{action}", action))
    return [sys.executable, str(script), str(folder)]


def _kinds(lines: list[str]) -> set[str]:
    return {line.split(":")[0] for line in lines}


def test_a_lab_that_ends_by_itself_leaves_nothing(isolated: Isolated) -> None:
    result = isolated.run(_busy_lab(isolated.folder, "pass"))
    assert result["returncode"] == 0, result["output"]
    isolated.assert_nothing_is_left(result)


def test_the_comparison_sees_a_running_lab(isolated: Isolated) -> None:
    argv = _busy_lab(isolated.folder, "time.sleep(60)")
    result = isolated.run(argv, "--ready", str(isolated.ready), "--signal", "SIGINT")
    assert _kinds(result["during"]) == {"mounts", "links", "rules", "forwarding", "processes", "groups", "files"}


@pytest.mark.parametrize(
    ("action", "signals"),
    [
        pytest.param("time.sleep(60)", ["SIGINT"], id="Ctrl+C between commands"),
        pytest.param("host.run('sleep 60', 'pi')", ["SIGINT"], id="Ctrl+C in a command"),
        pytest.param("time.sleep(60)", ["SIGTERM"], id="SIGTERM"),
        pytest.param("time.sleep(60)", ["SIGINT", "SIGINT", "SIGTERM", "SIGINT"], id="an impatient person"),
        pytest.param("raise RuntimeError", [], id="a failure half-way"),
    ],
)
def test_an_interrupted_lab_leaves_nothing(isolated: Isolated, action: str, signals: list[str]) -> None:
    options = [word for name in signals for word in ("--signal", name)]
    result = isolated.run(_busy_lab(isolated.folder, action), "--ready", str(isolated.ready), *options)
    assert isolated.ready.exists(), result["output"]
    assert result["returncode"] != 0, result["output"]
    isolated.assert_nothing_is_left(result)


@pytest.mark.parametrize("after", ["0", "0.05", "0.15", "0.3", "0.5", "0.7", "1"])
def test_a_lab_interrupted_while_it_starts_leaves_nothing(isolated: Isolated, after: str) -> None:
    begun = str(isolated.folder / "begun")
    argv = _busy_lab(isolated.folder, "time.sleep(60)")
    result = isolated.run(argv, "--ready", begun, "--after", after, "--signal", "SIGINT")
    assert result["returncode"] != 0, result["output"]
    isolated.assert_nothing_is_left(result)


@pytest.mark.parametrize("after", ["0.1", "0.4", "1.5"])
def test_what_a_killed_lab_left_is_taken_away_later(isolated: Isolated, after: str) -> None:
    argv = _busy_lab(isolated.folder, "time.sleep(60)")
    down = f"{sys.executable} -m tests.lab down"
    begun = str(isolated.folder / "begun")
    result = isolated.run(argv, "--ready", begun, "--after", after, "--signal", "SIGKILL", "--then", down)
    assert result["returncode"] == -9
    isolated.assert_nothing_is_left(result)


def test_an_interrupted_test_run_leaves_nothing(isolated: Isolated) -> None:
    (isolated.folder / "test_somebody.py").write_text(TEST_OF_SOMEBODY.format(folder=str(isolated.folder)))
    argv = [sys.executable, "-m", "pytest", "-p", "tests.lab.plugin", "-p", "no:cacheprovider"]
    argv += ["--rootdir", str(isolated.folder), str(isolated.folder / "test_somebody.py")]
    result = isolated.run(argv, "--ready", str(isolated.ready), "--signal", "SIGINT")
    assert result["returncode"] == int(pytest.ExitCode.INTERRUPTED), result["output"]
    isolated.assert_nothing_is_left(result)


def test_the_command_brings_hosts_up_and_down(isolated: Isolated) -> None:
    lab = f"{sys.executable} -m tests.lab"
    script = (
        f"set -ex; {lab} up 2; {lab} exec bare-1 -- sudo id -u; {lab} cut bare-2; {lab} list; {lab} heal bare-2;"
        f"{lab} up --profile no-sudo; {lab} power-off bare-1; {lab} list; {lab} start bare-1; {lab} down"
    )
    result = isolated.run(["sh", "-c", script])
    assert result["returncode"] == 0, result["output"]
    assert "cut off" in result["output"]
    assert "\toff" in result["output"]
    isolated.assert_nothing_is_left(result)


def test_a_killed_build_is_never_taken_for_an_image(isolated: Isolated, lab: Lab) -> None:
    cache = isolated.folder / "cache"
    (cache / "images").mkdir(parents=True)
    for image in (lab.places.cache / "images").iterdir():
        (cache / "images" / image.name).symlink_to(image)
    script = isolated.folder / "build.py"
    script.write_text(
        "import pathlib, sys\n"
        "from tests.lab import images, machine_facts, recipes\n"
        "parent = recipes.networked('bookworm', machine_facts.gather())\n"
        "image = recipes.Image('slow', 'bookworm', parent, script='sleep 1; touch /built')\n"
        "print(images.ensure(image, pathlib.Path(sys.argv[1]), print)[0])\n"
    )
    argv = [sys.executable, str(script), str(cache)]
    result = isolated.run(argv, "--after", "1", "--signal", "SIGKILL")
    assert result["returncode"] == -9
    assert _kinds(result["during"]) == {"processes"}  # its mounts are in a namespace of its own
    assert result["left"] == []
    assert [name for name in images.in_cache(cache) if name.startswith("slow")] == []

    again = isolated.run(argv)
    assert again["returncode"] == 0, again["output"]
    assert [name for name in images.in_cache(cache) if name.startswith("slow")] != []
    assert list((cache / "building").glob("*")) == []


def test_a_lab_beside_others_leaves_nothing_with_its_number(lab: Lab) -> None:
    with Lab.session(lab.places) as second:
        number = second.number
        host = second.host("bare")
        host.cut()
        assert _lines_of(number)
    assert _lines_of(number) == []
    assert number != lab.number


def _lines_of(number: int) -> list[str]:
    everything = leftovers.take_snapshot([Path("/run/systemd/nspawn"), Path("/sys/fs/cgroup/systemd")])
    words = (f"/{number}/", f"d8lab{number} ", f"d8-lab-{number} ", f"d8-{number}-", f"d8-lab/{number}")
    return [line for lines in everything.values() for line in lines if any(word in f"{line} " for word in words)]
