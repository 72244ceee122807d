"""The verb `update --wait`: an accepted release is unpacked, prepared, laid out and tried beside the one that runs.

From `prepare` on the release's own code does the work, as in every other installation; this is only who calls it.
"""

from __future__ import annotations

import errno
import json
import shutil
import tarfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import read_json, remove_tree, write_json
from slave_agent.activation.incoming import FAILED, STAGED, incoming_folder, open_incoming, state_file, update_state
from slave_agent.activation.manifest import Manifest
from slave_agent.activation.record import Record
from slave_agent.activation.retreat import has_release, release_answers_again
from slave_agent.activation.states import Phase

PREPARE_SECONDS = 1800.0
VERB_SECONDS = 150.0
NEEDED_BYTES = 250 * 1024 * 1024
SOURCE, WHEELS = "source.tar.gz", "wheels"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
ALL_WHEELS = "all-are-here"  # so named by d8/build/release_bundle.py


def work_on_update(activation: Activation) -> dict[str, Any]:
    """Bring the accepted release as far as `stage`; how it ended is in the status too. Raises ActivationError."""
    with activation.store.updating() as is_ours:
        if not is_ours:
            raise ActivationError("Another update is being prepared.", "Wait for its end; ask with status.")
        manifest = None
        try:
            manifest, packed = open_incoming(activation.layout)
            _bring_to_stage(activation, manifest, packed)
            _note(activation, STAGED, None)
        except Exception as problem:  # whatever it is, it is told, and nothing of the release stays
            error = _as_activation_error(problem)
            with suppress(OSError):
                _note(activation, FAILED, error)
            _tidy_up(activation, manifest)
            _note(activation, FAILED, error)  # where there was no room for it before, there is now
            raise error from problem
        remove_tree(incoming_folder(activation.layout))
        return {"staged": True, "commit": manifest.commit}


def _bring_to_stage(activation: Activation, manifest: Manifest, packed: Path) -> None:
    layout, record = activation.layout, activation.store.load()
    release, current = layout.release(manifest.commit), layout.current.resolve()
    if not (manifest.commit == record.previous_commit and has_release(activation, manifest.commit)):
        free = shutil.disk_usage(layout.opt).free
        if free < NEEDED_BYTES:
            raise ActivationError(
                f"{layout.opt} has {free // 2**20} MB left, and a release needs {NEEDED_BYTES // 2**20} MB.",
                "Free some space there.",
            )
        unpacked = incoming_folder(layout) / "unpacked"
        _unpack(packed, unpacked)
        remove_tree(release)
        _unpack(unpacked / SOURCE, release)
        shutil.copy2(release / "slave_agent/activation/d8-activate", release / "d8-activate")
        about = read_json(current / "release.json") if (current / "release.json").exists() else {}
        wanted = {
            "commit": manifest.commit,
            "branch": manifest.branch,
            "runtime": about.get("runtime", "venv"),
            "python": about.get("python") or layout.python,
            "wheels": str(unpacked / WHEELS) if (unpacked / WHEELS).is_dir() else None,
            "base_image": manifest.base_image,
            "asks_index_too": not (unpacked / WHEELS / ALL_WHEELS).exists(),
        }
        _call(activation, release, "prepare", wanted, PREPARE_SECONDS)
    known = read_json(current / "agent.json")
    _call(activation, release, "install", _settings(record, manifest, release, known), VERB_SECONDS)
    _call(activation, release, "stage", None, VERB_SECONDS)


def _settings(record: Record, manifest: Manifest, release: Path, known: dict[str, Any]) -> dict[str, Any]:
    """What the new release is told: what the one that runs was told."""
    return {
        "scope": record.scope.value,
        "port": record.port,
        "bind": record.bind,
        "tls": record.tls,
        "slave_id": record.slave_id,
        "release": str(release),
        "commit": manifest.commit,
        "branch": manifest.branch,
        "bootstrap": None,
        "rescue": None,
        "confirm_timeout_seconds": manifest.confirm_timeout_seconds,
        "allowed_hosts": known.get("allowed_hosts", []),
        "language": known.get("language", "es"),
    }


def _call(activation: Activation, release: Path, verb: str, document: Any, seconds: float) -> None:
    argv = [activation.layout.python, "-I", str(release / "d8-activate"), verb]
    stdin = "" if document is None else json.dumps(document)
    finished = activation.runner.run(argv, stdin=stdin, timeout_seconds=seconds)
    try:
        answer = json.loads(finished.stdout)
    except ValueError:
        raise ActivationError(f"{verb} gave no answer: {finished.reason}", "Look at the disk of this slave.") from None
    if "error" in answer:
        said = answer["error"]
        raise ActivationError(f"{verb}: {said}", str(answer.get("hint", "")))


def _unpack(packed: Path, target: Path) -> None:
    """Only plain files and folders, and only below the target."""
    remove_tree(target)
    target.mkdir(parents=True, mode=0o755)
    with tarfile.open(packed) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
                raise ActivationError(f"The release holds {member.name!r}, which is no plain file.", "Send it again.")
            if member.isdir():
                (target / path).mkdir(parents=True, exist_ok=True)
                continue
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            source = archive.extractfile(member)
            with (target / path).open("wb") as stream:
                if source is not None:
                    shutil.copyfileobj(source, stream)
            (target / path).chmod(0o755 if member.mode & 0o100 else 0o644)


def _as_activation_error(problem: Exception) -> ActivationError:
    if isinstance(problem, ActivationError):
        return problem
    if isinstance(problem, OSError) and problem.errno in NO_ROOM:
        return ActivationError(str(problem), "Free some disk.")
    return ActivationError(f"The release can't be used: {problem!r}", "Look at the disk of this slave; send it again.")


def _note(activation: Activation, state: str, problem: ActivationError | None) -> None:
    known = update_state(activation.layout) or {}
    reason = {"reason": problem.message if problem else None, "hint": problem.hint if problem else None}
    write_json(state_file(activation.layout), {**known, "state": state, **reason})


def _tidy_up(activation: Activation, manifest: Manifest | None) -> None:
    """The release that runs is what is recorded again; of the new one nothing stays."""
    remove_tree(incoming_folder(activation.layout))
    record = activation.store.load()
    if record.phase in (Phase.INSTALLED, Phase.STAGED):
        release_answers_again(activation, [Phase.INSTALLED, Phase.STAGED], "an update came to nothing")
    if manifest is not None and manifest.commit not in (record.confirmed_commit, record.previous_commit):
        remove_tree(activation.layout.release(manifest.commit))
