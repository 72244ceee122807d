"""The wheels that the master sends: fetched once by its own pip into a cache, checked against the lock's hashes."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from pathlib import Path
from typing import ClassVar, Protocol

from d8.files import locked
from d8.processes import run
from d8.settings import PROJECT_DIR

TOOLS_LOCK = PROJECT_DIR / "slave_agent" / "requirements-tools.txt"
DOWNLOAD_SECONDS = 600.0
FAILURE_HOLDS_SECONDS = 60.0  # so that twenty builds at once do not wait for twenty failures, one after the other
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64", "armv7l": "armv7l"}
GLIBC_TAGS = ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_31")


class WheelTarget(Protocol):
    """What a wheel has to fit: a host as preflight found it, or the interpreter that an agent runs in."""

    @property
    def architecture(self) -> str: ...

    @property
    def libc(self) -> str: ...

    @property
    def pythons(self) -> dict[str, tuple[int, int]]: ...

    @property
    def agent_python(self) -> str | None: ...


def platform_tags(facts: WheelTarget) -> list[str]:
    """Given a host, return the wheel platform tags that fit it, or none for a platform without wheels."""
    architecture = ARCHITECTURES.get(facts.architecture.lower())
    if architecture is None:
        return []
    if facts.libc == "musl":
        return [f"musllinux_1_1_{architecture}", f"musllinux_1_2_{architecture}"]
    return [f"{tag}_{architecture}" for tag in GLIBC_TAGS]


def locked_hashes(lock: str) -> dict[str, set[str]]:
    """Given a lock file's text, return for each package the SHA-256 hashes that its files may have."""
    blocks = re.findall(r"^([A-Za-z0-9._-]+)==[^\n]*((?:\n[ \t].*)*)", lock, re.MULTILINE)
    return {name: set(re.findall(r"sha256:([0-9a-f]{64})", rest)) for name, rest in blocks}


class WheelCache:
    """The master's wheels. Given a folder, which is made when needed. Safe under threads and processes: what is missing
    is fetched by one of them, and the others wait for it."""

    _failures: ClassVar[dict[Path, float]] = {}  # folder → when its download failed, on the monotonic clock

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def tool(self, package: str, facts: WheelTarget) -> Path | None:
        """Given uv or pip and the host that it is for, return its wheel; None where none can be had."""
        found = self._locked(TOOLS_LOCK, facts, only=package)
        return found[0] if found else None

    def libraries(self, lock: str, facts: WheelTarget) -> tuple[Path, ...]:
        """Given one of the agent's lock files and the host, return a wheel for each of its packages; () where one is
        missing, for then the slave has to ask the index itself."""
        return self._locked(PROJECT_DIR / lock, facts)

    def _locked(self, lock: Path, facts: WheelTarget, only: str | None = None) -> tuple[Path, ...]:
        """The wheels of a lock file (of one of its packages) for a host, from the cache or downloaded into it."""
        tags = platform_tags(facts)
        if not tags or facts.agent_python is None:
            return ()
        version = facts.pythons[facts.agent_python]
        folder = self._folder / f"{tags[0]}-{version[0]}.{version[1]}" / lock.stem
        wanted = {name: hashes for name, hashes in locked_hashes(lock.read_text()).items() if only in (None, name)}
        found = _matching(folder, wanted)
        if len(found) < len(wanted):
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder / ".lock"):
                found = _matching(folder, wanted)  # somebody else may have fetched them meanwhile
                if len(found) < len(wanted) and self._fetch(folder, lock, tags, version):
                    found = _matching(folder, wanted)
        return tuple(found.values()) if len(found) == len(wanted) else ()

    def _fetch(self, folder: Path, lock: Path, tags: list[str], version: tuple[int, int]) -> bool:
        """Download, unless that has just failed."""
        if time.monotonic() - self._failures.get(folder, -FAILURE_HOLDS_SECONDS) < FAILURE_HOLDS_SECONDS:
            return False
        is_done = self._download(folder, lock, tags, version)
        if not is_done:
            self._failures[folder] = time.monotonic()
        return is_done

    def _download(self, folder: Path, lock: Path, tags: list[str], version: tuple[int, int]) -> bool:
        """Fetch what the lock names for the platform; a failed download leaves what it got, checked when it is used."""
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        words += ["--require-hashes", "--python-version", ".".join(map(str, version)), "--dest", str(folder)]
        words += [word for tag in tags for word in ("--platform", tag)]
        environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        return (
            run(
                [*words, "--requirement", str(lock)], timeout_seconds=DOWNLOAD_SECONDS, environment=environment
            ).exit_code
            == 0
        )


def _matching(folder: Path, wanted: dict[str, set[str]]) -> dict[str, Path]:
    """The wheels in a folder whose content is what the lock names, by package."""
    by_hash = {hashlib.sha256(wheel.read_bytes()).hexdigest(): wheel for wheel in sorted(folder.glob("*.whl"))}
    return {name: by_hash[found] for name, hashes in wanted.items() for found in hashes & by_hash.keys()}
