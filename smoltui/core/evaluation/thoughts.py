"""Thoughts in an answer: what a model writes between <think> and </think> before it answers."""

from __future__ import annotations

from typing import NamedTuple

OPENED, CLOSED = "<think>", "</think>"
"""As in SmolLM3's chat template; `scripts/answering.py` puts the first before an answer whose prompt ended with it."""


class Said(NamedTuple):
    """An answer in two parts."""

    thoughts: str
    """Without the tags; empty without any."""
    answer: str
    thinking: bool
    """Whether the thoughts have not ended (yet): there is no answer."""


def split(text: str) -> Said:
    """Thoughts and answer. Thoughts in the middle of a text are part of the answer."""
    start = text.lstrip()
    if not start.startswith(OPENED):
        return Said("", text, False)
    thoughts, closed, answer = start.removeprefix(OPENED).partition(CLOSED)
    return Said(thoughts.strip(), answer.lstrip(), not closed)
