"""A quick reading is exactly what `examine` says; of a row that it doesn't know, it says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smoltui.core.pairs.quick_reading import quick_reading
from smoltui.scripts.pair_format import examine
from smoltui.scripts.pair_turns import NotAPairError

MARKS = ("Human:", "\n\nHuman:", "\n\nAssistant:", "Assistant: x", "<s>", "[INST]", "<|im_start|>user\nq<|im_end|>")
CELLS = ("[", "{", "[1]", '[{"role": "user", "content": "x"}]', "response_a")
ODD = ("é", "\u2003", "\x1c", "\ud800", "\x00", "\x7f")
WORDS = st.sampled_from(["", " ", "\n", "a", "a b", " a", "a ", *MARKS, *CELLS, *ODD])
TEXTS = st.lists(WORDS, max_size=4).map("".join)
CONTENT = TEXTS | st.none() | st.just([{"type": "text", "text": "t"}]) | st.integers()
ROLES = st.sampled_from(["user", "assistant", "system", "User", "human", "tool", None])
TURNS = st.fixed_dictionaries({"role": ROLES, "content": CONTENT}) | st.fixed_dictionaries(
    {"role": ROLES, "content": TEXTS}, optional={"name": TEXTS, "tool_calls": st.none()}
)


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Turns that mostly alternate, so that usable pairs are tried too."""
    start = [{"role": "system", "content": "s"}] if draw(st.booleans()) else []
    pairs = draw(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=2))
    turns = [{"role": role, "content": text} for pair in pairs for role, text in zip(("user", "assistant"), pair)]  # noqa: B905
    return [*start, *turns]


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    shape = draw(st.sampled_from(["texts", "transcripts", "messages", "whole", "implicit", "any"]))
    asked, good, bad = draw(TEXTS), draw(TEXTS), draw(TEXTS)
    talk = draw(conversations())
    if shape == "texts":
        row: dict[str, Any] = {"prompt": asked, "chosen": good, "rejected": bad}
    elif shape == "transcripts":
        shared = "".join(
            f"\n\n{'Human' if turn['role'] == 'user' else 'Assistant'}: {turn['content']}" for turn in talk
        )
        row = {"chosen": f"{shared}{good}", "rejected": f"{shared}{bad}"}
    elif shape == "messages":
        row = {"prompt": talk[:-1], "chosen": talk[-1:], "rejected": [{"role": "assistant", "content": bad}]}
    elif shape in ("whole", "implicit"):
        other = [*talk[:-1], {"role": "assistant", "content": bad}]
        row = {"chosen": talk, "rejected": other} | ({"prompt": talk[0]["content"]} if shape == "whole" else {})
    else:
        some = TEXTS | st.lists(TURNS, max_size=3) | st.none() | st.integers()
        row = {name: draw(some) for name in ("prompt", "chosen", "rejected")}
    others = ("score", "system", "input", "tools", "images", "Prompt", "response_a", "response_b", "winner", "correct")
    for name in draw(st.lists(st.sampled_from([*others, "wrong"]), max_size=3)):
        row[name] = draw(TEXTS | st.none())
    return row


@pytest.mark.slow
@given(rows())
@settings(max_examples=2000)
def test_it_is_what_the_judge_says(row: Mapping[str, Any]) -> None:
    found = quick_reading(row)
    if found is None:
        return
    reading = examine(row)
    assert reading.problems == []
    assert (reading.schema, reading.prompt) == (found.schema, found.prompt)
    assert reading.chosen_turns == [{"role": "assistant", "content": found.chosen}]
    assert reading.rejected_turns == [{"role": "assistant", "content": found.rejected}]
    assert (reading.answer_at, reading.trl_cut, reading.cut_inside_answer) == found[5:]
    assert reading.tools is None and reading.kwargs is None


ASK, GOOD, BAD = (
    {"role": "user", "content": "q"},
    {"role": "assistant", "content": "g"},
    {"role": "assistant", "content": "b"},
)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "q", "chosen": "g", "rejected": "b", "score": 1},
        {"chosen": "\n\nHuman: q\n\nAssistant: g", "rejected": "\n\nHuman: q\n\nAssistant: b"},
        {"prompt": [ASK], "chosen": [GOOD], "rejected": [BAD]},
        {"prompt": [{"role": "system", "content": "s"}, ASK], "chosen": [GOOD], "rejected": [BAD]},
        {"prompt": "q", "chosen": [ASK, GOOD], "rejected": [ASK, BAD]},
        {"chosen": [ASK, GOOD], "rejected": [ASK, BAD]},
    ],
)
def test_usual_rows_are_known(row: dict[str, Any]) -> None:
    """Otherwise the property would hold of nothing."""
    assert quick_reading(row) is not None


@given(rows())
def test_what_the_judge_refuses_is_never_read(row: Mapping[str, Any]) -> None:
    try:
        refused = bool(examine(row).problems)
    except NotAPairError:
        refused = True
    assert not (refused and quick_reading(row) is not None)
