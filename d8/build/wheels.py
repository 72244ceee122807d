"""The wheels that the master sends: fetched once by its own pip into a cache, checked against the lock's hashes."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path

from d8.commands.preflight import HostFacts
from d8.processes import run
from d8.settings import PROJECT_DIR

TOOLS_LOCK = PROJECT_DIR / "slave_agent" / "requirements-tools.txt"
DOWNLOAD_SECONDS = 600.0
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64", "armv7l": "armv7l"}
GLIBC_TAGS = ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_31")


def platform_tags(facts: HostFacts) -> list[str]:
    """Given a host, return the wheel platform tags that fit it, or none for a platform without wheels."""
    architecture = ARCHITECTURES.get(facts.architecture.lower())
    if architecture is None:
        return []
    if facts.libc == "musl":
        return [f"musllinux_1_1_{architecture}", f"musllinux_1_2_{architecture}"]
    return [f"{tag}_{architecture}" for tag in GLIBC_TAGS]


def locked_hashes(lock: str, package: str) -> set[str]:
    """Given a lock file's text and a package, return the SHA-256 hashes that its files may have."""
    block = re.search(rf"^{re.escape(package)}==.*?(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"sha256:([0-9a-f]{64})", block[0])) if block else set()


class WheelCache:
    """The master's wheels. Given a folder, which is made when needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def tool(self, package: str, facts: HostFacts) -> Path | None:
        """Given uv or pip and the host that it is for, return its wheel; None where none can be had."""
        tags = platform_tags(facts)
        if not tags:
            return None
        folder = self._folder / tags[0]
        return self._find(folder, package) or (self._find(folder, package) if self._download(folder, tags) else None)

    def _find(self, folder: Path, package: str) -> Path | None:
        hashes = locked_hashes(TOOLS_LOCK.read_text(), package)
        for wheel in sorted(folder.glob(f"{package}-*.whl")):
            if hashlib.sha256(wheel.read_bytes()).hexdigest() in hashes:
                return wheel
        return None

    def _download(self, folder: Path, tags: list[str]) -> bool:
        folder.mkdir(parents=True, exist_ok=True)
        platforms = [word for tag in tags for word in ("--platform", tag)]
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        words += ["--require-hashes", "--python-version", "3.11", *platforms, "--dest", str(folder)]
        environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        words += ["--requirement", str(TOOLS_LOCK)]
        return run(words, timeout_seconds=DOWNLOAD_SECONDS, environment=environment).exit_code == 0
