"""The fleet's own certificate authority, and the secrets of installers, agents and rescue servers. Knows no network.

The master keeps the authority's key in pki/ (0700, files 0600); slaves get certificates, never the authority's key.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from d8.errors import D8Error
from d8.files import locked, private_folder, write_private
from d8.models import KeyPair

AUTHORITY_DAYS = 3650
AGENT_DAYS = 397
BACKDATED = timedelta(days=1)  # slaves without a battery-backed clock lag behind


def new_token() -> str:
    """Return a fresh bearer token: 256 bits, safe in a URL, a header and a shell."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Given a token, return what a slave stores instead of it: the hex SHA-256 of its UTF-8 bytes."""
    return hashlib.sha256(token.encode()).hexdigest()


def fingerprint(certificate: str | bytes) -> str:
    """Given a certificate as PEM text or DER bytes, return the hex SHA-256 of the DER."""
    der = certificate if isinstance(certificate, bytes) else _load(certificate).public_bytes(serialization.Encoding.DER)
    return hashlib.sha256(der).hexdigest()


def ends_of(certificate: str) -> datetime:
    """Given a PEM certificate, return when it ends (UTC)."""
    return _load(certificate).not_valid_after_utc


def public_key_pin(certificate: str) -> str:
    """Given a PEM certificate, return the pin of its public key as `curl --pinnedpubkey` takes it: sha256//BASE64."""
    public = _load(certificate).public_key()
    data = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "sha256//" + base64.b64encode(hashlib.sha256(data).digest()).decode()


def self_signed(common_name: str, now: datetime, lifetime: timedelta) -> KeyPair:
    """Given a name and a lifetime, return a key pair that signs itself: for an installer, pinned by the master."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(common_name, common_name, key.public_key(), key.public_key(), now, lifetime)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    return _key_pair(builder.sign(key, hashes.SHA256()), key)


class FleetAuthority:
    """The fleet's certificate authority in a folder; made at first use. Given the folder and a clock."""

    def __init__(self, folder: Path, now: datetime | None = None) -> None:
        self._folder = folder
        self._now = now
        self.certificate_path = folder / "d8-ca.pem"
        self._key_path = folder / "d8-ca.key"

    @property
    def certificate(self) -> str:
        """The authority's certificate, PEM; what curl and browsers are given."""
        if not self.certificate_path.exists():
            self._ensure()
        return self.certificate_path.read_text()

    @property
    def expires(self) -> datetime | None:
        """When the authority's certificate ends; None before it was made."""
        path = self.certificate_path
        return _load(path.read_text()).not_valid_after_utc if path.exists() else None

    @property
    def has_lost_its_key(self) -> bool:
        """Whether the certificate is there, but not the key that it signs with."""
        return self.certificate_path.exists() and not self._key_path.exists()

    def issue(self, common_name: str, hosts: list[str]) -> KeyPair:
        """Given a slave's name and all addresses and names by which it is reached, return its certificate and key."""
        self._ensure()
        authority = _load(self.certificate_path.read_text())
        signer = self._key()
        if signer.public_key() != authority.public_key():
            raise D8Error(
                "the fleet's certificate and its key do not belong together: {path}",
                "Put pki/ back from one and the same backup.",
                path=self._key_path,
            )
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = str(authority.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        builder = (
            _builder(
                common_name, issuer, key.public_key(), signer.public_key(), self._clock(), timedelta(days=AGENT_DAYS)
            )
            .add_extension(x509.SubjectAlternativeName([_san(host) for host in dict.fromkeys(hosts)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        )
        return _key_pair(builder.sign(signer, hashes.SHA256()), key)

    def _key(self) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key(self._key_path.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self._key_path} is not an elliptic curve key")
        return key

    def _clock(self) -> datetime:
        return self._now or datetime.now(UTC)

    def _ensure(self) -> None:
        """Make the authority if there is none; of several who come at once, threads or processes, one does it.

        What is there is never replaced. Raises D8Error where only the certificate is.
        """
        if self._is_there():
            return
        with locked(private_folder(self._folder) / ".lock"):
            if self.has_lost_its_key:
                raise D8Error(
                    "the fleet's certificate is there, but not its key: {path}",
                    "Put pki/ back from a backup. Is the key gone for good: remove {certificate}, then give each slave "
                    "a new certificate: start_d8.py trust --all rotate",
                    path=self._key_path,
                    certificate=self.certificate_path,
                )
            if not self._is_there():
                self._make()

    def _is_there(self) -> bool:
        return self.certificate_path.exists() and self._key_path.exists()

    def _make(self) -> None:
        key = self._key() if self._key_path.exists() else ec.generate_private_key(ec.SECP256R1())
        name = f"D8 fleet {secrets.token_hex(4)}"
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        builder = (
            _builder(name, name, key.public_key(), key.public_key(), self._clock(), timedelta(days=AUTHORITY_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
        )
        pair = _key_pair(builder.sign(key, hashes.SHA256()), key)
        write_private(self._key_path, pair.private_key)
        write_private(self.certificate_path, pair.certificate)


def _builder(
    subject: str,
    issuer: str,
    public_key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject[:64])]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer[:64])]))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _key_pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode())


def _san(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _load(certificate: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.encode())
