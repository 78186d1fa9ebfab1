"""What is published where, as the room and its dialogs say it."""

from __future__ import annotations

from rich.text import Text

from smoltui.backends.publish.leaderboard import Prepared
from smoltui.backends.publish.push import PushPlan
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.submit import drawing


def sentence(error: SmoltuiError) -> str:
    """What went wrong and what to do, with periods."""
    return " ".join(f"{part.rstrip('.')}." for part in (error.message, error.hint) if part)


def push_yes(plan: PushPlan) -> str:
    return "publish for everybody" if not plan.private else "upload, private"


def push_text(plan: PushPlan) -> Text:
    """Exactly what is published, and where."""
    state = "an existing repository gets one commit" if plan.exists else "a new repository is created"
    text = Text()
    for label, value in (
        ("to", plan.repo),
        ("visible to", "you and your organization" if plan.private else "everybody"),
        ("how", state),
        ("commit", plan.title),
    ):
        text.append(f"{label:<12}", "dim").append(f"{safe_line(redact(value), 200)}\n")
    text.append("\n").append_text(drawing.heading("Files")).append_text(drawing.sizes_text(plan.sizes)).append("\n")
    return text.append_text(drawing.checks_text(plan.checks))


def submit_text(prepared: Prepared, description: str, saved: str) -> Text:
    """The entry's pull request: where it goes, the change of the file, its text, and the checks that stop it."""
    text = Text()
    parent = prepared.board.commit[:12] if prepared.board else "–"
    for label, value in (("to", prepared.space), ("title", prepared.entry.title), ("based on", parent)):
        text.append(f"{label:<12}", "dim").append(f"{safe_line(redact(value), 200)}\n")
    stops = [check for check in prepared.checks if check.level != "pass"]
    if stops:
        text.append("\n").append_text(drawing.checks_text(stops))
    if saved:
        text.append(f"\n{safe_line(redact(saved), 1000)}\n", "yellow")
    if prepared.diff:
        text.append("\n").append_text(drawing.diff_text(prepared.diff))
    text.append("\n").append_text(drawing.heading("Text of the pull request"))
    return text.append(safe(redact(description), None))
