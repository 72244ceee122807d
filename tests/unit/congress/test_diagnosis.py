"""The table of known failures, held to captured outputs, to its document, and to every error that ends a build."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from d8.actions.bootstrap import with_section
from d8.congress.diagnosis import diagnose, diagnose_build
from d8.congress.known_failures import KNOWN_FAILURES, UNKNOWN_FAILURE
from d8.errors import D8Error, ExitCode
from d8.fleet.ssh_problems import TABLE as SSH_SAYS
from d8.messages import NOTHING, message
from d8.models import BuildReport, BuildStatus, StrategyFailure, StrategyName

PROJECT = Path(__file__).resolve().parents[3]
FIXTURES = PROJECT / "tests" / "fixtures" / "diagnosis"
ANCHORS = [known.anchor for known in (*KNOWN_FAILURES, UNKNOWN_FAILURE)]
DOCUMENT = (PROJECT / "docs" / "troubleshooting.md").read_text()
# Where the errors that end a build are made.
SOURCES = ["d8/build", "d8/fleet/agent_client.py", "d8/fleet/connection.py", "d8/source.py"]
# And what goes wrong on the way to a bootstrap by ssh.
SOURCES += ["d8/actions/bootstrap.py", "d8/actions/host_key.py", "d8/fleet/ssh.py", "d8/fleet/ssh_problems.py"]
# They hand on what somebody else says; that text is what is looked at.
HANDED_ON = {
    "{said}",
    "{reason}",
    "{address}: {detail}",
    "{purpose} failed: {reason}",
    "{error}; the slave says: {reason}",
}
SUMS_UP_OTHERS = "no way of installing worked"


def outputs() -> Iterator[tuple[str, str, str]]:
    """Yield (anchor, name, text) of each captured output."""
    for path in sorted(FIXTURES.glob("*/*.txt")):
        for number, text in enumerate(path.read_text().split("----\n"), start=1):
            yield path.parent.name, f"{path.parent.name}/{path.stem}-{number}", text


OUTPUTS = list(outputs())


@pytest.mark.parametrize(("anchor", "text"), [(a, t) for a, _, t in OUTPUTS], ids=[name for _, name, _ in OUTPUTS])
def test_a_captured_output_leads_to_its_cause(anchor: str, text: str) -> None:
    assert diagnose([text]).anchor == anchor


def test_each_row_has_a_captured_output_and_no_output_is_without_a_row() -> None:
    assert {anchor for anchor, _, _ in OUTPUTS} == set(ANCHORS)
    assert len(ANCHORS) == len(set(ANCHORS))


def sections() -> dict[str, str]:
    """The document's sections of the second level: the anchor that a reader's browser knows, and the text."""
    parts = re.split(r"^## (.+)$", DOCUMENT, flags=re.MULTILINE)[1:]
    return {_slug(heading): body for heading, body in zip(parts[::2], parts[1::2], strict=True)}


def _slug(heading: str) -> str:
    """A heading as an anchor, by GitHub's rule."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("anchor", ANCHORS)
def test_each_row_has_its_section_with_what_one_sees_why_and_what_to_do(anchor: str) -> None:
    assert anchor in sections(), "docs/troubleshooting.md lacks this section"
    for word in ("**You see**", "**Why**", "**Do**"):
        assert word in sections()[anchor]


def test_the_document_has_no_section_that_nothing_points_to() -> None:
    assert set(sections()) == set(ANCHORS)


def test_the_index_of_the_document_names_each_section() -> None:
    assert set(re.findall(r"\(#([\w-]+)\)", DOCUMENT)) >= set(ANCHORS)


@pytest.mark.parametrize("heading", ["Connection refused", "Authentication failed", "Git clone failed"])
def test_the_four_errors_of_the_mission_are_there(heading: str) -> None:
    assert f"## {heading}\n" in DOCUMENT and "## Docker installation failed\n" in DOCUMENT


def templates() -> Iterator[tuple[str, str]]:
    """Yield (place, template) of each error that the builder and what it calls can raise."""
    for source in SOURCES:
        folder = PROJECT / source
        for path in sorted(folder.rglob("*.py")) if folder.is_dir() else [folder]:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and _name(node) in ERRORS and node.args:
                    for part in ast.walk(node.args[0]):
                        if isinstance(part, ast.Constant) and isinstance(part.value, str):
                            yield f"{path.name}:{node.lineno}", part.value


