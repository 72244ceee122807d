"""Which wheels fit which host, and that only locked ones are sent."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest

from d8.build import wheels
from d8.build.wheels import WheelCache, locked_hashes, platform_tags


def host(architecture, libc="glibc"):
    return SimpleNamespace(architecture=architecture, libc=libc)


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


def test_the_lock_names_the_hashes_of_each_tool():
    lock = wheels.TOOLS_LOCK.read_text()
    assert locked_hashes(lock, "uv") and locked_hashes(lock, "pip")
    assert not locked_hashes(lock, "uv") & locked_hashes(lock, "pip")
    assert locked_hashes(lock, "absent") == set()


def test_a_cached_wheel_is_used_only_while_it_is_the_locked_one(tmp_path, monkeypatch):
    content = b"wheel"
    lock = tmp_path / "lock.txt"
    lock.write_text(f"uv==1.0 \\\n    --hash=sha256:{hashlib.sha256(content).hexdigest()}\n    # via x\n")
    monkeypatch.setattr(wheels, "TOOLS_LOCK", lock)
    monkeypatch.setattr(WheelCache, "_download", lambda *_: False)
    folder = tmp_path / platform_tags(host("x86_64"))[0]
    folder.mkdir()
    (folder / "uv-1.0-py3-none-any.whl").write_bytes(content)
    assert WheelCache(tmp_path).tool("uv", host("x86_64")) is not None
    (folder / "uv-1.0-py3-none-any.whl").write_bytes(b"tampered")
    assert WheelCache(tmp_path).tool("uv", host("x86_64")) is None
