"""scripts/desplegar_agent.sh without a host: it parses in every shell, and each text stands in both languages."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SCRIPT = SCRIPTS / "desplegar_agent.sh"
FILES = [SCRIPT, *sorted((SCRIPTS / "deploy").glob("*.sh"))]
SAID = re.compile(r"\b(?:say|warn|step|agrees|stop_with [0-9])\s+'([^']*)'\s*(?:\\\n\s*)?'([^']*)'")
WORDS = re.compile(r"\b(?:say|warn|step|agrees|stop_with [0-9])\s+'")
SHELLS = [shell for shell in ("sh", "dash", "bash", "busybox") if shutil.which(shell)]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_it_parses(shell: str, file: Path) -> None:
    words = ["busybox", "sh"] if shell == "busybox" else [shell]
    subprocess.run([*words, "-n", str(file)], check=True)


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_each_text_has_its_spanish_with_the_same_values(file: Path) -> None:
    text = file.read_text()
    found = SAID.findall(text)
    assert len(found) == len(WORDS.findall(text)), "a text is not followed by its Spanish"
    for english, spanish in found:
        assert english.count("%s") == spanish.count("%s"), english
        assert "%" not in re.sub(r"%s", "", english + spanish), english


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--what"], "--what"),
        (["--port", "x"], "--port x"),
        (["--port"], "--port"),
        (["--certificate", "/c"], "--certificate"),
        (["--status", "--rollback"], "--rollback"),
        (["--lang", "de"], "--lang de"),
        (["--port", "0"], "--port 0"),
        (["--port", "65536"], "--port 65536"),
        (["--confirm-timeout", "1"], "--confirm-timeout 1"),
        (["--bind", "localhost"], "--bind localhost"),
        (["--host", "a b"], "--host a b"),
        (["--host", "*"], "--host *"),
        (["--http", "--certificate", "/c", "--key", "/k"], "--http --certificate"),
        (["--show-token", "--token-file", "/t"], "--show-token --token-file"),
    ],
)
def test_wrong_words_are_named(words: list[str], expected: str) -> None:
    done = subprocess.run(["sh", str(SCRIPT), *words], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 2 and expected in done.stderr and "--help" in done.stderr


@pytest.mark.parametrize(("locale", "word"), [("es_ES.UTF-8", "Uso:"), ("en_US.UTF-8", "Usage:"), ("C", "Usage:")])
def test_the_language_is_that_of_the_locale(locale: str, word: str) -> None:
    environment = {"PATH": "/usr/bin:/bin", "LANG": locale}
    done = subprocess.run(["sh", str(SCRIPT), "--help"], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.startswith(word)


def test_a_terminal_that_is_gone_stops_nothing() -> None:
    words = f". '{SCRIPTS}/deploy/words.sh'; step a b; say a b; warn a b; (stop_with 3 a b) || exit $?"
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(["sh", "-euc", words], stdout=full, stderr=full, check=False)
    assert done.returncode == 3
