"""Secrets are found in every encoding, at every split point, and ordinary text stays as it is."""

import base64
import json
import shlex
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8.masking import MASK, Masker, MaskingStream

NAUGHTY = ["ghp_abcDEF123456", "p w$'\"%!\\ñ", "0123456789abcdef", "a+b/c==d?&", "токен-секрет"]
secrets = st.text(min_size=4, max_size=40).filter(lambda text: text.strip() and "\0" not in text and text.isprintable())


@pytest.mark.parametrize("secret", NAUGHTY)
@pytest.mark.parametrize(
    "encode",
    [
        str,
        lambda s: quote(s),
        lambda s: quote(s, safe=""),
        lambda s: json.dumps(s),
        lambda s: json.dumps(s, ensure_ascii=False),
        shlex.quote,
        repr,
        lambda s: s.encode().hex(),
        lambda s: base64.b64encode(s.encode()).decode(),
        lambda s: base64.b64encode(f"x-access-token:{s}".encode()).decode(),
        lambda s: base64.b64encode(f"ab:{s}:c".encode()).decode(),
        lambda s: base64.urlsafe_b64encode(f"a{s}".encode()).decode(),
    ],
)
def test_a_secret_is_hidden_in_every_encoding(secret, encode):
    text = f"before {encode(secret)} after"
    masked = Masker([secret]).mask(text)
    assert MASK in masked
    assert secret not in masked
    assert masked.startswith("before ") and masked.endswith(" after")


@given(secrets, st.integers(min_value=0, max_value=200), st.text(max_size=30))
def test_a_secret_is_hidden_wherever_the_stream_is_cut(secret, cut, surrounding):
    text = f"{surrounding}{secret}{surrounding}"
    stream = MaskingStream(Masker([secret]))
    shown = stream.feed(text[:cut]) + stream.feed(text[cut:]) + stream.flush()
    assert secret not in shown or secret in MASK + surrounding + MASK


@given(st.lists(st.text(alphabet="abcdef \n", max_size=12), max_size=20))
def test_text_without_secrets_passes_unchanged(chunks):
    stream = MaskingStream(Masker(["TOKEN-123456"]))
    assert "".join(map(stream.feed, chunks)) + stream.flush() == "".join(chunks)


def test_a_stream_masks_one_character_at_a_time():
    stream = MaskingStream(Masker(["s3cret-value"]))
    text = "url https://user:s3cret-value@host s3cret-values3cret-value end"
    assert "".join(map(stream.feed, text)) + stream.flush() == "url https://user:***@host ****** end"


def test_very_short_values_are_not_masked_for_they_would_hide_ordinary_text():
    assert Masker(["a", ""]).mask("banana") == "banana"


def test_a_longer_secret_wins_over_one_that_it_contains():
    assert Masker(["secret", "secret-longer"]).mask("secret-longer secret") == "*** ***"


def test_a_secret_that_comes_later_is_masked_too():
    masker = Masker(["first secret"])
    stream = MaskingStream(masker)
    shown = stream.feed("first sec")
    masker.add(["the second one, and longer"])
    shown += stream.feed("ret, the second one, and lon") + stream.feed("ger!") + stream.flush()
    assert shown == "***, ***!"
