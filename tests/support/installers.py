"""Installers for tests, made without the master's fleet CA."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from d8.models import Installer, KeyPair
from tests.support.pki import CertificateAuthority

NAUGHTY_TOKENS = [
    "plain-token_0123456789",
    "quotes ' \" ` and \\ backslash",
    "$HOME ${x} $(id) %s %d !! !a",
    "señal Å ß 漢字 🤖",
    "semi;colon & pipe | <in >out * ? [x] {y} ~ #",
    "=+/===__D8_END",
]


def public_pin(certificate: str) -> str:
    """The pin of the public key, as curl takes it."""
    key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return "sha256//" + base64.b64encode(digest).decode()


def make_installer(**overrides: Any) -> Installer:
    """An installer for loopback that is valid for a week, unless overridden."""
    pair = CertificateAuthority().issue()
    now = datetime.datetime.now(datetime.UTC)
    installer = Installer(
        installer_id="installer-1",
        token="installer-token",
        key_pair=KeyPair(pair.certificate, pair.private_key),
        fingerprint=pair.fingerprint,
        pin=public_pin(pair.certificate),
        created=now,
        expires=now + datetime.timedelta(days=7),
        master_address="192.168.4.25:7600",
        port=7600,
        bind="127.0.0.1",
        privilege="none",
        language="en",
    )
    return dataclasses.replace(installer, **overrides)