def _name(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


ERRORS = {"BuildFailed", "PermanentFailure", "Refused", "SlaveUnreachable", "D8Error", "TrustEnded", "UsageError"}
TEMPLATES = sorted(set(templates()))


def test_the_errors_of_the_builder_are_found() -> None:
    assert len(TEMPLATES) > 15


@pytest.mark.parametrize("template", [text for _, text in TEMPLATES], ids=[place for place, _ in TEMPLATES])
def test_every_error_of_the_builder_has_its_section(template: str) -> None:
    if template in HANDED_ON or template.startswith(SUMS_UP_OTHERS):
        return
    found = diagnose([re.sub(r"\{\w+\}", "7", template)])
    assert found.anchor != UNKNOWN_FAILURE.anchor, "add a row or a pattern to d8/congress/known_failures.py"


@pytest.mark.parametrize("template", [what.template for _, _, what, _ in SSH_SAYS])
def test_what_ssh_says_has_its_section(template: str) -> None:
    assert diagnose([re.sub(r"\{\w+\}", "7", template)]).anchor.startswith("ssh-")


def test_an_error_of_ssh_names_its_section_and_keeps_its_advice() -> None:
    error = D8Error("nothing answers ssh on {host}", "Switch ssh on there.", host="pi.local")
    assert str(with_section(error)) == "Read on in docs/troubleshooting.md#ssh-no-answer. Switch ssh on there."
    assert str(with_section(D8Error("something else", "Do this."))) == "Do this."


@pytest.mark.parametrize(
    "path", sorted((PROJECT / "slave_agent" / "activation").glob("*.py")), ids=lambda path: path.name
)
def test_what_the_activation_says_has_its_section(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and _name(node) == "ActivationError" and node.args:
            text = "".join(_filled(piece) for piece in ast.walk(node.args[0]))
            if not re.search("[a-z]{3}", text):
                continue  # it hands on what somebody else says
            assert diagnose([text]).anchor != UNKNOWN_FAILURE.anchor, f"{path.name}:{node.lineno}: {text}"


def _filled(piece: ast.AST) -> str:
    """The text of a piece of an f-string or a sum; a value in it counts as 7."""
    if isinstance(piece, ast.FormattedValue):
        return "7"
    return piece.value if isinstance(piece, ast.Constant) and isinstance(piece.value, str) else ""


def report(*failures: StrategyFailure, error: str = "", attempts: tuple[str, ...] = ()) -> BuildReport:
    return BuildReport(
        slave_id="slave-1",
        slave_host="10.0.0.1",
        status=BuildStatus.FAILED,
        exit_code=ExitCode.FAILED,
        log_file=Path("/log.json"),
        document={"attempts": [{"strategy": "venv", "error": text} for text in attempts]},
        error=message("{text}", text=error),
        failures=failures,
    )


def failure(strategy: StrategyName, reason: str, was_tried: bool = True, output: str = "") -> StrategyFailure:
    return StrategyFailure(strategy, message("{text}", text=reason), NOTHING, was_tried, output)


def test_what_was_tried_tells_more_than_what_was_left_out() -> None:
    left_out = failure(StrategyName.DOCKER, "sudo: a password is required", was_tried=False)
    tried = failure(
        StrategyName.VENV, "installing failed: exit 1", output="OSError: [Errno 28] No space left on device"
    )
    assert diagnose_build(report(left_out, tried), "").anchor == "disk-full"


def test_the_cause_of_causes_comes_first() -> None:
    docker = failure(StrategyName.DOCKER, "docker could not be installed (exit 100)")
    venv = failure(StrategyName.VENV, "curl: (6) Could not resolve host: packages.example.org")
    assert diagnose_build(report(docker, venv), "").anchor == "no-internet"


def test_where_everything_was_left_out_the_reasons_for_it_tell() -> None:
    only = failure(StrategyName.VENV, "the agent needs Python 3.11 or newer, and this host has 3.9", was_tried=False)
    assert diagnose_build(report(only), "").anchor == "python-too-old"


def test_earlier_attempts_tell_where_the_last_one_does_not() -> None:
    last = failure(StrategyName.VENV, "installing the libraries failed: exit 1")
    assert (
        diagnose_build(report(last, attempts=("E: Could not get lock /var/lib/dpkg/lock",)), "").anchor
        == "apt-lock-held"
    )


def test_without_strategies_the_error_and_the_last_output_tell() -> None:
    assert (
        diagnose_build(report(error="10.0.0.1 refuses the connection on port 7600"), "").anchor == "connection-refused"
    )
    assert diagnose_build(report(error="asking the host failed"), "sh: python3: not found").anchor == "no-python"


def test_in_json_a_diagnosis_is_english_and_names_the_document() -> None:
    found = diagnose([datetime.now(UTC).isoformat(), "No space left on device"]).as_json()
    assert found["cause"] == "the slave's disk is full"
    assert found["doc"] == "docs/troubleshooting.md#disk-full"
