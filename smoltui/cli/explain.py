"""`smoltui explain [TERM]`: what a metric, field, finding, check, column or word means."""

from __future__ import annotations

import textwrap
from typing import Any

from smoltui.cli.output import say
from smoltui.core.meanings import KINDS, Card, all_cards, find, terms_like
from smoltui.errors import InputError
from smoltui.safe_text import safe_line

WIDTH, LABEL = 100, 12
"""Columns of the text, and of its labels."""


def explained(words: tuple[str, ...]) -> dict[str, Any]:
    """An object with `cards`; without words, with `terms`: those of all cards by kind.

    Raises:
        InputError: nothing has this name; the hint says what is similar.
    """
    if not words:
        terms: dict[str, list[str]] = {}
        for card in all_cards().values():
            terms.setdefault(card.kind, []).append(card.term)
        return {"terms": terms}
    text = " ".join(words)
    if not (cards := find(text)):
        like = terms_like(text)
        hint = f"Did you mean {' or '.join(like)}?" if like else "List all terms: smoltui explain"
        raise InputError(f"No explanation of: {safe_line(text, 100)}", hint)
    return {"cards": [card.as_json() for card in cards]}


def print_explained(words: tuple[str, ...]) -> None:
    """Prints the cards, or all terms. Raises as `explained`."""
    found = explained(words)
    if words:
        say("\n\n".join(_as_text(card) for card in find(" ".join(words))))
        return
    for kind, terms in found["terms"].items():
        say(KINDS[kind])
        say(textwrap.fill(", ".join(terms), WIDTH, initial_indent="  ", subsequent_indent="  ") + "\n")
    say("Explain one of them: smoltui explain TERM")


def _as_text(card: Card) -> str:
    lines = [f"{card.heading}: {KINDS[card.kind]}"]
    for label, text in card.rows():
        lines.append(
            textwrap.fill(text, WIDTH, initial_indent=f"  {label:<{LABEL}}", subsequent_indent=" " * (LABEL + 2))
        )
    return "\n".join(lines)
