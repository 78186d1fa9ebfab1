"""What a judge is asked: a template with places for the conversation and for both answers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from smoltui.core.evaluation.vote_ballot import Turns
from smoltui.errors import InputError

PROMPT, FIRST, SECOND = "{prompt}", "{answer_a}", "{answer_b}"
PLACES = (PROMPT, FIRST, SECOND)
"""Placeholders of a template; each must be there."""
MOST_TEMPLATE_BYTES = 256 << 10
CHARS_PER_TOKEN = 4
"""Rule of thumb for English text, by which tokens are estimated before they are counted."""
_PLACE = re.compile("|".join(map(re.escape, PLACES)))


def check_template(template: str, where: str) -> str:
    """`template`, if a judge can be asked with it. `where` names its file.

    Raises:
        InputError: it lacks a placeholder.
    """
    missing = [place for place in PLACES if place not in template]
    if missing:
        raise InputError(
            f"The judge's prompt lacks {_listed(missing)}: {where}",
            f"Write {_listed(PLACES)} where the conversation and the answers belong, or delete the file for ours.",
        )
    return template


def rendered(template: str, prompt: Turns, first: str, second: str) -> str:
    """The text for one call. What answers contain is not looked at: a placeholder in one stays as it is."""
    values = {PROMPT: conversation_text(prompt), FIRST: first, SECOND: second}
    return _PLACE.sub(lambda found: values[found[0]], template)


def conversation_text(prompt: Turns) -> str:
    """A single question as it is; several turns each with its role."""
    if len(prompt) == 1:
        return prompt[0][1]
    return "\n\n".join(f"{role}: {text}" for role, text in prompt)


def estimated_tokens(text: str) -> int:
    """Tokens of a text, at least 1. UTF-8 bytes are counted, because other scripts have fewer characters per token."""
    return len(text.encode("utf-8", "replace")) // CHARS_PER_TOKEN + 1


def _listed(places: Sequence[str]) -> str:
    return places[0] if len(places) == 1 else f"{', '.join(places[:-1])} and {places[-1]}"
