"""The credential store in the state folder: read and checked at start, changed by enrol and confirm, each in one
rename.

What a token or a certificate is lives in token_hashes.py and certificates.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import ssl
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from slave_agent.certificates import prove, server_context
from slave_agent.durable_files import write_atomically
from slave_agent.errors import CredentialsError
from slave_agent.models import Credential, CredentialSet, Enrolment, JsonObject, OfferedKeyPair
from slave_agent.states import CredentialKind
from slave_agent.token_hashes import problem_with_hash

STORE_NAME = "credentials.json"
_LOOK_AT_DISK = "Look at the disk of this slave."
_BUILD_AGAIN = "Build this slave again from the master (option 11)."


class CredentialStore:
    """The credentials in force. Given the state folder and whether the agent speaks TLS; `load` reads and checks them
    all.

    `on_new_certificate` is called with the credential whose certificate new connections must see, after it is on
    disk.
    """

    def __init__(self, state_dir: Path, needs_certificates: bool) -> None:
        self._state_dir = state_dir
        self._needs_certificates = needs_certificates
        self._credentials: CredentialSet | None = None
        self._change = threading.Lock()
        self.on_new_certificate: Callable[[Credential], None] = lambda _credential: None

    @property
    def path(self) -> Path:
        """Where the store is."""
        return self._state_dir / STORE_NAME

    @property
    def credentials(self) -> CredentialSet:
        """What is in force now. Raises CredentialsError before `load`."""
        if self._credentials is None:
            raise CredentialsError("the credentials were not loaded yet", _BUILD_AGAIN)
        return self._credentials

    def load(self) -> CredentialSet:
        """Read the store. Raises CredentialsError with every problem: missing, open to others, sample token,
        unreadable key.
        """
        problems = _access_problems(self._state_dir)
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            problems.append(f"{self.path} can't be read: {error}")
            raise CredentialsError(_sentence(problems), _BUILD_AGAIN) from error
        problems += _access_problems(self.path)
        found = self._read(document, problems)
        if found is None or problems:
            raise CredentialsError(_sentence(problems), _BUILD_AGAIN)
        self._credentials = found
        return found

    def enrol(self, enrolment: Enrolment) -> str | None:
        """Given an enrolment, accept its token beside the current one and present its certificate; return its
        fingerprint, None without TLS.

        Everything is proved before anything is replaced. Raises CredentialsError, and then nothing has changed.
        Repeating an enrolment is the same as doing it once.
        """
        if (problem := problem_with_hash(enrolment.token_sha256)) is not None:
            raise CredentialsError(f"token_sha256 {problem}", "Send the SHA-256 of a random token.")
        with self._change:
            before = self.credentials
            offered = self._credential_of(enrolment)
            try:
                presented = self._prove(offered, enrolment.key_pair)
                if offered != before.newest:
                    after = CredentialSet(before.current, offered, enrolment.slave_id, enrolment.begins_anew)
                    self._replace(before, after)
            finally:
                self._remove_unused_files()
        return presented

    def confirm(self, presented: Credential) -> None:
        """Given the credential that the request was opened with, make it the only one: every older token is dead
        afterwards.

        Raises CredentialsError if nothing was enrolled, or if the token is not the newest. Repeating it changes
        nothing.
        """
        with self._change:
            self._confirm(presented)
            self._remove_unused_files()

    def revoke(self) -> None:
        """Let no token open the door any more; the certificate stays. Raises CredentialsError, and then nothing has
        changed. Only a new installation lets somebody in again.
        """
        with self._change:
            before = self.credentials
            nobody = hashlib.sha256(secrets.token_bytes(32)).hexdigest()
            closed = replace(before.newest, token_sha256=nobody, kind=CredentialKind.AGENT)
            self._replace(before, CredentialSet(closed, None, before.slave_id))
            self._remove_unused_files()

    def _confirm(self, presented: Credential) -> None:
        before = self.credentials
        if before.newest.kind is not CredentialKind.AGENT:
            raise CredentialsError("nothing was enrolled yet", "Enrol first (POST /api/agent/enroll).")
        if presented.token_sha256 != before.newest.token_sha256:
            raise CredentialsError("only the newest token can confirm", "Use the token that was enrolled last.")
        if before.pending is not None:
            self._replace(before, CredentialSet(before.pending, None, before.slave_id))

    def _prove(self, offered: Credential, key_pair: OfferedKeyPair | None) -> str | None:
        if key_pair is None:
            if self._needs_certificates:
                raise CredentialsError("this agent speaks TLS: it needs a certificate", "Send one with its key and CA.")
            return None
        self._write_key_pair(offered, key_pair)
        return prove(context_of(offered), key_pair.ca_certificate)

    def _credential_of(self, enrolment: Enrolment) -> Credential:
        """The files are named after their content, so that no enrolment ever overwrites files in use."""
        pair = enrolment.key_pair
        if pair is None:
            return Credential(enrolment.token_sha256, None, None, CredentialKind.AGENT)
        content = hashlib.sha256((pair.certificate + pair.private_key).encode()).hexdigest()[:16]
        stem = str(self._state_dir / "tls" / f"agent-{content}")
        return Credential(enrolment.token_sha256, Path(stem + ".crt"), Path(stem + ".key"), CredentialKind.AGENT)

    def _replace(self, before: CredentialSet, after: CredentialSet) -> None:
        self._save(after)
        try:
            if after.newest != before.newest:
                self.on_new_certificate(after.newest)
        except CredentialsError:
            self._save(before)
            raise
        self._credentials = after

    def _save(self, credentials: CredentialSet) -> None:
        try:
            write_atomically(self.path, json.dumps(self._document(credentials), indent=2).encode())
        except OSError as error:
            raise CredentialsError(f"{self.path} can't be written: {error}", _LOOK_AT_DISK) from error

    def _write_key_pair(self, offered: Credential, key_pair: OfferedKeyPair) -> None:
        contents = ((offered.certificate, key_pair.certificate), (offered.private_key, key_pair.private_key))
        try:
            (self._state_dir / "tls").mkdir(mode=0o700, exist_ok=True)
            for path, text in contents:
                if path is not None and not path.exists():  # named after its content: what exists is the same
                    write_atomically(path, text.encode())
        except OSError as error:
            raise CredentialsError(f"the certificate can't be written: {error}", _LOOK_AT_DISK) from error

    def _remove_unused_files(self) -> None:
        """Keys that no credential names any more don't stay on the disk, the installer's included."""
        used = {
            path
            for credential in self.credentials.accepted
            for path in (credential.certificate, credential.private_key)
        }
        for path in (self._state_dir / "tls").glob("*"):
            if path not in used:
                path.unlink(missing_ok=True)

    def _read(self, document: Any, problems: list[str]) -> CredentialSet | None:
        if not isinstance(document, dict) or not isinstance(document.get("slave_id"), str):
            problems.append(f"{self.path} must hold one JSON object with slave_id, current and pending")
            return None
        current = self._read_credential(document.get("current"), "current", problems)
        has_pending = document.get("pending") is not None
        pending = self._read_credential(document["pending"], "pending", problems) if has_pending else None
        begins_anew = pending is not None and document.get("begins_anew") is True
        return None if current is None else CredentialSet(current, pending, document["slave_id"], begins_anew)

    def _read_credential(self, fields: Any, name: str, problems: list[str]) -> Credential | None:
        if not isinstance(fields, dict):
            problems.append(f"{self.path} has no {name} credential")
            return None
        if (problem := problem_with_hash(fields.get("token_sha256"))) is not None:
            problems.append(f"token_sha256 of the {name} credential {problem}")
        if fields.get("kind") not in list(CredentialKind):
            problems.append(f"kind of the {name} credential must be one of {', '.join(CredentialKind)}")
            return None
        certificate, key = self._path(fields.get("certificate")), self._path(fields.get("private_key"))
        if self._needs_certificates:
            problems += _key_pair_problems(certificate, key, name)
        return Credential(str(fields.get("token_sha256")), certificate, key, CredentialKind(fields["kind"]))

    def _path(self, value: Any) -> Path | None:
        return self._state_dir / value if isinstance(value, str) and value else None

    def _document(self, credentials: CredentialSet) -> JsonObject:
        return {
            "slave_id": credentials.slave_id,
            "current": _fields(credentials.current),
            "pending": None if credentials.pending is None else _fields(credentials.pending),
            **({"begins_anew": True} if credentials.begins_anew else {}),
        }


def _fields(credential: Credential) -> JsonObject:
    return {
        "token_sha256": credential.token_sha256,
        "certificate": None if credential.certificate is None else str(credential.certificate),
        "private_key": None if credential.private_key is None else str(credential.private_key),
        "kind": credential.kind,
    }


def context_of(credential: Credential) -> ssl.SSLContext:
    """Given a credential, return a context that presents its certificate. Raises CredentialsError if that can't be."""
    if credential.certificate is None or credential.private_key is None:
        raise CredentialsError("this credential has no certificate or no private key", _BUILD_AGAIN)
    return server_context(credential.certificate, credential.private_key)


def _key_pair_problems(certificate: Path | None, private_key: Path | None, name: str) -> list[str]:
    if certificate is None or private_key is None:
        return [f"the {name} credential has no certificate or no private key"]
    problems = _access_problems(private_key)
    try:
        server_context(certificate, private_key)
    except CredentialsError as error:
        problems.append(error.message)
    return problems


def _access_problems(path: Path) -> list[str]:
    """What lets somebody else read or change this file or folder."""
    try:
        status = path.stat()
    except OSError as error:
        return [f"{path} can't be looked at: {error.strerror}"]
    problems = []
    if stat.S_IMODE(status.st_mode) & 0o077:
        problems.append(f"{path} is open to others, mode {stat.S_IMODE(status.st_mode):04o} (chmod go= {path})")
    if status.st_uid not in (os.geteuid(), 0):
        problems.append(
            f"{path} belongs to user number {status.st_uid}, not to the one that the agent runs as ({os.geteuid()})"
        )
    return problems


def _sentence(problems: list[str]) -> str:
    return "the credentials can't be used:\n" + "\n".join(f"  - {problem}" for problem in dict.fromkeys(problems))
