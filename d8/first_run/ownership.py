"""What root makes in somebody's folder belongs to that somebody: `sudo` once must not lock the operator out later."""

from __future__ import annotations

import os
from pathlib import Path


def give_to_owner(path: Path) -> None:
    """Given a file or folder that was just made, give it, with all that is in it, to the owner of the folder above."""
    if os.name == "nt" or os.geteuid() != 0:
        return
    above = path.parent.stat()
    if above.st_uid == 0:
        return
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.lchown(Path(folder) / name, above.st_uid, above.st_gid)
    os.lchown(path, above.st_uid, above.st_gid)
