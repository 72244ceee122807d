"""A slave on a lab host, taken through the activation by hand: what the master's builder does, verb by verb."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import secrets
import socket
import ssl
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from d8.installers.bundle import bootstrap_sources, bundle
from tests.lab.host import Host
from tests.lab.machine import Outcome
from tests.support.pki import CertificateAuthority, Pair

REPOSITORY = Path(__file__).resolve().parents[2]
PORT = 7600
COMMIT = "a" * 40
SECOND_COMMIT = "b" * 40


@dataclass(frozen=True)
class TestCredential:
    """A token and the certificate that goes with it, as the master knows them."""

    __test__ = False
    token: str
    pair: Pair

    @property
    def travelling(self) -> dict[str, str]:
        """The form in which `install` takes it."""
        sha256 = hashlib.sha256(self.token.encode()).hexdigest()
        return {
            "token_sha256": sha256,
            "certificate": self.pair.certificate,
            "private_key": self.pair.private_key,
        }


@dataclass(frozen=True)
class Answered:
    """Who answered on the slave's port."""

    mode: str
    fingerprint: str = ""
    commit: str | None = None
    status: int = 0
    document: dict[str, Any] = field(default_factory=dict)


NOBODY = Answered("nobody")


@functools.cache
def agent_libraries(python_version: str) -> bytes:
    """The agent's locked libraries for a Python, as a tar.gz to unpack into site-packages."""
    with tempfile.TemporaryDirectory() as folder:
        uv = Path(sys.executable).with_name("uv")
        files = [REPOSITORY / "slave_agent" / name for name in ("requirements.txt", "requirements-psutil.txt")]
        where = ["--target", folder, "--python-version", python_version]
        how = ["--only-binary", ":all:", "--system-certs", "--quiet"]
        subprocess.run([uv, "pip", "install", *where, *how, *(f"-r{file}" for file in files)], check=True)
        return _packed(Path(folder), ".")


@functools.cache
def slave_code() -> bytes:
    """The slave_agent package of this checkout as a tar.gz."""
    return _packed(REPOSITORY / "slave_agent", "slave_agent")


@functools.cache
def bootstrap_file() -> str:
    """The one-file bootstrap of this checkout."""
    return bundle(bootstrap_sources())


def _packed(folder: Path, name: str) -> bytes:
    def wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        member.uid = member.gid = 0
        return None if "__pycache__" in member.name else member

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        archive.add(folder, name, filter=wanted)
    return packed.getvalue()


