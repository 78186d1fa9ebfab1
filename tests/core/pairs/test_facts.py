"""What is stored about a row: its texts, what the texts alone don't hold, and what was found in them."""

from __future__ import annotations

from typing import Any

import pytest

from smoltui.core.pairs.facts import row_facts, with_more
from smoltui.core.pairs.preference import Message, Pair, pair_of

USER = {"role": "user", "content": "What time is it?"}
CALL = {"type": "function", "function": {"name": "now", "arguments": {"zone": "UTC"}}}


def says(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def row(chosen: str, **more: Any) -> dict[str, Any]:
    return {"prompt": USER["content"], "chosen": [USER, says(chosen)], "rejected": [USER, says("No idea.")], **more}


THOUGHT = "<think>\nlet me see\n</think>\nTen."


@pytest.mark.parametrize(
    ("made", "unwanted", "missing"),
    [
        (row(THOUGHT), True, False),  # converted and silent: thinking is turned off
        (row(THOUGHT, chat_template_kwargs={"enable_thinking": False}), True, False),
        (row(THOUGHT, chat_template_kwargs={"enable_thinking": True}), False, False),
        (row("Ten.", chat_template_kwargs={"enable_thinking": True}), False, True),
        (row("Ten.", chat_template_kwargs={"enable_thinking": False}), False, False),
        (row("<think>\n\n</think>\nTen."), False, False),
        ({"prompt": [USER], "chosen": [says(THOUGHT)], "rejected": [says("No.")]}, False, False),  # TRL's own form
    ],
)
def test_thoughts_that_training_does_not_expect(made: dict[str, Any], unwanted: bool, missing: bool) -> None:
    """Thoughts under thinking off, and the reverse."""
    facts = row_facts(0, made)
    assert (facts["thoughts_unwanted"], facts["thoughts_missing"]) == (unwanted, missing)


TOOL_ROW = {
    "prompt": [USER],
    "chosen": [
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "name": "now", "content": "10:00"},
        says("It is ten."),
    ],
    "rejected": [says("Who knows.")],
    "tools": [{"type": "function", "function": {"name": "now"}}],
    "chat_template_kwargs": {"enable_thinking": False},
}


def test_calls_and_results_can_be_read_and_searched() -> None:
    facts = row_facts(0, TOOL_ROW)
    assert facts["chosen"] == '→ now(zone="UTC")\n\n[tool now] 10:00\n\n[assistant] It is ten.'
    assert facts["reason"] is None


def test_a_pair_comes_back_from_its_texts_and_the_rest() -> None:
    """The store keeps texts; calls, tools, further turns and template arguments come back beside them."""
    facts = row_facts(0, TOOL_ROW)
    stored = Pair(
        0, chosen=(Message("assistant", facts["chosen"]),), rejected=(Message("assistant", facts["rejected"]),)
    )
    found, pair = with_more(stored, facts["more"]), pair_of(0, TOOL_ROW)
    for name in ("prompt", "chosen", "rejected", "tools", "kwargs"):
        assert getattr(found, name) == getattr(pair, name)


def test_a_pair_of_texts_needs_nothing_more() -> None:
    assert row_facts(0, {"prompt": "a", "chosen": "b", "rejected": "c"})["more"] is None
