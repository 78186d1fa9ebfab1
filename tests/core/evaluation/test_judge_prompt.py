"""The judge's prompt: placeholders, and answers that look like them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.backends.evaluation.judge import DEFAULT_TEMPLATE
from smoltui.core.evaluation.judge_prompt import PLACES, check_template, estimated_tokens, rendered
from smoltui.errors import InputError

BARE = "{prompt}|{answer_a}|{answer_b}"


def test_ours_can_be_used() -> None:
    ours = DEFAULT_TEMPLATE.read_text(encoding="utf-8")
    assert check_template(ours, "ours") == ours and "[[A]]" in ours and "[[C]]" in ours


@pytest.mark.parametrize("place", PLACES)
def test_each_placeholder_is_needed(place: str) -> None:
    with pytest.raises(InputError, match=f"lacks {place}: mine"):
        check_template(BARE.replace(place, "x"), "mine")


def test_all_missing_ones_are_named() -> None:
    with pytest.raises(InputError, match=r"lacks \{prompt\}, \{answer_a\} and \{answer_b\}"):
        check_template("Which is better?", "mine")


@given(*(st.text(alphabet="{}_abpromtnswe \n", max_size=30) for _ in range(3)))
def test_answers_stay_as_they_are(prompt: str, first: str, second: str) -> None:
    """Also one that contains a placeholder."""
    assert rendered(BARE, (("user", prompt),), first, second) == f"{prompt}|{first}|{second}"
    assert rendered(BARE, (("user", "q"),), "{answer_b}", "{prompt}") == "q|{answer_b}|{prompt}"


def test_several_turns_have_their_roles() -> None:
    turns = (("system", "Be kind."), ("user", "Hi"))
    assert rendered(BARE, turns, "1", "2") == "system: Be kind.\n\nuser: Hi|1|2"


def test_tokens_are_estimated_from_bytes() -> None:
    assert estimated_tokens("") == 1 and estimated_tokens("a" * 400) == 101 and estimated_tokens("日" * 400) == 301
    assert estimated_tokens("\ud800") == 1, "half a character"
