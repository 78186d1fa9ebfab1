"""Plain rules about a text of a pair."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.pairs.flags import has_bidi, has_control, is_refusal, main_script, mixed_scripts
from smoltui.core.pairs.near_duplicates import BANDS, comparable, keys_of, nearly_same, normalised, words_of
from smoltui.core.pairs.query import PairQuery, named_columns, parse_query
from smoltui.safe_text import safe


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I’m really sorry.", True),
        ("As an AI, I have no body.", True),
        ("Oh no, I cannot do that", True),
        ("  Sorry, no.", True),
        ("Sure, here it is.", False),
        ("", False),
        ("I can help. I'm sorry it took so long.", False),
        ("Unfortunately, I don’t know.", True),
        ("I'm so sorry for your loss.", False),
        ("Sorry for the confusion!", False),
        ("Sorry if I was rude.", False),
        ("I am sorry to hear that.", False),
        ("I'm sorry you feel like that", False),
        ("I'm sorry, I cannot.", True),
        ("I can't wait to help!", False),
        ("I can’t tell you that.", True),
        ("I won't lie, it hurts.", False),
        ("I won't do that.", True),
    ],
)
def test_refusals(text: str, refuses: bool) -> None:
    assert is_refusal(text) is refuses


def test_characters_that_act_or_hide() -> None:
    assert has_control("a\x1b[31m") and has_control("a\x00") and has_control("\x9b") and not has_control("a\tb\r\nc")
    assert has_bidi("a\u202eb") and has_bidi("a\u200bb") and not has_bidi("é 漢 👨‍👩‍👧")
    # Whatever a screen names in angle brackets is found, and nothing else is.
    assert all(map(has_bidi, ("soft\u00adhyphen", "\u3164", "tag\U000e0041", "join\u200der")))


@given(st.characters(exclude_categories=("Cc", "Cs")))
def test_what_hides_is_what_a_screen_names(char: str) -> None:
    assert has_bidi(char) is (safe(char, None) != char)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Hello", "Latin"),
        ("héllo “q”", "Latin"),
        ("Привет", "Cyrillic"),
        ("漢字かな", "Han"),
        ("한글", "Hangul"),
        ("שלום", "Hebrew"),
        ("123 …", None),
        ("", None),
    ],
)
def test_scripts(text: str, script: str | None) -> None:
    assert main_script(text) == script


def test_mixed_scripts() -> None:
    assert mixed_scripts("Hi", "Hello", "Привет") and mixed_scripts("Hi", "Привет", "Пока")
    assert not mixed_scripts("Привет", "Привет", "Пока") and not mixed_scripts("Hi", "42", "漢" * 0)


def share_a_key(left: str, right: str) -> bool:
    return bool(set(keys_of(words_of(left))) & set(keys_of(words_of(right))))


def test_texts_that_are_nearly_the_same() -> None:
    """One word of fifty changed is a near duplicate; another text is none."""
    words = [f"word{number}" for number in range(50)]
    text, near, other = " ".join(words), " ".join([*words[:-1], "else"]), " ".join(f"thing{n}" for n in range(50))
    assert share_a_key(text, near) and nearly_same(comparable(text), comparable(near))
    assert not share_a_key(text, other) and not nearly_same(comparable(text), comparable(other))
    assert nearly_same("x" * 9 + "ab", "x" * 9 + "cd") is False and nearly_same("x" * 18 + "ab", "x" * 18 + "cd")
    assert len(comparable("é" * 9_000)) == 4_000


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("What is fog?", "what is  FOG"),
        ("It’s “so”, he said.", "it's so -- he said"),
        ("什么是雾？", "什么是雾"),
        ("Eh?", "eh"),
    ],
)
def test_texts_that_differ_in_case_and_signs_alone(left: str, right: str) -> None:
    assert keys_of(words_of(left))[0] == keys_of(words_of(right))[0] and normalised(left) == normalised(right)


def test_words_of_scripts_without_spaces() -> None:
    """One character changed in the middle of a Chinese sentence leaves candidates."""
    text = "".join(chr(0x4E00 + 37 * number) for number in range(40))
    assert len(words_of(text)) == 40 and share_a_key(text, text[:20] + "我" + text[21:])
    assert words_of("") == words_of(" …!? ") == [] and len(words_of("a " * 5_000)) == 600
    with pytest.raises(ValueError):
        keys_of([])


@given(st.text())
def test_keys_of_any_text(text: str) -> None:
    words = words_of(text)
    if words:
        keys = keys_of(words)
        assert keys == keys_of(words_of(text.upper().lower())) or text.upper().lower() != text.lower()
        assert len(keys) == BANDS + 1 and all(-(2**63) <= key < 2**63 for key in keys)
    assert nearly_same(comparable(text), comparable(text))
    assert isinstance(is_refusal(text), bool) and isinstance(mixed_scripts(text, text, ""), bool)


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("fog", PairQuery("text", "fog")),
        ("/fo+g/", PairQuery("regex", "fo+g", False)),
        ("  ", None),
        ("where ", None),
        ("/fog/i", PairQuery("regex", "fog", True)),
        ("where gap > 3", PairQuery("where", "gap > 3")),
        ("WHERE a = 'x'", PairQuery("where", "a = 'x'")),
        ("wherever", PairQuery("text", "wherever")),
        ("/", PairQuery("text", "/")),
        ("a\ud83d", PairQuery("text", "a\ufffd")),
    ],
)
def test_what_a_person_typed(typed: str, query: PairQuery | None) -> None:
    assert parse_query(typed) == query


def test_which_columns_a_condition_names() -> None:
    ours, others = named_columns(
        'gap > 3 and "my score" > 2 and row_chosen = 1', {"my score": "number", "chosen": "text"}
    )
    assert ours == {"gap"} and others == {"my score": "number", "chosen": "text"}
