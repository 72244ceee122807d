"""What an install script says of its installer, the same on every platform. Pure."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from d8.models import Installer


def configuration(installer: Installer) -> dict[str, object]:
    """Return the config.json of a bootstrap: of the token only its digest, everything else as the installer says."""
    return {
        "installer_id": installer.installer_id,
        "token_sha256": hashlib.sha256(installer.token.encode("utf-8")).hexdigest(),
        "bind": installer.bind,
        "port": installer.port,
        "master": installer.master_address,
        "tls": installer.tls,
        "certificate": "server.crt",
        "private_key": "server.key",
        "expires": installer.expires.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "privilege": installer.privilege,
        "language": installer.language,
        "work_dir": "work",
        "commit": None,
    }


def shown(moment: datetime) -> str:
    """Return a moment as people read it, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
