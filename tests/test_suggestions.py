"""What a person probably meant: a few names, the closest first, and never just anything."""

from __future__ import annotations

import pytest

from smoltui.suggestions import did_you_mean, near

COMMANDS = ("train", "pairs", "ps", "recipe", "docs", "leaderboard", "LoRA")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("trian", ["train"]),
        ("TRAIN", ["train"]),
        ("lora", ["LoRA"]),
        ("lead", ["leaderboard"]),  # the beginning of a long name, too different for difflib
        ("x", []),
        ("", []),
        ("quit", []),
    ],
)
def test_near_names_are_found(typed: str, meant: list[str]) -> None:
    assert near(typed, COMMANDS) == meant


def test_the_sentence_names_up_to_three() -> None:
    assert did_you_mean("quit", COMMANDS) == ""
    assert did_you_mean("trian", COMMANDS) == "Did you mean train?"
    assert did_you_mean("a1", ["a10g-small", "a10g-large", "a100x4", "a100x8"]).count("a1") == 3
    assert did_you_mean("shw", ["show", "shown"]) == "Did you mean show or shown?"
