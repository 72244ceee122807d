"""Installs the bootstrap on Windows. Travels inside install_slave_….bat, which starts it with its own path as the first
argument. Standard library only, Python 3.9.
"""

from __future__ import annotations

import base64
import datetime
import getpass
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

PORT_FREE, PORT_OURS, PORT_AGENT = 0, 10, 11
SERVER, CONFIGURATION, TEXTS = "slave_server.py", "config.json", "texts.json"
SERVER_FILES = (SERVER, CONFIGURATION, "server.crt", "server.key")
CLOCK_TOLERANCE_SECONDS = 86400


def files_in(script: str) -> dict[str, bytes]:
    """Given the text of the .bat, return the files that stand below its commands."""
    parts = script.replace("\r\n", "\n").split("\n::")[1:]
    found = (part.partition("\n") for part in parts)
    return {name: base64.b64decode(content) for name, _, content in found if name != "end"}


class Installation:
    """One run of the installer. Given the .bat, its options, and the files that it carries."""

    def __init__(self, script: Path, options: Sequence[str], files: dict[str, bytes]) -> None:
        self.script = script
        self.files = files
        carried: dict[str, Any] = json.loads(files[TEXTS].decode("utf-8"))
        self.texts: dict[str, str] = carried["texts"]
        self.facts: dict[str, Any] = carried["facts"]
        self.folder = Path.home() / "d8_slave"
        self.verb = "install"
        self.read(list(options))

    def read(self, words: list[str]) -> None:
        """Take the options apart; ends the program for --help and for what is not known."""
        while words:
            word = words.pop(0)
            if word in ("--start", "--uninstall"):
                self.verb = word[2:]
            elif word == "--dir" and words:
                self.folder = Path(words.pop(0))
            elif word.startswith("--dir=") and word != "--dir=":
                self.folder = Path(word[len("--dir=") :])
            elif word in ("--dir", "--dir="):
                self.fail("dir_missing")
            elif word in ("-h", "--help", "/?"):
                self.show_usage()
                sys.exit(0)
            else:
                self.say("unknown_option", word)
                self.show_usage()
                sys.exit(2)
        self.folder = self.folder.expanduser().absolute()

    def say(self, name: str, *values: object) -> None:
        """Print a text in the operator's language."""
        print(self.texts[name] % values if values else self.texts[name])

    def step(self, name: str) -> None:
        """Print a heading."""
        print("\n" + self.texts[name])

    def fail(self, name: str, *values: object, hint: str = "") -> NoReturn:
        """Print what failed and what to do, and end."""
        text = self.texts[name] % values if values else self.texts[name]
        print(f"\n{self.texts['failed']}{text}\n{hint}".rstrip(), file=sys.stderr)
        sys.exit(1)

    def show_usage(self) -> None:
        """Print the options."""
        print(self.texts["usage"])
        for name in ("help_none", "help_start", "help_uninstall", "help_dir"):
            print("  " + self.texts[name])

    # --- the steps ---

    def check_clock(self) -> None:
        """End where the installer has expired; warn where the clock is before its making."""
        self.step("step_clock")
        now = datetime.datetime.now(datetime.timezone.utc)
        shown = f"{now:%Y-%m-%d %H:%M} UTC"
        if now.timestamp() < self.facts["created_seconds"] - CLOCK_TOLERANCE_SECONDS:
            self.say("clock_behind", shown, self.facts["created"])
        elif now.timestamp() >= self.facts["expires_seconds"]:
            hint = self.texts["clock_expired_hint"]
            self.fail("clock_expired", self.facts["expires"], shown, hint=hint)
        else:
            self.say("clock_fine", self.facts["expires"])

    def check_python(self) -> None:
        """Say which Python this is."""
        self.step("step_python")
        self.say("python_found", "Python " + sys.version.split()[0], sys.executable)

    def check_folder(self) -> None:
        """End where the folder is somebody else's."""
        if self.folder in (Path.home(), Path(self.folder.anchor)):
            self.fail("bad_dir", self.folder)
        if self.folder.exists() and any(self.folder.iterdir()) and not self.is_ours():
            self.fail("foreign_dir", self.folder)

    def is_ours(self) -> bool:
        """Whether the folder holds a D8 server."""
        try:
            is_configured = "token_sha256" in (self.folder / CONFIGURATION).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return False
        return is_configured and (self.folder / SERVER).is_file()

    def stage_files(self, staging: Path) -> None:
        """Write everything beside its place, where only this user can read it."""
        try:
            staging.mkdir(parents=True, exist_ok=True)
            self.close_folder()
            for name in SERVER_FILES:
                if name in self.files:
                    (staging / name).write_bytes(self.files[name])
        except OSError:
            self.fail("files_failed", self.folder, hint=self.texts["files_failed_hint"])

    def close_folder(self) -> None:
        """Leave the folder to this user alone; say so where that does not work."""
        self.folder.chmod(0o700)
        if os.name != "nt":
            return
        words = ["icacls", str(self.folder), "/inheritance:r", "/grant:r", getpass.getuser() + ":(OI)(CI)F"]
        if self.run(words).returncode != 0:
            self.say("not_private", self.folder)

    def run(self, words: list[str]) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end; what it prints is kept."""
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)

    def run_server(self, folder: Path, *options: str) -> int:
        """Run slave_server.py with an option, its output on this terminal."""
        sys.stdout.flush()
        words = [sys.executable, "-I", str(folder / SERVER), "--config", str(folder / CONFIGURATION), *options]
        return subprocess.run(words, stdin=subprocess.DEVNULL, check=False).returncode

    def check_port(self, staging: Path) -> bool:
        """Return whether our own server holds the port. Ends where somebody else does."""
        self.step("step_port")
        state = self.run_server(staging, "--folder", str(self.folder), "--check-port")
        if state == PORT_AGENT:
            self.fail("agent_here", hint=self.texts["agent_hint"])
        if state not in (PORT_FREE, PORT_OURS):
            sys.exit(1)
        return state == PORT_OURS

    def place_files(self, staging: Path, was_there: bool) -> None:
        """Give the new files their names."""
        self.step("step_files")
        for path in staging.iterdir():
            path.replace(self.folder / path.name)
        self.say("files_replaced" if was_there else "files_written", self.folder)
        if not self.facts["tls"]:
            self.say("no_tls")

    def show_addresses(self) -> None:
        """Print where this machine can be reached, and the line that opens the port."""
        self.step("step_addresses")
        self.run_server(self.folder, "--addresses")
        self.say("firewall")
        port = self.facts["port"]
        print(
            f'   netsh advfirewall firewall add rule name="D8 slave" dir=in action=allow protocol=TCP localport={port}'
        )

    def start(self, is_running: bool) -> int:
        """Start the server, or restart it."""
        self.step("step_start")
        if is_running:
            self.say("restarting")
            self.run_server(self.folder, "--stop")
        code = self.run_server(self.folder, "--start")
        if code == 0:
            self.say("only_commands")
        return code

    def line_to_start(self) -> str:
        """Return the line that runs this script again and starts the server of the same folder."""
        folder = "" if self.folder == Path.home() / "d8_slave" else f' --dir "{self.folder}"'
        return f'"{self.script}"{folder} --start'

    def tell_how_to_start(self, is_running: bool) -> None:
        """Print the line that starts it."""
        self.step("step_start")
        if is_running:
            self.say("still_old", self.line_to_start())
            return
        self.say("how_to_start")
        print("   " + self.line_to_start())
        self.say("only_commands")

    def install(self) -> int:
        """Do what the script is for; return the exit code."""
        self.check_folder()
        self.check_clock()
        self.check_python()
        staging, was_there = self.folder / ".staging", self.is_ours()
        self.stage_files(staging)
        try:
            is_running = self.check_port(staging)
            self.place_files(staging, was_there)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            if not any(self.folder.iterdir()):
                self.folder.rmdir()
        self.show_addresses()
        if self.verb == "start":
            return self.start(is_running)
        self.tell_how_to_start(is_running)
        return 0

    def uninstall(self) -> int:
        """Stop the server and its jobs and remove the folder; return the exit code."""
        if not self.is_ours():
            self.say("not_installed", self.folder)
            return 0
        if self.run_server(self.folder, "--stop-all") != 0:
            self.fail("stop_failed", self.folder, hint=self.texts["stop_failed_hint"])
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():
            self.fail("remove_failed", self.folder)
        self.say("uninstalled", self.folder)
        return 0


def main(arguments: Sequence[str]) -> int:
    """Given the path of the .bat and the operator's words, return the exit code."""
    os.umask(0o077)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    script = Path(arguments[0])
    installation = Installation(script, arguments[1:], files_in(script.read_text(encoding="ascii")))
    return installation.uninstall() if installation.verb == "uninstall" else installation.install()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
