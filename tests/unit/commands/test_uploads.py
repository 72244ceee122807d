"""What was sent to a slave, and what is taken away of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from d8.commands import uploads


def test_what_was_sent_and_unpacked_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in ("source.tar.gz", "image-0-wheels.tar", "somebody else's"):
        (tmp_path / name).touch()
    for folder in ("image-0-wheels", "uv-cache"):
        (tmp_path / folder / "deep").mkdir(parents=True)
    (tmp_path / "uv").touch()
    sent = [f"{tmp_path}/source.tar.gz", f"{tmp_path}/image-0-wheels.tar", f"{tmp_path}/never-there"]
    subprocess.run(uploads.remove(sent).line, shell=True, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["somebody else's"]
