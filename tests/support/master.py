"""A master as an operator has one: the real commands in processes of their own, with a data folder of the test's."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.lab.host import Host

PROJECT = Path(__file__).resolve().parents[2]


def git(*words: str) -> str:
    """Run git and return what it prints."""
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()


@dataclass(frozen=True)
class Master:
    """Runs start_d8.py. Given a folder of its own, and the address by which slaves reach it."""

    folder: Path
    address: str
    extra: Mapping[str, str] = field(default_factory=dict)
    checkout: Path = PROJECT

    @property
    def data(self) -> Path:
        """The data folder: registry, keys, build logs."""
        return self.folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its commands."""
        (self.folder / "env").touch()
        own = {
            "D8_DATA_DIR": str(self.data),
            "D8_ENV_FILE": str(self.folder / "env"),
            "D8_INSTALLER_DIR": str(self.folder / "installers"),
            "D8_MASTER_ADDRESS": self.address,
            "D8_LANG": "en",
            "D8_STABILISATION": "1",
            "D8_STRATEGIES": "venv",  # installing Docker on a bare host takes minutes; its own tests ask for it
        }
        return {**os.environ, **own, **self.extra}

    def in_a_clone(self) -> Master:
        """The same master from a clone of this checkout, whose commits the test may add to."""
        clone = self.folder / "clone"
        git("clone", "-q", str(PROJECT), str(clone))
        (clone / ".venv").symlink_to(sys.prefix)
        return replace(self, checkout=clone)

    def commit(self) -> str:
        """Add an empty commit to the clone; return its id."""
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        git("-C", str(self.checkout), *identity, "commit", "-q", "--allow-empty", "-m", "another commit")
        return git("-C", str(self.checkout), "rev-parse", "HEAD")

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command; the caller waits for it or kills it."""
        return subprocess.Popen(
            [sys.executable, str(self.checkout / "start_d8.py"), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=self.folder,
        )

    def run(self, *words: str, timeout_seconds: float = 240) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        with self.start(*words) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout_seconds)
            finally:
                process.kill()
        return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)

    def json(self, *words: str, expect: int = 0, timeout_seconds: float = 240) -> Any:
        """Run a command with --json and return the document; the exit code must be as expected."""
        done = self.run(*words, "--json", timeout_seconds=timeout_seconds)
        assert done.returncode == expect, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def bring_bootstrap(self, host: Host) -> dict[str, Any]:
        """Options 10, scp and `sh … --start`: generate an installer and start it on the host as its user."""
        made: dict[str, Any] = self.json("installer", "--os", "linux")
        home = host.run("echo $HOME", host.user).stdout.strip()
        host.push(Path(made["sh"]), f"{home}/install_slave.sh", owner=host.user, mode=0o600)
        host.run("sh install_slave.sh --start", host.user)
        return made

    def build(self, host: Host, expect: int = 0) -> Any:
        """Option 11: build the host, and return the build log's object."""
        return self.json("build", host.address, "--yes", expect=expect)

    def token(self, kind: str) -> str:
        """The newest token of a kind, from the registry."""
        with sqlite3.connect(self.data / "d8.db") as database:
            query = "select token from credentials where kind = ? order by created desc"
            return str(database.execute(query, (kind,)).fetchone()[0])

    def curl(
        self, host: Host, path: str, *, token: str | None = None, options: tuple[str, ...] = ()
    ) -> tuple[int, Any]:
        """Call the host as the docs say, with curl and the fleet's certificate; return the status and the JSON."""
        trusted = options or ("--cacert", str(self.data / "pki" / "d8-ca.pem"))
        header = self.folder / "header"
        header.write_text(f"Authorization: Bearer {token}\n" if token else "X-None: 1\n")
        words = ["curl", "-sS", "--max-time", "10", *trusted, "-H", f"@{header}", "-w", "\n%{http_code}"]
        scheme = "http" if self.environment.get("D8_TLS") == "off" else "https"
        words.append(f"{scheme}://{host.address}:7600{path}")
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        body, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(body)
