"""Labels of a Job as a person edits them in one line: `key=value …`, and `-key` to remove one."""

from __future__ import annotations

from collections.abc import Mapping

from smoltui.core.runs.run import CONTINUES, LABEL

OURS = {
    LABEL: "identifies the Job after a lost response",
    CONTINUES: "joins the Job to the run that it continues",
}
"""Labels that smoltui alone sets, and what each does."""
HINT = "key=value …; -key removes a label; others are kept"


def labels_in_text(labels: Mapping[str, str]) -> str:
    """The labels to edit: all but ours."""
    return " ".join(f"{key}={value}" for key, value in labels.items() if key not in OURS)


def label_changes(text: str) -> tuple[dict[str, str], list[str]]:
    """Labels to set, and keys of those to remove."""
    new: dict[str, str] = {}
    gone: list[str] = []
    for word in text.split():
        if word.startswith("-"):
            gone.append(word[1:])
        else:
            key, _, value = word.partition("=")
            new[key] = value
    return new, gone
