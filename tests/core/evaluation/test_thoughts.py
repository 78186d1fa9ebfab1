"""Thoughts are told apart from the answer, also while they arrive."""

from __future__ import annotations

import pytest

from smoltui.core.evaluation.thoughts import Said, split


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Yes.", Said("", "Yes.", False)),
        ("", Said("", "", False)),
        ("<think>", Said("", "", True)),
        ("<think>\nHm", Said("Hm", "", True)),
        ("<think>Hm</think>\n\nYes.", Said("Hm", "Yes.", False)),
        ("<think>\n\n</think>\nYes.", Said("", "Yes.", False)),
        ("Use <think> in HTML? No </think>", Said("", "Use <think> in HTML? No </think>", False)),
    ],
)
def test_thoughts_and_answer(text: str, said: Said) -> None:
    assert split(text) == said
