"""Ed25519 signatures (RFC 8032) verified with the standard library alone, for root depends on nothing else.

Verifying handles nothing secret, so that it need not take the same time for every input.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Optional, Tuple

KEY_BYTES, SIGNATURE_BYTES = 32, 64
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
Point = Tuple[int, int, int, int]  # extended homogeneous coordinates X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z


def is_signed(key: str, message: bytes, signature: str) -> bool:
    """Given a public key and a signature (both base64) and the message, return whether the key signed the message."""
    try:
        public = base64.b64decode(key, validate=True)
        signed = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    if len(public) != KEY_BYTES or len(signed) != SIGNATURE_BYTES:
        return False
    point = _decompress(public)
    scalar = int.from_bytes(signed[32:], "little")
    if point is None or scalar >= ORDER:  # a larger one would be a second signature of the same message
        return False
    digest = hashlib.sha512(signed[:32] + public + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    x, y, z, t = _multiply(challenge, point)
    minus = ((P - x) % P, y, z, (P - t) % P)
    return _compress(_add(_multiply(scalar, BASE), minus)) == signed[:32]


def _add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _multiply(scalar: int, point: Point) -> Point:
    result: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _compress(point: Point) -> bytes:
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decompress(data: bytes) -> Optional[Point]:
    """The point of 32 bytes, None for bytes that are none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    x = _root(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def _root(y: int, sign: int) -> Optional[int]:
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P:
        return None
    return P - x if x & 1 != sign else x


def _base() -> Point:
    point = _decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    assert point is not None  # noqa: S101  a constant of the curve
    return point


BASE = _base()
