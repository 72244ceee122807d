"""A bundle as the master makes it, read as the slave reads it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from d8.build.release_bundle import AgentRuntime, ReleaseBundles
from d8.build.wheels import WheelCache, WheelTarget
from d8.errors import BuildFailed
from d8.fleet.release_signing import ReleaseSigner
from d8.models import StrategyName
from d8.source import master_commit
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.manifest import check_manifest, read_head
from tests.support.fakes import make_settings, make_slave

RUNTIME = AgentRuntime("x86_64", "glibc", (3, 11))


class Wheels(WheelCache):
    """Has what is in a folder, or nothing."""

    def __init__(self, folder: Path, has_any: bool = True) -> None:
        super().__init__(folder)
        self.packed, self._has_any, self._wheel = 0, has_any, folder / "pip-1.0-py3-none-any.whl"
        self._wheel.write_bytes(b"a wheel")

    def tool(self, package: str, facts: WheelTarget) -> Path | None:
        self.packed += 1
        assert package == "pip" and facts.agent_python is not None
        return self._wheel if self._has_any else None

    def libraries(self, lock: str, facts: WheelTarget) -> tuple[Path, ...]:
        return (self._wheel,) if self._has_any else ()


def parts(bundle: bytes) -> tuple[bytes, bytes]:
    head, _, packed = bundle.partition(b"\n")
    return head, packed


def test_the_slave_reads_what_the_master_signed(tmp_path: Path) -> None:
    settings, slave, wheels = make_settings(tmp_path), make_slave(), Wheels(tmp_path)
    commit = master_commit()
    bundles = ReleaseBundles(commit, settings, wheels, now=lambda: 1000.0)
    head, packed = parts(bundles.bundle(slave, RUNTIME))
    manifest = read_head(head, ReleaseSigner(settings.data_dir / "pki").public_key)
    assert (manifest.commit, manifest.machine_id, manifest.issued) == (commit.hash, slave.machine_id, 1000.0)
    assert (manifest.sha256, manifest.size) == (hashlib.sha256(packed).hexdigest(), len(packed))
    assert manifest.base_image == settings.docker_base_image
    check_manifest(manifest, slave.machine_id, 999.0)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert {"source.tar.gz", "wheels/pip-1.0-py3-none-any.whl", "wheels/all-are-here"} == set(archive.getnames())


def test_another_masters_key_does_not_fit(tmp_path: Path) -> None:
    bundles = ReleaseBundles(master_commit(), make_settings(tmp_path), Wheels(tmp_path))
    head, _ = parts(bundles.bundle(make_slave(), RUNTIME))
    with pytest.raises(ActivationError, match="not signed"):
        read_head(head, ReleaseSigner(tmp_path / "another").public_key)


def test_slaves_of_one_kind_share_the_packing_but_not_the_signature(tmp_path: Path) -> None:
    wheels = Wheels(tmp_path)
    bundles = ReleaseBundles(master_commit(), make_settings(tmp_path), wheels)
    first = parts(bundles.bundle(make_slave(), RUNTIME))
    second = parts(bundles.bundle(make_slave("192.168.4.26", machine_id="b" * 32), RUNTIME))
    assert first[1] == second[1] and wheels.packed == 1
    assert json.loads(first[0])["signature"] != json.loads(second[0])["signature"]


def test_without_wheels_the_slave_asks_the_index_but_an_image_needs_them(tmp_path: Path) -> None:
    bundles = ReleaseBundles(master_commit(), make_settings(tmp_path), Wheels(tmp_path, has_any=False))
    _, packed = parts(bundles.bundle(make_slave(), RUNTIME))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert archive.getnames() == ["source.tar.gz"]
    other = AgentRuntime("aarch64", "glibc", (3, 11))
    with pytest.raises(BuildFailed, match="no wheels"):
        bundles.bundle(make_slave(strategy=StrategyName.DOCKER), other)


def test_a_clock_that_goes_back_makes_no_release_look_older(tmp_path: Path) -> None:
    settings, slave, wheels = make_settings(tmp_path), make_slave(), Wheels(tmp_path)
    key, last = ReleaseSigner(settings.data_dir / "pki").public_key, 0.0
    for now in (5000.0, 1000.0, 1000.0, 6000.0):
        bundles = ReleaseBundles(master_commit(), settings, wheels, now=lambda at=now: at)  # type: ignore[misc]
        manifest = read_head(parts(bundles.bundle(slave, RUNTIME))[0], key)
        check_manifest(manifest, slave.machine_id, last)
        last = manifest.issued
    assert last == 6000.0


def test_the_key_is_private_and_stays(tmp_path: Path) -> None:
    signer = ReleaseSigner(tmp_path / "pki")
    assert signer.public_key == ReleaseSigner(tmp_path / "pki").public_key
    assert (tmp_path / "pki" / "d8-releases.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700
