"""Hides secrets by value, in every encoding in which they may come back, also across the borders of chunks."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST_SECRET = 4  # masking shorter values would hide ordinary text and reveal them by the gaps


def encodings_of(secret: str) -> Iterator[str]:
    """Given a secret, yield the texts by which it may appear: raw, URL, JSON, shell-quoted, hex, base64 in 3 shifts."""
    yield secret
    yield quote(secret)
    yield quote(secret, safe="")
    yield quote(secret, safe=":")  # as a bot's token stands in a URL
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield shlex.quote(secret)
    yield shlex.quote(secret)[1:-1] if shlex.quote(secret) != secret else secret
    yield repr(secret)[1:-1]
    data = secret.encode()
    yield data.hex()
    yield data.hex().upper()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            yield _base64_core(encode(b"\0" * shift + data).decode(), shift, len(data))


def _base64_core(encoded: str, shift: int, size: int) -> str:
    """The characters of a base64 text that depend on the secret alone, whatever stands before or after it."""
    first = -(-shift * 8 // 6)
    last = (shift + size) * 8 // 6
    return encoded[first:last]


class Masker:
    """Replaces known secrets in text. Given the secrets; values under four characters are ignored."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.longest = 0
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Given secrets that came later, replace them too from here on."""
        self._known |= {secret for secret in secrets if len(secret) >= SHORTEST_SECRET}
        forms = {form for secret in self._known for form in encodings_of(secret) if len(form) >= SHORTEST_SECRET}
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self.longest = len(ordered[0]) if ordered else 0

    def mask(self, text: str) -> str:
        """Given text, return it with every known secret replaced by ***."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def matches(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the (start, end) of each secret in the text."""
        if self._pattern:
            for match in self._pattern.finditer(text):
                yield match.span()


class MaskingStream:
    """Masks text that arrives in pieces: holds back what could be the beginning of a secret until it is decided."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = ""

    def feed(self, chunk: str) -> str:
        """Given the next piece, return the masked text that is safe to show now."""
        self._held += chunk
        cut = max(0, len(self._held) - max(0, self._masker.longest - 1))
        for start, end in self._masker.matches(self._held):
            if start < cut < end:
                cut = end
        ready, self._held = self._held[:cut], self._held[cut:]
        return self._masker.mask(ready)

    def flush(self) -> str:
        """Return the masked rest; the stream is over."""
        rest, self._held = self._held, ""
        return self._masker.mask(rest)
