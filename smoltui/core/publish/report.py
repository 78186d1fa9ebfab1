"""A run as a page: everything that is known of it, as Markdown (`report_page.py` makes HTML of it)."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from smoltui.core.evaluation.sheet import Cell, Sheet, sampling_in_words
from smoltui.core.evaluation.thoughts import split
from smoltui.core.publish import curves
from smoltui.core.publish.card import facts, fenced, plain, table
from smoltui.core.publish.record import Record
from smoltui.core.runs.metrics import METRICS, as_word
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.run import Run

PAGE, TEXT, PICTURE = "report.html", "report.md", "report-curves.svg"
"""Names of the files."""
MADE_BY = "<!-- made by smoltui report -->"
"""First line of the Markdown: a file with it may be replaced by a newer report."""
MOST_PROMPTS = 40
"""Prompts whose answers are shown; a set can have 20,000."""
MOST_CHARACTERS = 4_000
"""Of one prompt or answer."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says, in addition to the record that a model card is made of too."""

    record: Record
    run: Run
    where: str
    """The engine, as a name inside a sentence: `this machine`."""
    checks: Sequence[str]
    """Results of the checks before the start, one sentence each with its mark."""
    reading: str
    """What the curves show, one line; empty without any."""
    answers: Sequence[Sheet]
    """Stored answers, one sheet for each set of prompts, the newest first."""
    made_at: float
    """Seconds since the epoch."""

    @property
    def title(self) -> str:
        """Its heading, as plain text."""
        return f"Run {self.run.name}"


def head(report: Report) -> str:
    """The Markdown above the curves: title and state of the run."""
    run, record = report.run, report.record
    steps = f"{run.step:,} of {run.max_steps:,}" if run.max_steps else f"{run.step:,}"
    rows = [
        ("run", f"`{_code(run.id)}` on {plain(report.where)}{f', {plain(run.flavor)}' if run.flavor else ''}"),
        ("stage", plain(run.stage)),
        ("steps", steps),
        ("started", _moment(run.started_at)),
        ("time", as_time(run.duration(report.made_at))),
    ]
    if run.message:
        rows.append(("message", plain(run.message)))
    if run.hint and run.is_final:
        rows.append(("next step", plain(run.hint)))
    if run.labels:
        rows.append(("labels", ", ".join(f"{plain(key)}={plain(value)}" for key, value in run.labels.items())))
    if run.pushed_to:
        rows.append(("pushed to", plain(run.pushed_to)))
    rows.append(("base model", plain(record.base.repo or record.base.name)))
    return "\n".join([MADE_BY, "", f"# {plain(report.title)}", "", *table(("", ""), rows), ""])


def body(report: Report) -> str:
    """The Markdown below the curves."""
    known = facts(report.record)
    parts = [
        [f"**Reading:** {plain(report.reading)}"] if report.reading else [],
        _figures(report.record),
        known.pop("training"),
        known.pop("pairs"),
        known.pop("held-out"),
        *(_answers(sheet) for sheet in report.answers),
        known.pop("votes"),
        known.pop("benchmarks"),
        _checks(report.checks),
        known.pop("recipe"),
        *known.values(),
        [f"Report of {_moment(report.made_at)}."],
    ]
    return "\n".join(line for part in parts if part for line in [*part, ""])


def markdown(report: Report) -> str:
    """The whole report. The curves are in the file `PICTURE` beside it, which it names; without it, figures remain."""
    drawn = f"![{curves.TITLE}]({PICTURE})\n\n{BESIDE}\n\n"
    picture = drawn if curves.can_draw(report.record.curves) else NO_CURVES
    return f"{head(report)}\n{picture}{body(report)}"


BESIDE = f"The curves above are the file `{PICTURE}`, saved beside this one. The table below has them in small."
NO_CURVES = "No curve: the run has logged no metric yet.\n\n"


def _moment(at: float | None) -> str:
    return "–" if at is None else time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def _code(text: str) -> str:
    return plain(text).replace("\\", "")


def _figures(record: Record) -> list[str]:
    """The values behind the curves: first, last, and last on held-out pairs."""
    rows = []
    for metric in METRICS:
        points, held_out = record.curves.get(metric.key, ()), record.curves.get(f"eval_{metric.key}", ())
        if points or held_out:
            ends = [points[0][1], points[-1][1]] if points else [None, None]
            values = [*ends, held_out[-1][1] if held_out else None]
            unit = f", {metric.unit}" if metric.unit else ""
            course = sparkline([value for _, value in points])
            rows.append((f"{metric.label}{unit}", *(as_word(value) for value in values), course))
    if not rows:
        return []
    about = "Lines: at each logged step. Squares: on held-out pairs."
    return [about, "", *table(("", "first", "last", "held-out pairs", "course"), rows)]


BARS = "▁▂▃▄▅▆▇█"
SPARKS = 24
"""Most signs of a curve in one line."""


def sparkline(values: Sequence[float]) -> str:
    """A curve in one line, from its lowest value to its highest; a value that is no number is a blank."""
    if len(values) > SPARKS:
        values = [values[at * len(values) // SPARKS] for at in range(SPARKS)]
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return ""
    low, high = min(known), max(known)
    step = (high - low) / (len(BARS) - 1) or 1.0
    return "".join(BARS[round((value - low) / step)] if math.isfinite(value) else " " for value in values)


def _checks(checks: Sequence[str]) -> list[str]:
    if not checks:
        return []
    return ["## Checks before the start", "", *[f"- {plain(check)}" for check in checks]]


def _answers(sheet: Sheet) -> list[str]:
    """The answers to one set of prompts."""
    answered = [index for index in range(len(sheet.prompts)) if any(sheet.cell(name, index) for name in sheet.names)]
    if not answered:
        return []
    named = f": {plain(sheet.prompt_set.rpartition('/')[2])}" if sheet.prompt_set else ""
    lines = [f"## Answers{named}", ""]
    if sheet.sampling:
        lines += [f"{plain(sampling_in_words(sheet.sampling))}.", ""]
    for index in answered[:MOST_PROMPTS]:
        lines += [f"### Prompt {index + 1}", "", *fenced(_cut(_conversation(sheet, index))), ""]
        for column in sheet.columns:
            cell = sheet.cell(column.name, index)
            lines += [f"**{plain(column.name)}**", "", *_answer(cell), ""]
    if len(answered) > MOST_PROMPTS:
        lines += [f"And the answers to {len(answered) - MOST_PROMPTS:,} more prompts: `smoltui ask --answers`.", ""]
    return lines[:-1]


def _conversation(sheet: Sheet, index: int) -> str:
    prompt = sheet.prompts[index]
    return "\n\n".join([*(f"{role}: {text}" for role, text in prompt.before), prompt.text])


def _answer(cell: Cell | None) -> list[str]:
    if cell is None or not cell.done:
        return ["No answer."]
    if cell.left_out:
        return [f"No answer: {plain(cell.left_out)}"]
    said = split(cell.text)
    ended = cell.answered is None or cell.answered.ended
    lines = fenced(_cut(said.answer)) if said.answer.strip() else ["Empty."]
    return [*lines, *([] if ended else ["", "Cut off at the limit of tokens."])]


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}… ({len(text):,} characters)"
