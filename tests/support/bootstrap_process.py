"""A really started one-file bootstrap on loopback, spoken to in the same way as the agent."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from d8.installers.bundle import bootstrap_sources, bundle
from tests.support.agent_process import RunningAgent, free_port, private_folder, wait_until_it_answers, write_private
from tests.support.pki import CertificateAuthority


@functools.cache
def server_source() -> str:
    """The text of slave_server.py, as the installer carries it."""
    return bundle(bootstrap_sources())


class RunningBootstrap(RunningAgent):
    """Where the bootstrap answers and what opens it."""

    python: str = sys.executable

    @property
    def log(self) -> str:
        """What it printed."""
        return (self.folder / "printed").read_text(encoding="utf-8", errors="replace")

    @property
    def command_log(self) -> str:
        """What it wrote to slave_server.log."""
        return (self.folder / "slave_server.log").read_text(encoding="utf-8")

    def restart(self) -> None:
        """Start a new process on the same port and folder."""
        self.process = start_bootstrap(self.folder, self.python)
        wait_until_it_answers(self)

    def resident_bytes(self) -> int:
        """How much memory the server uses by now."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


def write_bootstrap(folder: Path, token: str, authority: CertificateAuthority, **overrides: Any) -> dict[str, Any]:
    """Write what the install script leaves behind; return the configuration."""
    pair = authority.issue()
    write_private(folder / "slave_server.py", server_source())
    write_private(folder / "server.crt", pair.certificate)
    write_private(folder / "server.key", pair.private_key)
    configuration = {
        "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
        "installer_id": "installer-1",
        "bind": "127.0.0.1",
        "port": free_port(),
        "master": "192.168.4.25:7600",
        "tls": True,
        "expires": None,
        "privilege": "none",
        "language": "en",
        "commit": None,
    } | overrides
    write_private(folder / "config.json", json.dumps(configuration))
    return configuration | {"fingerprint": pair.fingerprint}


def start_bootstrap(folder: Path, python: str = sys.executable) -> subprocess.Popen[bytes]:
    """Start slave_server.py; what it prints goes to the file `printed`."""
    with (folder / "printed").open("ab") as printed:
        return subprocess.Popen(
            [python, str(folder / "slave_server.py")], stdin=subprocess.DEVNULL, stdout=printed, stderr=printed
        )


def end_jobs(folder: Path) -> None:
    """Cancel the jobs of a bootstrap that is not running any more."""
    for job in (folder / "jobs").glob("[!.]*"):
        if not (job / "result.json").exists():
            (job / "cancel").touch()
    deadline = time.monotonic() + 15
    while any(not (job / "result.json").exists() for job in (folder / "jobs").glob("[!.]*")):
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


@contextmanager
def running_bootstrap(
    tmp_path: Path, *, token: str | None = None, python: str = sys.executable, **overrides: Any
) -> Iterator[RunningBootstrap]:
    """A started bootstrap with a fresh token; `overrides` go into config.json. Ends it and its jobs afterwards."""
    authority = CertificateAuthority()
    token = token or secrets.token_urlsafe(24)
    folder = private_folder(tmp_path / f"d8_slave-{secrets.token_hex(4)}")
    written = write_bootstrap(folder, token, authority, **overrides)
    server = RunningBootstrap(
        address="127.0.0.1",
        port=written["port"],
        tls=written["tls"],
        token=token,
        fingerprint=written["fingerprint"] if written["tls"] else None,
        folder=folder,
        process=start_bootstrap(folder, python),
        authority=authority,
    )
    server.python = python
    try:
        wait_until_it_answers(server)
        yield server
    finally:
        if server.process.poll() is None:
            server.process.terminate()
            try:
                server.process.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
        end_jobs(folder)
