"""The documentation that ships with the package: one Markdown file per topic, read by `smoltui docs` and in the app."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from smoltui.errors import InputError
from smoltui.suggestions import did_you_mean

FOLDER = Path(__file__).parent

TOPICS = (
    "keys",
    "pairs",
    "runs",
    "slurm",
    "recipe",
    "evaluate",
    "held-out",
    "votes",
    "judge",
    "glossary",
    "submit",
    "commands",
    "course",
    "harnesses",
    "how-it-works",
    "benchmarks",
    "contributing",
    "changelog",
)
"""File names without .md, in the order they are listed."""

_COMMENT_LINE = re.compile(r"^<!--.*-->\n", re.MULTILINE)


class Topic(NamedTuple):
    """One file, as a list shows it."""

    name: str
    title: str
    """The heading at its top."""
    summary: str
    """The line below the heading: one sentence."""


def text_of(name: str) -> str:
    """The Markdown of a topic, without the comments that mark generated tables.

    Raises:
        InputError: there is no such topic; the hint lists all of them.
    """
    if name not in TOPICS:
        hint = " ".join(filter(None, (did_you_mean(name, TOPICS), f"Topics: {', '.join(TOPICS)}")))
        raise InputError(f"There is no documentation topic of this name: {name}", hint)
    return _COMMENT_LINE.sub("", (FOLDER / f"{name}.md").read_text(encoding="utf-8"))


def topic(name: str) -> Topic:
    """Name, title and summary of a topic. Raises as `text_of`."""
    title, _, summary, *_ = text_of(name).split("\n", 3)
    return Topic(name, title.removeprefix("# "), summary)


def topics() -> list[Topic]:
    """All of them, in order."""
    return [topic(name) for name in TOPICS]
