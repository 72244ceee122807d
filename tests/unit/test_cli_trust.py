"""The words after `trust`: what they mean, and which ones are refused."""

from __future__ import annotations

import pytest

from d8.cli.trust import TrustOrder, TrustVerb, trust_order
from d8.errors import UsageError

SHOW, ROTATE, REVOKE = TrustVerb.SHOW, TrustVerb.ROTATE, TrustVerb.REVOKE


@pytest.mark.parametrize(
    ("words", "means_all", "expected"),
    [
        ([], False, TrustOrder((), SHOW)),
        (["pi"], False, TrustOrder(("pi",), SHOW)),
        (["pi", "box"], False, TrustOrder(("pi", "box"), SHOW)),
        (["pi", "show"], False, TrustOrder(("pi",), SHOW)),
        (["pi", "rotate"], False, TrustOrder(("pi",), ROTATE)),
        (["rotate"], True, TrustOrder((), ROTATE)),
        (["pi", "revoke"], False, TrustOrder(("pi",), REVOKE)),
        (["pi", "revoke", "ci"], False, TrustOrder(("pi",), REVOKE, "ci")),
        (["pi", "grant", "ci"], False, TrustOrder(("pi",), TrustVerb.GRANT, "ci")),
        (["pi", "tokens"], False, TrustOrder(("pi",), TrustVerb.TOKENS)),
        (["rotate"], False, TrustOrder(("rotate",), SHOW)),
        (["rotate", "rotate"], False, TrustOrder(("rotate",), ROTATE)),
    ],
)
def test_what_is_meant(words: list[str], means_all: bool, expected: TrustOrder) -> None:
    assert trust_order(words, means_all) == expected


@pytest.mark.parametrize(
    ("words", "means_all"),
    [
        (["pi", "box", "rotate"], False),
        (["pi", "grant"], False),
        (["pi", "grant", "a", "b"], False),
        (["pi", "revoke", "a", "b"], False),
        (["pi", "rotate", "x"], False),
        (["pi", "rotate"], True),
        (["revoke"], True),
        (["grant", "ci"], True),
    ],
)
def test_what_is_refused(words: list[str], means_all: bool) -> None:
    with pytest.raises(UsageError):
        trust_order(words, means_all)