class SlaveUnderTest:
    """A lab host with a bootstrap of `host.user` on port 7600 and a release ready to be activated."""

    def __init__(self, host: Host, scope: str = "system", confirm_timeout_seconds: float = 12) -> None:
        self.host, self.scope = host, scope
        self.confirm_timeout_seconds = confirm_timeout_seconds
        self.step_delay_seconds = 0.0
        self.privilege = "auto"
        self.authority = CertificateAuthority()
        self.installer, self.agent, self.rescue = (
            TestCredential(secrets.token_urlsafe(24), self.authority.issue()) for _ in range(3)
        )
        self.home = "/root" if host.user == "root" else f"/home/{host.user}"
        self.folder = f"{self.home}/d8_slave"

    # --- what was there before the activation ---

    @property
    def opt(self) -> str:
        return "/opt/d8-agent" if self.scope == "system" else f"{self.home}/.local/share/d8-agent/opt"

    @property
    def owner(self) -> str:
        return "root" if self.scope == "system" else self.host.user

    def release(self, commit: str = COMMIT) -> str:
        return f"{self.opt}/releases/{commit}"

    def prepare(self) -> SlaveUnderTest:
        """Install and start the bootstrap, put the release in place."""
        self.install_bootstrap()
        self.start_bootstrap()
        self.put_release(COMMIT)
        return self

    def install_bootstrap(self) -> None:
        """What the install script leaves: the server and its secrets, owned by the user."""
        config = {
            "token_sha256": self.installer.travelling["token_sha256"],
            "installer_id": "test",
            "bind": "0.0.0.0",
            "port": PORT,
            "master": "192.168.4.1:7600",
            "tls": True,
            "certificate": "server.crt",
            "private_key": "server.key",
            "expires": None,
            "privilege": self.privilege,
            "language": "en",
            "work_dir": "work",
            "commit": None,
        }
        for name, text, mode in (
            ("slave_server.py", bootstrap_file(), 0o755),
            ("config.json", json.dumps(config), 0o600),
            ("server.crt", self.installer.pair.certificate, 0o600),
            ("server.key", self.installer.pair.private_key, 0o600),
        ):
            self.host.push(text.encode(), f"{self.folder}/{name}", owner=self.host.user, mode=mode)
        self.host.run(f"chown -R {self.host.user}: {self.folder} && chmod 700 {self.folder}")

    def start_bootstrap(self) -> None:
        """Start it as a plain process, as the operator does."""
        command = f"cd {self.folder} && exec setsid nohup python3 slave_server.py >out 2>&1 </dev/null &"
        self.host.run(command, user=self.host.user)
        assert self.wait_for("bootstrap"), self.host.run(f"cat {self.folder}/out", check=False).stdout

    def put_release(self, commit: str) -> None:
        """Unpack a release with its environment, as the builder does."""
        release, libraries = self.release(commit), f"{self.release(commit)}/venv/lib/python3*/site-packages"
        version = self.host.run("python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'").stdout.strip()
        self.host.run(f"mkdir -p {release}", user=self.owner)
        self.host.run(f"tar -xzf - -C {release}", user=self.owner, input=slave_code())
        self.host.run(f"python3 -m venv --without-pip {release}/venv", user=self.owner)
        self.host.run(f"tar -xzf - -C {libraries}", user=self.owner, input=agent_libraries(version))
        self.host.run(f"cp {release}/slave_agent/activation/d8-activate {release}/", user=self.owner)

    @property
    def bootstrap_pid(self) -> int | None:
        """The plain bootstrap's process."""
        listed = self.host.run(["pgrep", "-f", "^python3 slave_server.py"], check=False)
        return int(listed.stdout.split()[0]) if listed.stdout else None

    # --- the verbs ---

    def settings(self, commit: str = COMMIT, **changes: Any) -> dict[str, Any]:
        """What `install` is told."""
        return {
            "scope": self.scope,
            "port": PORT,
            "bind": "0.0.0.0",
            "slave_id": f"slave-{self.host.address.replace('.', '-')}",
            "tls": True,
            "release": self.release(commit),
            "commit": commit,
            "branch": "main",
            "bootstrap": {
                "user": self.host.user,
                "config": f"{self.folder}/config.json",
                "server": f"{self.folder}/slave_server.py",
                "pid": self.bootstrap_pid,
            },
            "rescue": self.rescue.travelling,
            "confirm_timeout_seconds": self.confirm_timeout_seconds,
            "step_delay_seconds": self.step_delay_seconds,
            "allowed_hosts": [],
            "language": "en",
            **changes,
        }

    def verb(self, name: str, *words: str, commit: str = COMMIT, input: str = "", user: str = "") -> dict[str, Any]:
        """Run a verb as the bootstrap would; return its JSON. Fails the test on an error."""
        done = self.try_verb(name, *words, commit=commit, input=input, user=user)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        document = json.loads(done.stdout)
        assert isinstance(document, dict)
        return document

    def try_verb(self, name: str, *words: str, commit: str = COMMIT, input: str = "", user: str = "") -> Outcome:
        """Run a verb; return how it ended."""
        argv = ["/usr/bin/python3", "-I", f"{self.release(commit)}/d8-activate", name, *words]
        return self.host.run(argv, user=user or self.host.user, input=input, check=False, timeout_seconds=120)

    def verb_as_job(self, name: str, input: str = "") -> dict[str, Any]:
        """Run a verb as the master does: a job of the bootstrap, over the network."""
        prefix = "sudo -n " if self.scope == "system" and self.host.user != "root" else ""
        command = f"{prefix}/usr/bin/python3 -I {self.release()}/d8-activate {name}"
        body = {"command": command, "stdin": input, "timeout": 120}
        done = self.call("POST", "/api/execute", self.installer, body, timeout=120)
        assert done.document.get("exit_code") == 0, done.document
        return dict(json.loads(done.document["stdout"]))

    def install(self, commit: str = COMMIT, **changes: Any) -> dict[str, Any]:
        return self.verb("install", commit=commit, input=json.dumps(self.settings(commit, **changes)))

    def install_and_stage(self, commit: str = COMMIT) -> None:
        self.install(commit)
        assert self.verb("stage", commit=commit)["healthy"] is True

    def hand_over(self, commit: str = COMMIT) -> None:
        """The handover as far as the agent's first answer."""
        assert self.verb("handover", commit=commit)["started"] is True
        assert self.wait_for("agent", commit=commit), self.verb("status", commit=commit)

    def enrol(self) -> None:
        """What the master does once the agent answers: a credential of its own."""
        ca = self.authority.certificate
        body = {"slave_id": self.settings()["slave_id"], **self.agent.travelling, "ca_certificate": ca}
        enrolled = self.call("POST", "/api/agent/enroll", self.installer, body)
        assert enrolled.status == 200, enrolled.document

    def enrol_and_confirm(self) -> None:
        """The same, and then the confirmation with it."""
        self.enrol()
        confirmed = self.call("POST", "/api/agent/confirm", self.agent, {})
        assert confirmed.status == 200, confirmed.document

    def is_confirmed(self) -> bool:
        """Whether the agent says so when asked to confirm; an agent or a helper that was killed may give no answer."""
        try:
            return self.call("POST", "/api/agent/confirm", self.agent, {}).status == 200
        except (OSError, ValueError, IndexError):
            return False

    def activate(self, commit: str = COMMIT) -> None:
        """The whole way to a confirmed agent."""
        self.install_and_stage(commit)
        self.hand_over(commit)
        self.enrol_and_confirm()

    # --- what the master sees ---

    def call(
        self, method: str, path: str, credential: TestCredential | None = None, body: Any = None, timeout: float = 30
    ) -> Answered:
        """One call from this machine, over the network."""
        return _call(self.host.address, method, path, credential, body, timeout)

    def who_answers(self, timeout: float = 2) -> Answered:
        """Who answers at this moment."""
        return who_answers_at(self.host.address, timeout)

    def wait_for(self, mode: str, seconds: float = 20, commit: str | None = None) -> bool:
        """Whether that server answers within the time."""
        return wait_until(lambda: self._is(mode, commit), seconds)

    def _is(self, mode: str, commit: str | None) -> bool:
        answered = self.who_answers()
        return answered.mode == mode and commit in (None, answered.commit)

    def wait_for_phase(self, *phases: str, seconds: float = 20) -> bool:
        """Whether the record reaches one of the phases within the time."""
        return wait_until(lambda: self.record().get("phase") in phases, seconds)

    def record(self) -> dict[str, Any]:
        """handover.json."""
        read = self.host.run(["cat", f"{self.opt}/state/handover.json"], check=False)
        return dict(json.loads(read.stdout)) if read.is_success else {}

    def pid_of_unit(self, unit: str) -> int:
        """The main process of a unit, 0 where it does not run."""
        return int(self.host.run(["systemctl", "show", "-p", "MainPID", "--value", unit]).stdout or 0)


