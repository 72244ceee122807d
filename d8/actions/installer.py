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
from d8.fleet import trust
from d8.fleet.connection import PLAIN
from d8.installers.generator import write_batch_installer, write_installer
from d8.messages import Message, message
from d8.models import Credential, CredentialKind, Installer
from d8.settings import Settings

WINDOWS_RUNS_COMMANDS = message(
    "Windows: the master can run commands there, but a build refuses (the agent needs systemd); WSL 2 is the way. "
    "The .bat was never run on a real Windows."
)


class Platform(StrEnum):
    """For which slaves an installer is wanted."""

    LINUX = "linux"
    WINDOWS = "windows"
    ALL = "all"


@dataclass(frozen=True)
class InstallerMade:
    """The written scripts and how a slave that runs it is recognised; fingerprint and pin are None without TLS."""

    sh: Path | None
    bat: Path | None
    fingerprint: str | None
    pin: str | None
    expires: datetime
    master_address: str
    port: int
    warnings: tuple[Message, ...]

    @property
    def script(self) -> Path:
        """The script that was written: the .sh where there is one, else the .bat."""
        written = self.sh or self.bat
        assert written is not None, "an installer is written for at least one platform"  # noqa: S101
        return written

    def as_json(self) -> dict[str, Any]:
        """Return the object of `installer --json`."""
        return {
            "sh": str(self.sh) if self.sh else None,
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
    """Given when, for which platform and where (D8_INSTALLER_DIR), write the install scripts (0600) and return them.

    The master remembers the credential before the file exists: a script in the world is always a known one.
    Raises D8Error where the master's address is unknown.
    """
    settings = workplace.settings
    installer = mint(settings, now, privilege)
    credential = Credential(
        CredentialKind.INSTALLER,
        installer.fingerprint if installer.tls else PLAIN + installer.installer_id,
        installer.token,
        expires=installer.expires,
    )
    workplace.registry.save_credential(credential, now)
    place = folder or settings.installer_dir
    sh = write_installer(installer, place, now) if platform is not Platform.WINDOWS else None
    bat = write_batch_installer(installer, place, now) if platform is not Platform.LINUX else None
    written = ", ".join(str(path) for path in (sh, bat) if path)
    workplace.registry.record("installer", installer.installer_id, written)
    return InstallerMade(
        sh=sh,
        bat=bat,
        fingerprint=installer.fingerprint if installer.tls else None,
        pin=installer.pin if installer.tls else None,
        expires=installer.expires,
        master_address=installer.master_address,
        port=installer.port,
        warnings=(*settings_warnings(settings), *([WINDOWS_RUNS_COMMANDS] if bat else [])),
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
