"""Nothing that acts on a terminal, hides or gives a secret away leaves `safe` and `redact`."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.safe_text import redact, safe, safe_line

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"


@given(st.text(st.characters() | st.sampled_from("\x00\x07\x1b\x7f\x9b\x9d\ud800\u2028\ufeff\u200b" + BIDI)))
def test_no_control_bidi_or_surrogate_is_left(text: str) -> None:
    shown = safe(text)
    for char in shown:
        assert char == "\n" or unicodedata.category(char) not in ("Cc", "Cs"), f"{char!r} in {shown!r}"
        assert char not in BIDI + "\u200b\u2028\u2029\ufeff"
    shown.encode("utf-8")


@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"), exclude_characters=BIDI)))
def test_ordinary_text_is_not_touched(text: str) -> None:
    if not any(0x115F <= ord(char) <= 0x1160 or ord(char) in (0x3164, 0xFFA0) for char in text):
        assert safe(text, None) == text


def test_what_a_person_sees() -> None:
    assert safe("\x1b[2Jhello\x07") == "␛[2Jhello␇"
    assert safe("a\u202eb") == "a⟨RLO⟩b"
    assert safe("a\tb\nc") == "a   b\nc"
    assert safe("x\x9b31m") == "x⟨9B⟩31m"
    assert safe("lone \ud83d") == "lone �"
    assert safe("[red]x[/red] [@click=app.quit]") == "[red]x[/red] [@click=app.quit]"
    family = "👩‍👩‍👧‍👦"
    assert safe(family) == family and safe("a\u200db") == "a⟨ZWJ⟩b"


def test_long_text_is_bounded() -> None:
    assert safe("x" * 50_000, 100) == "x" * 100 + "… 49,900 more characters"
    assert len(safe_line("x" * 1_000_000, 80)) == 81
    assert safe_line("a\nb") == "a↵b"


@pytest.mark.parametrize(
    "text",
    [
        "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345",
        "Authorization: Bearer abcdef0123456789",
        "WANDB_API_KEY=0123456789abcdef",
        "https://user:hf_secretsecret@host/x",
        '"hf_token": "abcdefgh12345"',
        "export OPENAI_API_KEY='sk-abcdefgh1234'",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    once = redact(text)
    assert "***" in once
    for secret in ("AbCdEf", "abcdef", "01234567", "secretsecret"):
        assert secret not in once
    assert redact(once) == once


def test_a_known_secret_is_taken_out_wherever_it_stands() -> None:
    assert redact("the word is swordfish9, yes", ("swordfish9",)) == "the word is ***, yes"


@given(st.text())
def test_redaction_is_idempotent(text: str) -> None:
    assert redact(redact(text)) == redact(text)