def who_answers_at(address: str, timeout: float = 2) -> Answered:
    """Who answers on that host's port at this moment."""
    try:
        return _call(address, "GET", "/api/health", None, None, timeout)
    except (OSError, ValueError, IndexError):
        return NOBODY


def _call(
    address: str, method: str, path: str, credential: TestCredential | None, body: Any, timeout: float
) -> Answered:
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {address}:{PORT}", "Connection: close"]
    lines += [f"Content-Length: {len(data)}", "Content-Type: application/json"]
    lines += [f"Authorization: Bearer {credential.token}"] if credential else []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(socket.socket()) as link:  # wrapped first: a reset while wrapping would leak it
        link.settimeout(timeout)
        link.connect((address, PORT))
        fingerprint = hashlib.sha256(link.getpeercert(binary_form=True) or b"").hexdigest()
        link.sendall("\r\n".join([*lines, "", ""]).encode() + data)
        reply = b"".join(iter(lambda: link.recv(65536), b""))
    head, _, text = reply.partition(b"\r\n\r\n")
    status, document = int(head.split()[1]), json.loads(text)
    return Answered(str(document.get("mode", "")), fingerprint, document.get("commit"), status, document)


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = 0.1) -> bool:
    """Whether the condition becomes true within the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(pause)
    return condition()
