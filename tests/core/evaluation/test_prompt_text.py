"""Prompts in text and JSONL files: nothing is left out without being counted."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.evaluation.prompt import Prompt
from smoltui.core.evaluation.prompt_text import MOST_PROMPTS, parse_prompts

TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]


def test_a_text_file_has_one_prompt_per_line() -> None:
    read = parse_prompts("\ufeff# mine\nOne?\n\n  Two?  \nOne?\n")
    assert [prompt.text for prompt in read.prompts] == ["One?", "Two?"]
    assert read.in_words() == "1 left out (1 the same as an earlier one)"


def test_what_rows_of_published_sets_look_like() -> None:
    """Texts, conversations, AlpacaEval's `instruction`, a preference pair's `prompt`, and our own keys."""
    rows = [
        "Just text?",
        {"prompt": "Why?", "for": "a reason", "topic": "help"},
        {"instruction": "Do it."},
        {"question": "What?"},
        {"messages": [*TURNS, {"role": "user", "content": "And?"}]},
        {"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "So?"}], "chosen": []},
    ]
    read = parse_prompts("\n".join(map(json.dumps, rows)), as_json=True)
    assert read.prompts == [
        Prompt("Just text?"),
        Prompt("Why?", (), "a reason", "help"),
        Prompt("Do it."),
        Prompt("What?"),
        Prompt("And?", (("user", "Hi"), ("assistant", "Hello."))),
        Prompt("So?", (("system", "Be brief."),)),
    ]
    assert not read.in_words()
    assert parse_prompts(json.dumps(rows)).prompts == read.prompts


def test_an_answer_at_the_end_is_not_asked_and_said() -> None:
    read = parse_prompts(json.dumps({"messages": TURNS}))
    assert read.prompts == [Prompt("Hi")]
    assert read.in_words() == "the final answer of 1 conversation is not used"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"prompt": ', "not JSON"),
        ('{"text": "x"}', "without a prompt"),
        ('{"messages": [{"role": "assistant", "content": "x"}]}', "without a prompt"),
        ('{"messages": [{"role": "user", "content": ["x"]}]}', "without a prompt"),
        ("3", "without a prompt"),
        ('{"prompt": "  "}', "empty"),
        ('{"prompt": "\\ud800"}', "not UTF-8 text"),
        ('{"prompt": "One?"}', "the same as an earlier one"),
    ],
)
def test_each_row_that_is_left_out_has_a_reason(line: str, reason: str) -> None:
    read = parse_prompts('{"prompt": "One?"}\n' + line)
    assert [prompt.text for prompt in read.prompts] == ["One?"]
    assert read.in_words() == f"1 left out (1 {reason})"


def test_more_than_twenty_thousand_are_counted() -> None:
    read = parse_prompts("\n".join(f"{n}?" for n in range(MOST_PROMPTS + 7)))
    assert len(read.prompts) == MOST_PROMPTS and read.left_out == {"beyond the first 20,000": 7}


@given(st.text(max_size=200), st.sampled_from([True, False, None]))
def test_no_text_is_an_error(text: str, as_json: bool | None) -> None:
    """Every line is a prompt, or counted, or blank."""
    read = parse_prompts(text, as_json=as_json)
    assert all(prompt.text.strip() for prompt in read.prompts)
