"""`smoltui docs [TOPIC]`: the documentation in the terminal."""

from __future__ import annotations

from typing import Any

from smoltui.cli.output import say
from smoltui.docs import text_of, topic, topics


def docs_report(name: str | None) -> dict[str, Any]:
    """An object with `topics`, or with `name`, `title` and `text` of one topic.

    Raises:
        InputError: there is no such topic.
    """
    if name is None:
        return {"topics": [entry._asdict() for entry in topics()]}
    return {"name": name, "title": topic(name).title, "text": text_of(name)}


def print_report(report: dict[str, Any]) -> None:
    """Prints the topics, one per line, or the text of one as Markdown."""
    if "text" in report:
        say(report["text"].rstrip("\n"))
        return
    width = max(len(entry["name"]) for entry in report["topics"])
    for entry in report["topics"]:
        say(f"{entry['name']:<{width}}  {entry['summary']}")
    say("\nRead a topic: smoltui docs TOPIC")
