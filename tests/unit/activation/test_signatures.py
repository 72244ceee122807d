"""Ed25519 as RFC 8032 has it, and nothing that only looks like it."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from slave_agent.activation.signatures import ORDER, P, is_signed

# RFC 8032, section 7.1: public key, message, signature
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_the_vectors_of_the_standard(key: str, message: str, signature: str) -> None:
    public, said, signed = (bytes.fromhex(value) for value in (key, message, signature))
    assert is_signed(text(public), said, text(signed))
    assert not is_signed(text(public), said + b"x", text(signed))


@pytest.fixture(scope="module")
def pair() -> tuple[Ed25519PrivateKey, bytes]:
    private = Ed25519PrivateKey.generate()
    raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return private, raw


def test_what_the_master_signs_is_signed(pair: tuple[Ed25519PrivateKey, bytes]) -> None:
    private, public = pair
    for length in (0, 1, 63, 64, 65, 5000):
        message = bytes(range(256)) * 20
        signature = private.sign(message[:length])
        assert is_signed(text(public), message[:length], text(signature))
        for at in (0, 31, 32, 63):  # one bit anywhere
            changed = bytearray(signature)
            changed[at] ^= 1
            assert not is_signed(text(public), message[:length], text(bytes(changed)))


def test_a_second_form_of_the_same_signature_is_refused(pair: tuple[Ed25519PrivateKey, bytes]) -> None:
    private, public = pair
    signature = private.sign(b"message")
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    assert not is_signed(text(public), b"message", text(signature[:32] + scalar.to_bytes(32, "little")))


def test_another_key_has_not_signed_it(pair: tuple[Ed25519PrivateKey, bytes]) -> None:
    private, _public = pair
    _other, public = Ed25519PrivateKey.generate(), VECTORS[0][0]
    assert not is_signed(text(bytes.fromhex(public)), b"message", text(private.sign(b"message")))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "not base64!",
        text(b"short"),
        text(b"\xff" * 32),
        text((P + 1).to_bytes(32, "little")),
        text(b"\x02" + b"\0" * 31),
    ],
)
def test_what_is_no_key_has_signed_nothing(key: str) -> None:
    assert not is_signed(key, b"", VECTORS[0][2])


@pytest.mark.parametrize("signature", ["", "x", text(b""), text(b"\0" * 63), text(b"\0" * 65), text(b"\xff" * 64)])
def test_what_is_no_signature_is_refused(signature: str) -> None:
    assert not is_signed(text(bytes.fromhex(VECTORS[0][0])), b"", signature)
