"""Fetching a commit with real git: the token reaches the repository's own host, and nobody else."""

from __future__ import annotations

import base64
import contextlib
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from d8.commands import git
from tests.support.git_server import git_server

TOKEN = "ghp_Sent_to_nobody_else"
IDENTITY = ("-c", "user.name=d8", "-c", "user.email=d8@localhost")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "agent.py").write_text("print()")
    for words in (("init", "-q"), ("add", "."), (*IDENTITY, "commit", "-qm", "first")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def fetched(url: str, checkout: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a slave would."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True)
    line = git.fetch(url, commit.stdout.strip(), str(home), "source.tar.gz", ("agent.py",)).line
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C"}
    return subprocess.run(["sh", "-c", line], input=TOKEN, env=environment, capture_output=True, text=True, timeout=60)


@contextlib.contextmanager
def other_host(location: str | None = None) -> Iterator[tuple[str, list[str]]]:
    """A server that wants a password, or sends who has none of that on; yield its URL and what it was told."""
    told: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append(self.headers.get("Authorization") or "")
            self.send_response(302 if location else 401)
            if location:
                self.send_header("Location", location + self.path.partition("/d8.git")[2])
            else:
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/d8.git", told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_repositorys_own_host_gets_the_token(checkout: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with git_server(checkout, tmp_path, "127.0.0.1", TOKEN) as url:
        done = fetched(url, checkout, home)
    assert done.returncode == 0, done.stderr
    with tarfile.open(home / "source.tar.gz") as archive:
        assert archive.getnames() == ["agent.py"]


def test_a_host_that_the_repository_sends_us_to_gets_no_token(checkout: Path, tmp_path: Path) -> None:
    with other_host() as (thief, told), other_host(location=thief) as (url, _):
        done = fetched(url, checkout, tmp_path)
    assert done.returncode != 0 and "302" in done.stderr
    assert not any(told), base64.b64decode(told[-1].removeprefix("Basic "))


def test_a_host_that_the_slaves_own_settings_lead_to_gets_no_token(checkout: Path, tmp_path: Path) -> None:
    with other_host() as (thief, told):
        url = "http://localhost:1/d8.git"
        (tmp_path / ".gitconfig").write_text(f'[url "{thief}"]\n insteadOf = {url}\n')
        done = fetched(url, checkout, tmp_path)
    assert done.returncode != 0 and "alone" in done.stderr
    assert told and not any(told)
