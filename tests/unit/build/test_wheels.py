"""Which wheels fit which host, and that only locked ones are sent."""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from d8.build import wheels
from d8.build.wheels import WheelCache, locked_hashes, platform_tags


def host(architecture, libc="glibc"):
    python = "/usr/bin/python3"
    return SimpleNamespace(architecture=architecture, libc=libc, agent_python=python, pythons={python: (3, 11)})


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (host("x86_64"), "manylinux2014_x86_64"),
        (host("aarch64"), "manylinux2014_aarch64"),
        (host("armv7l"), "manylinux2014_armv7l"),
        (host("aarch64", "musl"), "musllinux_1_1_aarch64"),
    ],
)
def test_platform_tags(facts, expected):
    assert expected in platform_tags(facts)


def test_a_platform_without_wheels_has_no_tags():
    assert platform_tags(host("riscv64")) == []
    assert WheelCache(wheels.PROJECT_DIR / "nowhere").tool("uv", host("riscv64")) is None


def test_the_lock_names_the_hashes_of_each_package():
    tools = locked_hashes(wheels.TOOLS_LOCK.read_text())
    assert set(tools) == {"uv", "pip"} and all(tools.values()) and not tools["uv"] & tools["pip"]
    libraries = locked_hashes((wheels.PROJECT_DIR / "slave_agent" / "requirements.txt").read_text())
    assert {"flask", "uvicorn", "a2wsgi"} <= set(libraries)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache whose lock names two packages and which can't download."""
    lock = tmp_path / "lock.txt"
    digests = [hashlib.sha256(content).hexdigest() for content in (b"one", b"two")]
    lock.write_text("".join(f"p{n}==1.0 \\\n    --hash=sha256:{digest}\n" for n, digest in enumerate(digests)))
    monkeypatch.setattr(wheels, "PROJECT_DIR", tmp_path)
    monkeypatch.setattr(WheelCache, "_download", lambda *_: False)
    folder = tmp_path / "cache" / f"{platform_tags(host('x86_64'))[0]}-3.11" / "lock"
    folder.mkdir(parents=True)
    return SimpleNamespace(
        folder=folder, get=lambda: WheelCache(tmp_path / "cache").libraries("lock.txt", host("x86_64"))
    )


def test_cached_wheels_are_used_only_when_all_are_there_and_are_the_locked_ones(cache):
    (cache.folder / "p0.whl").write_bytes(b"one")
    assert cache.get() == ()
    (cache.folder / "p1.whl").write_bytes(b"two")
    assert {wheel.name for wheel in cache.get()} == {"p0.whl", "p1.whl"}
    (cache.folder / "p1.whl").write_bytes(b"tampered")
    assert cache.get() == ()


def test_of_many_builds_at_once_one_downloads_and_the_others_wait(cache, monkeypatch):
    downloads = []

    def download(self, folder, *_):
        downloads.append(threading.get_ident())
        time.sleep(0.1)
        (folder / "p0.whl").write_bytes(b"one")
        (folder / "p1.whl").write_bytes(b"two")
        return True

    monkeypatch.setattr(WheelCache, "_download", download)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _number: cache.get(), range(8)))
    assert len(downloads) == 1 and all(len(wheels) == 2 for wheels in found)


def test_a_failed_download_is_not_repeated_by_each_of_many_builds(cache, monkeypatch):
    tried = []
    monkeypatch.setattr(WheelCache, "_download", lambda *_: bool(tried.append(1)))
    assert cache.get() == () and cache.get() == ()
    assert len(tried) == 1
