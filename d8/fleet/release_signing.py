"""The key that the fleet's releases are signed with: one Ed25519 key in pki/, apart from the authority's own.

Slaves get its public half when they are built, and take no update that it did not sign.
"""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from d8.files import locked, private_folder, write_private


class ReleaseSigner:
    """Signs releases. Given the folder pki/; the key is made at first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "d8-releases.key"
        self._issued = folder / "d8-releases.issued"

    @property
    def public_key(self) -> str:
        """The public half as slaves keep it: 32 bytes in base64."""
        raw = self._key().public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return base64.b64encode(raw).decode()

    def sign(self, text: str) -> str:
        """Given a text, return its signature in base64."""
        return base64.b64encode(self._key().sign(text.encode())).decode()

    def time_of_issue(self, now: float) -> float:
        """Given the time (Unix seconds), return it, or a moment after the last one where the master's clock went back.

        A slave takes nothing that was signed before what it took last, so that no recording passes for an update.
        """
        with locked(private_folder(self._folder) / ".lock"):
            issued = max(now, self._last_issued() + 0.001)
            write_private(self._issued, repr(issued))
        return issued

    def _last_issued(self) -> float:
        try:
            return float(self._issued.read_text())
        except (OSError, ValueError):
            return 0.0

    def _key(self) -> Ed25519PrivateKey:
        if not self._path.exists():
            with locked(private_folder(self._folder) / ".lock"):
                if not self._path.exists():
                    self._make()
        key = serialization.load_pem_private_key(self._path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError(f"{self._path} is not an Ed25519 key")
        return key

    def _make(self) -> None:
        private = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_private(self._path, private.decode())
