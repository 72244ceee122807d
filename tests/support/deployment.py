"""The agent deployed on a lab host without a master: the checkout's files as an unpacked archive, and the script."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import ssl
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.lab.host import Host
from tests.lab.machine import Outcome
from tests.support.handover import REPOSITORY, wait_until

Change = Callable[[str, str], str]  # given a file's path in the archive and its text, the text that it has instead
LOCKS = ("requirements.txt", "requirements-psutil.txt", "requirements-tools.txt")


@functools.cache
def wheels(python_version: str) -> bytes:
    """The agent's locked packages, and pip, as wheels in a tar."""
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=packed, mode="w") as archive:
        for lock in LOCKS:
            words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
            words += ["--require-hashes", "--python-version", python_version, "--dest", folder]
            words += [word for tag in ("manylinux2014", "manylinux_2_28") for word in ("--platform", f"{tag}_x86_64")]
            subprocess.run([*words, "-r", REPOSITORY / "slave_agent" / lock], check=True)
        for wheel in Path(folder).glob("*.whl"):
            if not wheel.name.startswith("uv-"):
                archive.add(wheel, wheel.name)
    return packed.getvalue()


def unpacked_archive(commit: str, change: Change | None = None) -> bytes:
    """This checkout's files as `git archive` of that commit would hold them, some of them changed, as a tar.gz."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for path in [*(REPOSITORY / "slave_agent").rglob("*"), *(REPOSITORY / "scripts").rglob("*.sh")]:
            name = str(path.relative_to(REPOSITORY))
            if path.is_file() and "__pycache__" not in name:
                data = path.read_bytes()
                if change is not None and path.suffix in (".py", ".txt", ".system"):
                    data = change(name, data.decode()).encode()
                _add(archive, name, data)
        _add(archive, "COMMIT", f"{commit}\n".encode())
    return packed.getvalue()


def _add(archive: tarfile.TarInfo | Any, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    archive.addfile(member, io.BytesIO(data))


class Deployment:
    """A host, the folder on it that the archive was unpacked to, and the script in it."""

    def __init__(self, host: Host, options: tuple[str, ...] = ()) -> None:
        self.host, self.options = host, options
        self.home = host.run("echo $HOME", host.user).stdout.strip()
        self.folder = f"{self.home}/d8"

    def bring(self, commit: str, change: Change | None = None) -> None:
        """Put the archive of a commit there, in place of the one before."""
        self.host.run(f"rm -rf {self.folder}; mkdir {self.folder}", self.host.user)
        self.host.run(f"tar -xzf - -C {self.folder}", self.host.user, input=unpacked_archive(commit, change))

    def bring_wheels(self) -> None:
        """Put the wheels there and use them from now on: quicker than the index, and without internet."""
        version = self.host.run("python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'").stdout.strip()
        self.host.run(f"mkdir -p {self.home}/wheels && tar -xf - -C {self.home}/wheels", input=wheels(version))
        self.options = (*self.options, "--wheels", f"{self.home}/wheels")

    def command(self, *words: str) -> str:
        """The script's command line."""
        return " ".join(["sh", f"{self.folder}/scripts/desplegar_agent.sh", "--lang en", *self.options, *words])

    def run(self, *words: str, expect: int = 0, user: str = "") -> Outcome:
        """Run the script to its end; its exit code must be as expected."""
        done = self.host.run(self.command(*words), user or self.host.user, check=False, timeout_seconds=300)
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def wait_for_lock(self) -> None:
        """Wait until what a killed script had begun has ended: till then another one is refused."""
        free = "flock --nonblock /run/d8-deploy.lock true"
        assert wait_until(lambda: self.host.run(free, check=False).is_success, 180, pause=1)

    def deploy(self, commit: str, *words: str, change: Change | None = None, expect: int = 0) -> Outcome:
        """Bring a commit and run the script."""
        self.bring(commit, change)
        return self.run(*words, expect=expect)

    def status(self) -> dict[str, Any]:
        """What d8-activate says; {} where nothing is installed."""
        done = self.host.run("python3 -I /opt/d8-agent/control/d8-activate status", check=False)
        return dict(json.loads(done.stdout)) if done.is_success else {}

    def call(self, path: str, *, port: int = 7600, scheme: str = "https") -> tuple[int, dict[str, Any]]:
        """Call the agent from this machine with curl, the installed certificate and the token on the host."""
        with tempfile.TemporaryDirectory() as folder:
            trusted = Path(folder, "certificate.pem")
            header = Path(folder, "header")
            header.write_text(f"Authorization: Bearer {self.host.run('cat /etc/d8-agent/operator.token').stdout}")
            if scheme == "https":
                trusted.write_text(self.host.run("cat /etc/d8-agent/certificate.pem").stdout)
            words = ["curl", "-sS", "--max-time", "10", "-H", f"@{header}", "-w", "\n%{http_code}"]
            words += ["--cacert", str(trusted)] if scheme == "https" else []
            done = subprocess.run(
                [*words, f"{scheme}://{self.host.address}:{port}{path}"], capture_output=True, text=True, check=False
            )
        assert done.returncode == 0, done.stderr
        body, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(body)

    def runs(self, commit: str) -> bool:
        """Whether the agent of that commit answers to the token, and is what the record calls confirmed."""
        try:
            status, document = self.call("/api/system")
        except (AssertionError, ValueError):
            return False
        known = self.status()
        return status == 200 and document["agent"]["commit"] == known.get("confirmed_commit") == commit

    def confirmed(self) -> str:
        """The commit that is confirmed."""
        return str(self.status()["confirmed_commit"])

    def rests(self) -> bool:
        """Whether a confirmed release answers and nothing else is under way."""
        known = self.status()
        return known.get("phase") == "confirmed" and self.runs(known["confirmed_commit"])

    def fingerprint(self) -> str:
        """The SHA-256 of the certificate that it was installed with."""
        certificate = ssl.PEM_cert_to_DER_cert(self.host.run("cat /etc/d8-agent/certificate.pem").stdout)
        return hashlib.sha256(certificate).hexdigest()

    def comes_to_run(self, commit: str, seconds: float) -> bool:
        """Whether it does within the time, and the activation is settled."""
        return wait_until(lambda: self.runs(commit) and self.status().get("phase") == "confirmed", seconds, pause=0.5)

    def releases(self) -> set[str]:
        """The releases on the disk."""
        return set(self.host.run("ls /opt/d8-agent/releases").stdout.split())

    def leftovers(self) -> str:
        """Whatever of D8 is still on the host, apart from what the operator brought."""
        files = self.host.run(
            "find / -xdev \\( -path /proc -o -path /home -o -path /root/d8 -o -path /root/wheels \\) -prune -o "
            "\\( -name 'd8[-_]*' -o -name d8 \\) -print"
        ).stdout
        users = self.host.run("getent passwd d8-agent; getent group d8-agent", check=False).stdout
        units = self.host.run("systemctl list-units --all --no-legend --plain 'd8-*'").stdout
        return files + users + units
