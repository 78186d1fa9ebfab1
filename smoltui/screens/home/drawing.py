"""Home as text: the checklist, the next step, what else can be opened, and the machine in a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from smoltui.backends.guide.recent import Recent
from smoltui.backends.system.paths import shown_path
from smoltui.core.actions.own_keys import follow, own_key
from smoltui.core.guide.steps import SIGNS, Next, State, Step
from smoltui.core.runs.stage import Stage
from smoltui.safe_text import redact, safe_line

if TYPE_CHECKING:
    from smoltui.core.runs.run import Run

WHAT = "Teach SmolLM3 which of two answers is better (DPO)."
WHAT_WIDE = "Teach SmolLM3 which of two answers is better (DPO): look at pairs, train, compare before and after."
STYLES = {State.DONE: "green", State.NEXT: "bold cyan", State.PROBLEM: "bold red"}
"""State → style of its sign; others are dim."""
TITLE_CELLS, LABEL_CELLS, KEY_CELLS = 9, 17, 9
NOTE_SHARE = 0.42
"""Share of a wide line from which the notes start, after the words."""
RECENT_SHOWN, SHORT_PATH = 3, 30
STAGE_WORDS: Mapping[str, str] = {Stage.COMPLETED: "trained", Stage.CANCELED: "stopped", Stage.ERROR: "failed"}
HERE = ("home",)
"""The place whose keys are named."""


def _line(text: str, most: int = 300) -> str:
    return safe_line(redact(text), most)


def heading(name: str, folder: str, width: int) -> Text:
    """The project's name and folder."""
    line = Text(_line(name, 60), "bold", no_wrap=True).append(f"  {_line(folder)}", "not bold dim")
    line.truncate(max(width, 0), overflow="ellipsis")
    return line


def steps_text(steps: Sequence[Step], width: int, *, wide: bool) -> Text:
    """One line per step: sign, title, what is known, and at the right end the key that leads there."""
    keys = [_key(step) for step in steps]
    room = width - max([KEY_CELLS, *(key.cell_len for key in keys)]) - 2  # a person's own keys may be longer
    lines = [_step(step, room, wide=wide).append("  ").append_text(key) for step, key in zip(steps, keys, strict=True)]
    return Text("\n").join(lines)


def _key(step: Step) -> Text:
    key = Text()
    if step.key and step.verb:
        key.append(f"{own_key(step.key, HERE)} ", "bold cyan").append(step.verb)
    return key


def _step(step: Step, room: int, *, wide: bool) -> Text:
    """The line in `room` cells, without its key."""
    style = STYLES.get(step.state, "dim")
    line = Text(no_wrap=True).append(f"{SIGNS[step.state]} ", style)
    faint = step.state in (State.LATER, State.UNKNOWN)
    line.append(f"{step.title:<{TITLE_CELLS}} ", "dim" if faint else "bold")
    words = Text(_line(step.words), "dim" if faint else "")
    note = _line(step.note) if step.note else ""
    if wide and note:
        at = int(room * NOTE_SHARE) + TITLE_CELLS
        words.truncate(max(at - line.cell_len - 2, 8), overflow="ellipsis")
        line.append_text(words)
        line.pad_right(max(at - line.cell_len, 2))
        line.append(note, "dim")
    else:
        line.append_text(words)
        if note:
            line.append(f" · {note}", "dim")
    line.truncate(max(room, 0), overflow="ellipsis", pad=True)
    return line


def next_text(step: Next) -> Text:
    """The next step; its key stands out, as enter does it too."""
    sentence = _line(follow(step.sentence, HERE), 400)
    line = Text("▸ Next: ", "bold cyan").append(sentence[:1].lower() + sentence[1:], "bold")
    if step.key:
        line.append(follow("  (or enter)", HERE), "not bold dim")
    return line


def more_text(
    found: Sequence[str], has_recipe: bool, recent: Sequence[Recent], runs: Mapping[str, Run], width: int
) -> Text:
    """What else can be opened: pairs, a new project, recent projects."""
    shown = [_line(name, 40) for name in found[:3]]
    more = f" and {len(found) - 3:,} more" if len(found) > 3 else ""
    here = f"found here: {', '.join(shown)}{more}; or any file, or owner/name on the Hub"
    rows = [
        ("o", "pairs of your own", here if shown else "a file, a folder, or owner/name on the Hub"),
        ("n", "new project", "pairs, model, method, first recipe: step by step"),
        ("d", "demo", "a project that trains on any machine, without a download"),
    ]
    if recent:
        rows.append(
            ("p", "recent projects", " · ".join(recent_words(one, runs, SHORT_PATH) for one in recent[:RECENT_SHOWN]))
        )
    lines = []
    for key, label, words in rows:
        line = Text(no_wrap=True).append(f"{own_key(key, HERE)}  ", "bold cyan")
        line.append(f"{label:<{LABEL_CELLS}}  ").append(words, "dim")
        line.truncate(max(width, 0), overflow="ellipsis")
        lines.append(line)
    return Text("\n").join(lines)


def recent_words(one: Recent, runs: Mapping[str, Run], most: int = 200) -> str:
    """`~/my-dpo (stopped, step 120 of 1,000)`: the folder, and its newest run if that is known.

    Of a path with more than `most` characters, only the end is shown.
    """
    folder = str(one.folder)
    newest = next((run for run in runs.values() if run.project == folder), None)
    words = _line(shown_path(folder), 200)
    if len(words) > most:
        words = f"…/{_line(one.folder.name, most)}"
    return words if newest is None else f"{words} ({run_words(newest)})"


def run_words(run: Run) -> str:
    """A run in a few words: `running, step 12 of 48`."""
    word = STAGE_WORDS.get(run.stage) or _line(run.stage.lower(), 30)
    if run.stage == Stage.COMPLETED or not run.max_steps:
        return word
    return f"{word}, step {run.step:,} of {run.max_steps:,}"


def facts_text(rows: Sequence[tuple[str, str]], title: str, width: int) -> Text:
    """Labelled facts, one line each, below a title (empty: none)."""
    lines = [Text(title, "bold")] if title else []
    for label, value in rows:
        line = Text(f"{label:<9} ", "dim", no_wrap=True).append(_line(value), "not dim")
        line.truncate(max(width, 0), overflow="ellipsis")
        lines.append(line)
    return Text("\n").join(lines)
