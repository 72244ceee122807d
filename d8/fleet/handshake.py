"""How a connection to a slave begins: the handshake, the look at the certificate, and what the network says instead."""

from __future__ import annotations

import hashlib
import socket
import ssl
from contextlib import closing

from d8.causes import innermost_cause
from d8.errors import Refused, SlaveUnreachable
from d8.fleet.names import Address


def presented_fingerprint(address: Address, timeout_seconds: float) -> str:
    """Given an address, return the hex SHA-256 of the certificate presented there; sends nothing but a handshake.

    Raises SlaveUnreachable when there is no TLS server.
    """
    with closing(_secured(address, timeout_seconds)) as connection:
        return _fingerprint(connection)


def plain_connection(address: Address, timeout_seconds: float) -> socket.socket:
    """Given an address, return a connection to it. Raises SlaveUnreachable."""
    try:
        return socket.create_connection((address.host, address.port), timeout=timeout_seconds)
    except OSError as error:
        raise unreachable(address, error) from error


def pinned_connection(address: Address, fingerprint: str, timeout_seconds: float) -> ssl.SSLSocket:
    """Given an address and the hex SHA-256 of its certificate, return a connection over which nothing was sent yet.

    Raises SlaveUnreachable when there is no TLS server, Refused when it presents another certificate.
    """
    connection = _secured(address, timeout_seconds)
    if _fingerprint(connection) == fingerprint:
        return connection
    connection.close()
    raise other_certificate(address)


def other_certificate(address: Address) -> Refused:
    """Given an address whose server is not the one that was expected, return the error for the operator."""
    return Refused(
        "{address} presented another certificate than the one the master knows",
        "Nothing was sent. Is another machine answering at this address?",
        address=address,
    )


def _secured(address: Address, timeout_seconds: float) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the fingerprint is what is checked, by the caller
    connection = plain_connection(address, timeout_seconds)
    try:
        return context.wrap_socket(connection)
    except ssl.SSLError as error:
        connection.close()
        raise SlaveUnreachable(
            "{address} answers, but not with TLS ({reason})",
            "Another program holds the port, or the slave runs with plain HTTP (then D8_TLS=off on this master too).",
            address=address,
            reason=error.reason,
        ) from error
    except OSError as error:
        connection.close()
        raise unreachable(address, error) from error


def _fingerprint(connection: ssl.SSLSocket) -> str:
    return hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()


def unreachable(address: Address, error: Exception) -> SlaveUnreachable:
    """Given what the network said, return the error for the operator."""
    if isinstance(error, ConnectionRefusedError) or "refused" in str(error).lower():
        return SlaveUnreachable(
            "{host} refuses the connection on port {port}",
            "Start the server on the slave: sh install_slave_….sh --start",
            host=address.host,
            port=address.port,
        )
    if isinstance(error, socket.gaierror):
        return SlaveUnreachable(
            "{host} is not known to the name service", "Use the slave's IP address.", host=address.host
        )
    return SlaveUnreachable(
        "{address} does not answer ({reason})",
        "Is the machine on, in this network, and is port {port} open in its firewall?",
        address=address,
        port=address.port,
        reason=_reason(error),
    )


def _reason(error: Exception) -> str:
    """What the network said, without the library's wrapping."""
    cause = innermost_cause(error)
    return cause.strerror or str(cause) if isinstance(cause, OSError) else str(cause)
