"""Server certificates with the standard library's ssl alone: load, fingerprint, prove. Nothing here writes a file or
knows a token.
"""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

from slave_agent.errors import CredentialsError

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: a slave whose clock is wrong must still be able to enrol
_HANDSHAKE_ROUNDS = 8
_AGAIN = "Send a PEM certificate, its own private key and the CA that signed it."


def server_context(certificate: Path, private_key: Path) -> ssl.SSLContext:
    """Given the paths of a PEM certificate and its key, return a context that serves them (TLS 1.2 or newer).

    Raises CredentialsError if either can't be read, the certificate does not parse or the key is not its own.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, private_key, password=lambda: b"")  # never ask at a terminal
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise CredentialsError(
            f"certificate {certificate} with key {private_key} can't be used: {error}", _AGAIN
        ) from error
    return context


def prove(server: ssl.SSLContext, ca_pem: str) -> str:
    """Given a server's context and the CA that clients will have, do a whole handshake in memory; return the
    fingerprint seen.

    Raises CredentialsError if a client that trusts only this CA would refuse. Validity dates are left to the clients:
    their clocks count, not this machine's.
    """
    try:
        client = ssl.create_default_context(cadata=ca_pem)
        client.check_hostname = False
        client.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
        return _handshake(client, server)
    except (OSError, ValueError) as error:
        raise CredentialsError(f"a client with this CA would refuse this certificate: {error}", _AGAIN) from error


def _handshake(client_context: ssl.SSLContext, server_context: ssl.SSLContext) -> str:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_HANDSHAKE_ROUNDS):
        are_done = [_step(side) for side in (client, server)]
        if all(are_done):
            presented = client.getpeercert(binary_form=True) or b""
            return hashlib.sha256(presented).hexdigest()
    raise ssl.SSLError("the handshake does not end")


def _step(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
