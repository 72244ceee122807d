"""What the menu offers again: the address that was typed last."""

from __future__ import annotations

import json
from pathlib import Path

from d8.files import private_folder, write_private

FILE = "menu.json"


def last_host(data_dir: Path) -> str:
    """Given the data folder, return the address of the last build, empty when there was none."""
    try:
        document = json.loads((data_dir / FILE).read_text())
    except (OSError, ValueError):
        return ""
    host = document.get("last_host") if isinstance(document, dict) else None
    return host if isinstance(host, str) else ""


def remember_host(data_dir: Path, host: str) -> None:
    """Given the data folder and an address, offer it the next time."""
    write_private(private_folder(data_dir) / FILE, json.dumps({"last_host": host}) + "\n")
