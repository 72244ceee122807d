"""A really started agent on loopback, with real TLS, and a client that speaks plain HTTP/1.1 to it.

`running_agent` is what other suites use; the rest is there to build odd cases from.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.pki import CertificateAuthority, Pair

REPOSITORY = Path(__file__).resolve().parents[2]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
START_SECONDS = 20.0


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    fingerprint: str | None = None

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class RunningAgent:
    """Where the agent answers and what opens it."""

    address: str
    port: int
    tls: bool
    token: str
    fingerprint: str | None
    folder: Path
    process: subprocess.Popen[bytes]
    authority: CertificateAuthority = field(repr=False)
    environment: Mapping[str, str] | None = field(default=None, repr=False)

    @property
    def log(self) -> str:
        return (self.folder / "agent.log").read_text(encoding="utf-8", errors="replace")

    def log_with(self, text: str, timeout_seconds: float = START_SECONDS) -> str:
        """The log once the text stands in it: the line about a request is written after its reply."""
        deadline = time.monotonic() + timeout_seconds
        while text not in (log := self.log):
            assert time.monotonic() < deadline, f"{text!r} never came into the log:\n{log}"
            time.sleep(0.05)
        return log

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    def connect(self, timeout_seconds: float = 30) -> socket.socket:
        """A connected socket, after the TLS handshake where there is TLS."""
        plain = socket.create_connection((self.address, self.port), timeout_seconds)
        return unchecked_context().wrap_socket(plain) if self.tls else plain

    def connection(self, timeout_seconds: float = 30) -> http.client.HTTPConnection:
        """An HTTP connection that trusts whoever answers; the fingerprint is in the Answer."""
        if not self.tls:
            return http.client.HTTPConnection(self.address, self.port, timeout=timeout_seconds)
        return http.client.HTTPSConnection(
            self.address, self.port, timeout=timeout_seconds, context=unchecked_context()
        )

    def request(
        self,
        method: str,
        path: str,
        document: object = None,
        *,
        token: str | None = "",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        timeout_seconds: float = 30,
    ) -> Answer:
        """Send one request; `token` is the agent's own unless another one, or None, is given."""
        sent = dict(headers or {})
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token or self.token}")
        if document is not None:
            body = json.dumps(document).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = self.connection(timeout_seconds)
        try:
            connection.request(method, path, body=body, headers=sent)
            fingerprint = presented_fingerprint(connection.sock)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read(), fingerprint)
        finally:
            connection.close()

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str, document: object = None, **options: Any) -> Answer:
        return self.request("POST", path, {} if document is None else document, **options)

    def execute(self, command: str, **fields: Any) -> Answer:
        return self.post("/api/execute", {"command": command, **fields})

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; return the exit code (of a shell: 143 is -15)."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def restart(self) -> None:
        """Start a new process on the same port and state."""
        self.process = start_process(self.folder, environment=self.environment)
        wait_until_it_answers(self)


def unchecked_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def presented_fingerprint(connected: object) -> str | None:
    if not isinstance(connected, ssl.SSLSocket):
        return None
    return hashlib.sha256(connected.getpeercert(binary_form=True) or b"").hexdigest()


def free_port() -> int:
    """A port of loopback that nobody has. The kernel gives connections and port 0 none of these, so that no other
    test's takes it before the server that it is for."""
    while True:
        port = secrets.choice(range(20_000, 32_000))
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def private_folder(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write_private(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def write_settings(folder: Path, **overrides: Any) -> Path:
    """agent.json in the folder, with sensible values unless overridden."""
    settings = {
        "slave_id": "slave-127-0-0-1",
        "bind": "127.0.0.1",
        "port": free_port(),
        "tls": True,
        "state_dir": str(private_folder(folder / "state")),
        "commit": COMMIT,
        "branch": "main",
        "release_dir": str(folder / "release"),
        "scope": "nohup",
        "allowed_hosts": [],
        "helper_socket": None,
        "survives_reboot": False,
        "persistence_command": "sudo loginctl enable-linger pi",
        "language": "en",
    } | overrides
    return write_private(folder / "agent.json", json.dumps(settings))


def write_credentials(folder: Path, token: str, pair: Pair, kind: str = "installer") -> Path:
    """credentials.json and the key pair of an agent that was just installed."""
    private_folder(folder / "state")
    tls = private_folder(folder / "state" / "tls")
    certificate = write_private(tls / "installer.crt", pair.certificate)
    private_key = write_private(tls / "installer.key", pair.private_key)
    current = {
        "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
        "certificate": str(certificate),
        "private_key": str(private_key),
        "kind": kind,
    }
    document = {"slave_id": "slave-127-0-0-1", "current": current, "pending": None}
    return write_private(folder / "state" / "credentials.json", json.dumps(document))


def write_activation(folder: Path) -> None:
    """A stand-in for the release's d8-activate: says yes, and writes down what it was asked."""
    release = private_folder(folder / "release")
    lines = (
        "import json, pathlib, sys",
        "with pathlib.Path(__file__).with_name('asked').open('a') as log: log.write(sys.argv[1] + '\\n')",
        "print(json.dumps({'ok': True}))",
    )
    (release / "d8-activate").write_text("\n".join(lines) + "\n", encoding="utf-8")


def asked_of_activation(agent: RunningAgent) -> list[str]:
    """The verbs that the stand-in was asked, in order."""
    log = agent.folder / "release" / "asked"
    return log.read_text(encoding="utf-8").split() if log.exists() else []


def start_process(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start `python -m slave_agent` on the folder's settings; its stderr goes to agent.log."""
    command = [sys.executable, "-m", "slave_agent", "--settings", str(folder / "agent.json"), *arguments]
    with (folder / "agent.log").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(environment or os.environ),
        )


def wait_until_it_answers(agent: RunningAgent) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        if agent.process.poll() is not None:
            raise AssertionError(f"the agent ended with {agent.process.returncode}:\n{agent.log}")
        try:
            if agent.get("/api/health", token=None, timeout_seconds=5).status == 200:
                return
        except OSError:
            if time.monotonic() > deadline:
                raise AssertionError(f"the agent does not answer:\n{agent.log}") from None
        time.sleep(0.05)


@contextmanager
def running_agent(
    tmp_path: Path,
    *,
    token: str | None = None,
    kind: str = "installer",
    environment: Mapping[str, str] | None = None,
    **overrides: Any,
) -> Iterator[RunningAgent]:
    """A started agent with fresh credentials; `overrides` are settings of agent.json. Ends it, and what it left,
    afterwards. `environment` is the process's, this one's unless given.
    """
    authority = CertificateAuthority()
    pair = authority.issue()
    token = token or secrets.token_urlsafe(24)
    folder = private_folder(tmp_path / f"agent-{secrets.token_hex(4)}")
    settings = json.loads(write_settings(folder, **overrides).read_text(encoding="utf-8"))
    write_credentials(folder, token, pair, kind)
    write_activation(folder)
    agent = RunningAgent(
        address="127.0.0.1",
        port=settings["port"],
        tls=settings["tls"],
        token=token,
        fingerprint=pair.fingerprint if settings["tls"] else None,
        folder=folder,
        process=start_process(folder, environment=environment),
        authority=authority,
        environment=environment,
    )
    try:
        wait_until_it_answers(agent)
        yield agent
    finally:
        if agent.process.poll() is None:
            agent.process.terminate()
            try:
                agent.process.wait(10)
            except subprocess.TimeoutExpired:
                agent.kill()
