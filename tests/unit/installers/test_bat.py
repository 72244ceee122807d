"""The .bat: its commands against a golden file and by cmd.exe's rules, its files byte by byte. No Windows is needed."""

from __future__ import annotations

import base64
import datetime
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from d8.installers.batch import UNPACK, ascii_line, in_comment, in_echo, render_batch_installer
from d8.installers.bundle import bootstrap_sources, bundle
from d8.installers.configuration import configuration
from d8.installers.generator import write_batch_installer
from d8.installers.texts import ENGLISH, SPANISH
from d8.installers.windows_texts import WINDOWS_TEXTS
from tests.support.installers import NAUGHTY_TOKENS, make_installer

GOLDEN = Path(__file__).resolve().parents[2] / "fixtures" / "installers"
NOW = datetime.datetime(2026, 3, 4, 5, 6, 7)  # noqa: DTZ001  a name for a file
CREATED = datetime.datetime(2026, 3, 4, 5, 6, tzinfo=datetime.UTC)
LONGEST_LINE = 8191  # cmd.exe's own limit
LAST_COMMANDS = "exit /b 0\r\n\r\nrem No line below this one is run.\r\n"
NAUGHTY_NAMES = ["100% & del *", "a^b|c>d<e", "%PATH%!x!", 'quote " and (x)', "señor\r\ndel x", "\x1b[2J漢字"]


def render(**overrides: object) -> str:
    fixed = {"created": CREATED, "expires": CREATED + datetime.timedelta(days=7)}
    return render_batch_installer(make_installer(**fixed | overrides), "server = 'naïve'\n")


def commands_of(script: str) -> str:
    """What cmd.exe may run: everything before the files."""
    before, mark, _ = script.partition(LAST_COMMANDS)
    assert mark, "the commands end with an exit"
    return before + mark


def files_of(script: str) -> dict[str, bytes]:
    parts = script.replace("\r\n", "\n").split("\n::")[1:]
    return {name: base64.b64decode(text) for name, _, text in (part.partition("\n") for part in parts)}


@pytest.mark.parametrize("language", ["es", "en"])
def test_the_commands_are_the_golden_ones(language: str) -> None:
    golden = (GOLDEN / f"install_slave_{language}.bat").read_bytes().decode("ascii")
    assert commands_of(render(language=language)) == golden


@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("name", NAUGHTY_NAMES)
def test_the_rules_of_cmd(language: str, tls: bool, name: str) -> None:
    script = render(language=language, tls=tls, installer_id=name, master_address=name, token=name)
    assert script.isascii()
    assert script.count("\n") == script.count("\r\n") == script.count("\r")
    lines = script.split("\r\n")
    assert max(map(len, lines)) <= LONGEST_LINE
    commands = commands_of(script).split("\r\n")
    labels = {line[1:].lower() for line in commands if re.fullmatch(r":[a-z_]+", line)}
    wanted = {word.lower() for line in commands for word in re.findall(r"\b(?:goto|call) :?([A-Za-z_]+)", line)}
    assert wanted and wanted <= labels
    for line in commands:
        assert line.isprintable()
        check_line(line)


def check_line(line: str) -> None:
    """Nothing of a value is a command: variables are the script's own, special signs are escaped or between quotes."""
    expanded = re.sub(r"%%", "", line)
    assert set(re.findall(r"%([^%]*)%", re.sub(r"%(~f0|~1|\*)", "", expanded))) <= {"D8_PYTHON", "ERRORLEVEL"}, line
    assert "!" not in line or line.startswith(("rem ", "echo "))
    if line.startswith("rem"):
        assert not set("%^&|<>") & set(line), line
    elif line.startswith("echo "):
        assert not re.search(r"(?<!\^)[&|<>\"]", line), line
    else:
        outside = re.sub(r'"[^"]*"', "", line)
        assert not re.search(r"[&|^]", outside.replace("2>nul", "").replace(">nul", "")), line
        assert line.count('"') % 2 == 0, line


def test_nothing_after_the_commands_could_be_taken_for_a_label() -> None:
    script = render()
    below = script[len(commands_of(script)) :].split("\r\n")
    assert all(re.fullmatch(r"::[a-z_.]+|[A-Za-z0-9+/=]*", line) for line in below)


@pytest.mark.parametrize("token", NAUGHTY_TOKENS)
def test_the_files_arrive_byte_by_byte_and_the_token_does_not_travel(token: str) -> None:
    installer = make_installer(token=token, master_address="señal 'x\" %PATH% & ß", language="es")
    script = render_batch_installer(installer, "server = 'naïve'\n")
    files = files_of(script)
    assert files["slave_server.py"] == "server = 'naïve'\n".encode()
    assert json.loads(files["config.json"]) == configuration(installer)
    assert files["server.crt"].decode() == installer.key_pair.certificate
    assert files["server.key"].decode() == installer.key_pair.private_key
    assert not any(token.encode() in content for content in (script.encode(), *files.values()))


def test_without_tls_there_are_no_keys() -> None:
    assert set(files_of(render(tls=False))) == {
        "install_slave.py",
        "texts.json",
        "config.json",
        "slave_server.py",
        "end",
    }


def test_written_with_its_line_ends_and_for_nobody_else(tmp_path: Path) -> None:
    path = write_batch_installer(make_installer(), tmp_path, NOW)
    assert path.name == "install_slave_20260304_050607.bat" and path.stat().st_mode & 0o777 == 0o600
    assert b"\r\n" in path.read_bytes() and b"\r\r\n" not in path.read_bytes()
    assert files_of(path.read_bytes().decode())["slave_server.py"].decode() == bundle(bootstrap_sources())


@pytest.mark.parametrize(("language", "said"), [("en", "Usage: install_slave"), ("es", "Uso: install_slave")])
def test_python_takes_the_installer_out_as_the_script_says(tmp_path: Path, language: str, said: str) -> None:
    folder = tmp_path / "a folder & ñ"
    path = write_batch_installer(make_installer(language=language), folder, NOW)
    done = subprocess.run([sys.executable, "-I", "-c", UNPACK, path, "--help"], capture_output=True)
    assert done.returncode == 0 and said in done.stdout.decode(), done.stderr
    unknown = subprocess.run([sys.executable, "-I", "-c", UNPACK, path, "--bogus"], capture_output=True)
    assert unknown.returncode == 2 and b"--bogus" in unknown.stdout


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Dirección «ñandú»…", 'Direccion "nandu"...'), ("漢\x1b\n", "???"), ("plain", "plain")],
)
def test_texts_for_the_screen_of_cmd_are_ascii(text: str, shown: str) -> None:
    assert ascii_line(text) == shown


def test_special_signs_are_escaped() -> None:
    assert in_echo('a & b | c > d % ^ "') == 'a ^& b ^| c ^> d %% ^^ ^"'
    assert in_comment("a & b % ^ | < >") == "a ? b ? ? ? ? ?"


def test_both_languages_have_every_text_of_linux_and_their_own() -> None:
    assert set(WINDOWS_TEXTS["es"]) == set(WINDOWS_TEXTS["en"]) >= set(SPANISH) == set(ENGLISH)
    for name, text in WINDOWS_TEXTS["es"].items():
        assert text.count("%s") == WINDOWS_TEXTS["en"][name].count("%s"), name
