"""Option 10: mints an installer's secrets, remembers them, then writes the script that carries them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from d8.actions.advice import settings_warnings
from d8.actions.master_address import master_address
from d8.actions.workplace import Workplace
from d8.errors import Refused
from d8.fleet import trust
from d8.fleet.connection import PLAIN
from d8.installers.generator import write_installer
from d8.messages import Message, message
from d8.models import Credential, CredentialKind, Installer
from d8.settings import Settings

ONLY_LINUX = message("Windows is not available in this version: only the .sh was written.")


class Platform(StrEnum):
    """For which slaves an installer is wanted."""

    LINUX = "linux"
    WINDOWS = "windows"
    ALL = "all"


@dataclass(frozen=True)
class InstallerMade:
    """The written script and how a slave that runs it is recognised; fingerprint and pin are None without TLS."""

    sh: Path
    bat: Path | None
    fingerprint: str | None
    pin: str | None
    expires: datetime
    master_address: str
    port: int
    warnings: tuple[Message, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the object of `installer --json`."""
        return {
            "sh": str(self.sh),
            "bat": str(self.bat) if self.bat else None,
            "fingerprint": self.fingerprint,
            "pin": self.pin,
            "expires": self.expires.isoformat(),
        }


def make_installer(
    workplace: Workplace,
    now: datetime,
    platform: Platform = Platform.LINUX,
    privilege: str = "auto",
    folder: Path | None = None,
) -> InstallerMade:
    """Given when, for which platform and where (D8_INSTALLER_DIR), write an install script (0600) and return it.

    The master remembers the credential before the file exists: a script in the world is always a known one.
    Raises Refused for Windows, D8Error where the master's address is unknown.
    """
    if platform is Platform.WINDOWS:
        raise Refused(
            "installers for Windows are not available in this version",
            "Use Linux, or WSL on Windows: wsl --install, then the .sh inside it.",
        )
    settings = workplace.settings
    installer = mint(settings, now, privilege)
    credential = Credential(
        CredentialKind.INSTALLER,
        installer.fingerprint if installer.tls else PLAIN + installer.installer_id,
        installer.token,
        expires=installer.expires,
    )
    workplace.registry.save_credential(credential, now)
    path = write_installer(installer, folder or settings.installer_dir, now)
    workplace.registry.record("installer", installer.installer_id, str(path))
    return InstallerMade(
        sh=path,
        bat=None,
        fingerprint=installer.fingerprint if installer.tls else None,
        pin=installer.pin if installer.tls else None,
        expires=installer.expires,
        master_address=installer.master_address,
        port=installer.port,
        warnings=(*settings_warnings(settings), *([ONLY_LINUX] if platform is Platform.ALL else [])),
    )


def mint(settings: Settings, now: datetime, privilege: str = "auto") -> Installer:
    """Given the settings, return a new installer: its own token and key pair, valid for D8_INSTALLER_DAYS."""
    lifetime = timedelta(days=settings.installer_days)
    installer_id = f"{now:%Y%m%d%H%M%S}-{secrets.token_hex(4)}"
    pair = trust.self_signed(f"d8-installer-{installer_id}", now, lifetime)
    return Installer(
        installer_id=installer_id,
        token=settings.slave_auth_token or trust.new_token(),
        key_pair=pair,
        fingerprint=trust.fingerprint(pair.certificate),
        pin=trust.public_key_pin(pair.certificate),
        created=now,
        expires=(now + lifetime).replace(microsecond=0),
        master_address=master_address(settings.master_address),
        port=settings.slave_port,
        tls=settings.tls,
        bind=settings.slave_bind,
        privilege=privilege,
        language=settings.language,
    )
