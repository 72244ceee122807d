"""The cache of images: each built once, in a folder with a temporary name that is renamed when it is whole."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.lab import machine, undo
from tests.lab.errors import LabError
from tests.lab.recipes import Image, lineage

BUILD_TIMEOUT_SECONDS = 1800
# The build dies with the lab, its mounts and processes die with the build: they live in namespaces of its own.
IN_NAMESPACES = (
    "setpriv", "--pdeathsig", "KILL",
    "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
)  # fmt: skip

BUILD_LAYER = r"""
set -eu
lower=$1 build=$2; shift 2
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$build/tree,workdir=$build/work" "$build/root"
mount -t proc proc "$build/root/proc"
mount --rbind /dev "$build/root/dev"
mount -t tmpfs tmpfs "$build/root/tmp"
mount -t tmpfs tmpfs "$build/root/run"
[ -e "$build/root/etc/resolv.conf" ] || touch "$build/root/etc/resolv.conf"
mount --bind /etc/resolv.conf "$build/root/etc/resolv.conf"
cp "$build/inside.sh" "$build/root/tmp/inside.sh"
exec chroot "$build/root" /usr/bin/env -i \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    LC_ALL=C DEBIAN_FRONTEND=noninteractive \
    /bin/sh -eu /tmp/inside.sh "$@"
"""

PACKAGES_SCRIPT = r"""
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
if [ $# -gt 0 ]; then
    apt-get -q update
    apt-get -q -y --no-install-recommends install "$@"
fi
"""
CLEAN_SCRIPT = r"""
rm -f /usr/sbin/policy-rc.d
apt-get clean
find /var/lib/apt/lists -mindepth 1 -delete
"""

Say = Callable[[str], None]


def ensure(image: Image, cache: Path, say: Say) -> list[Path]:
    """Given a recipe, return the folders of its layers, the topmost first, having built those that are missing.

    `say` is told what takes time. Raises LabError where a build fails; nothing half-made is ever taken for whole.
    """
    layers = lineage(image)
    trees = [tree_of(layer, cache) for layer in layers]
    if all(tree.is_dir() for tree in trees):
        return trees
    with _builder_lock(cache):
        _remove_leftovers(cache)
        for layer in reversed(layers):
            if not tree_of(layer, cache).is_dir():
                say(f"building the image {layer.name}, kept in {cache}")
                _build(layer, cache)
                _remove_outdated(layer, cache)
    return trees


def tree_of(image: Image, cache: Path) -> Path:
    """Return where the image's files are once it is built."""
    return cache / "images" / image.folder_name / "tree"


def _build(image: Image, cache: Path) -> None:
    build = cache / "building" / image.folder_name
    build.mkdir(parents=True)
    try:
        if image.parent is None:
            _bootstrap(image, build, cache)
        else:
            _add_layer(image, build, cache)
    except BaseException:
        shutil.rmtree(build, ignore_errors=True)
        raise
    for scaffold in ("work", "root"):
        shutil.rmtree(build / scaffold, ignore_errors=True)
    (build / "inside.sh").unlink(missing_ok=True)
    build.rename(cache / "images" / image.folder_name)


def _bootstrap(image: Image, build: Path, cache: Path) -> None:
    downloads = cache / "downloads" / image.suite
    downloads.mkdir(parents=True, exist_ok=True)
    command = [
        "debootstrap", "--variant=minbase", f"--cache-dir={downloads}", f"--include={','.join(image.packages)}",
        image.suite, str(build / "tree"), *([image.mirror] if image.mirror else []),
    ]  # fmt: skip
    _run_build(image, command)


def _add_layer(image: Image, build: Path, cache: Path) -> None:
    for name in ("tree", "work", "root"):
        (build / name).mkdir()
    for path, text in image.files:
        file = build / "tree" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    inside = build / "inside.sh"
    inside.write_text("\n".join([PACKAGES_SCRIPT, image.script, CLEAN_SCRIPT]))
    lower = ":".join(str(tree_of(parent, cache)) for parent in lineage(image)[1:])
    script = ["sh", "-c", BUILD_LAYER, "build-layer", lower, str(build), *image.packages]
    _run_build(image, script)


def _run_build(image: Image, command: Sequence[str]) -> None:
    outcome = machine.run([*IN_NAMESPACES, *command], timeout_seconds=BUILD_TIMEOUT_SECONDS, check=False)
    if not outcome.is_success:
        words = (outcome.stderr.strip() or outcome.stdout.strip())[-1500:]
        raise LabError(f"the image {image.name} can't be built, exit code {outcome.returncode}: {words}")


def _remove_leftovers(cache: Path) -> None:
    """Delete what a killed build left: the lock is ours, so nobody is building."""
    undo.remove_folder(cache / "building")
    (cache / "images").mkdir(parents=True, exist_ok=True)


def _remove_outdated(image: Image, cache: Path) -> None:
    """Delete older makings of the image, unless a host stands on one."""
    in_use = Path("/proc/self/mountinfo").read_text()
    for folder in (cache / "images").glob(f"{image.name}-{'[0-9a-f]' * 12}"):
        if folder.name != image.folder_name and folder.name not in in_use:
            undo.remove_folder(folder)


@contextlib.contextmanager
def _builder_lock(cache: Path) -> Iterator[None]:
    """One build at a time. The lock is on the folder itself, and the kernel lets go of it when its holder dies."""
    cache.mkdir(parents=True, exist_ok=True)
    with locked_folder(cache):
        yield


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold the folder for oneself; waits for whoever holds it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def in_cache(cache: Path) -> list[str]:
    """Return the names of the images that are there, whole."""
    return sorted(path.parent.name for path in (cache / "images").glob("*/tree"))
