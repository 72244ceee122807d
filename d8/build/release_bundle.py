"""A release as it travels to a built slave: the commit's source, the wheels that fit it, signed for that one machine.

The form is read by slave_agent/activation/manifest.py: one JSON line with the signature, then a tar.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from d8.build.wheels import WheelCache
from d8.commands import venv
from d8.errors import BuildFailed
from d8.fleet.release_signing import ReleaseSigner
from d8.messages import message
from d8.models import Slave, StrategyName
from d8.settings import Settings
from d8.source import Commit, archive

ALL_WHEELS = "all-are-here"  # as in slave_agent/activation/update.py
PURPOSE = "d8-release-1"  # as in slave_agent/activation/manifest.py


@dataclass(frozen=True)
class AgentRuntime:
    """The interpreter that a slave's agent runs in, as the agent itself says: what the wheels have to fit."""

    architecture: str
    libc: str
    python: tuple[int, int]

    @property
    def pythons(self) -> dict[str, tuple[int, int]]:
        """That one interpreter, as a host's are listed."""
        return {"python3": self.python}

    @property
    def agent_python(self) -> str:
        """Its name in that list."""
        return "python3"


class ReleaseBundles:
    """Makes the bundles of one commit; slaves of one kind share the packing. Given the commit, the settings, the wheels
    and the clock (Unix seconds). Safe under threads."""

    def __init__(
        self, commit: Commit, settings: Settings, wheels: WheelCache, now: Callable[[], float] = time.time
    ) -> None:
        self.commit = commit
        self._settings = settings
        self._wheels = wheels
        self._signer = ReleaseSigner(settings.data_dir / "pki")
        self._now = now
        self._packed: dict[AgentRuntime, bytes] = {}
        self._packing = threading.Lock()

    def bundle(self, slave: Slave, runtime: AgentRuntime) -> bytes:
        """Given a slave and what its agent runs in, return the file for it. Raises BuildFailed."""
        with self._packing:
            if runtime not in self._packed:
                self._packed[runtime] = self._pack(runtime, slave.strategy)
            packed = self._packed[runtime]
        manifest = json.dumps(
            {
                "purpose": PURPOSE,
                "commit": self.commit.hash,
                "branch": self.commit.branch,
                "machine_id": slave.machine_id,
                "sha256": hashlib.sha256(packed).hexdigest(),
                "size": len(packed),
                "issued": self._signer.time_of_issue(self._now()),
                "base_image": self._settings.docker_base_image,
                "confirm_timeout_seconds": self._settings.confirm_timeout_seconds,
            }
        )
        head = json.dumps({"manifest": manifest, "signature": self._signer.sign(manifest)})
        return head.encode() + b"\n" + packed

    def _pack(self, runtime: AgentRuntime, strategy: StrategyName) -> bytes:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            _add(tar, "source.tar.gz", archive(self.commit.hash))
            wheels, is_all = self._fitting(runtime, strategy)
            for wheel in wheels:
                tar.add(wheel, f"wheels/{wheel.name}")
            if is_all:
                _add(tar, f"wheels/{ALL_WHEELS}", b"")
        return packed.getvalue()

    def _fitting(self, runtime: AgentRuntime, strategy: StrategyName) -> tuple[list[Path], bool]:
        """The wheels that there are, and whether these are all: else the slave asks the index too (there is none of
        psutil for 32-bit ARM), unless it builds an image.
        """
        pip = self._wheels.tool("pip", runtime)
        libraries = [self._wheels.libraries(lock, runtime) for lock in (venv.REQUIREMENTS, venv.PSUTIL)]
        is_all = pip is not None and all(libraries)
        if is_all or strategy is not StrategyName.DOCKER:
            return [*([pip] if pip else []), *(wheel for found in libraries for wheel in found)], is_all
        raise BuildFailed(
            "the master has no wheels for Python {python} on {architecture} ({libc}), which the base image has",
            "The master downloads them once: check its internet connection and repeat.",
            python=message("{major}.{minor}", major=runtime.python[0], minor=runtime.python[1]),
            architecture=runtime.architecture,
            libc=runtime.libc,
        )


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    tar.addfile(member, io.BytesIO(content))
