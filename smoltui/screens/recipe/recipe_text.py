"""The texts of the Recipe room: form rows, help, checks, result and commands. Pure: values in, text out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich.text import Text

from smoltui.core.actions.own_keys import follow
from smoltui.core.machine.device import gib
from smoltui.core.preflight.preflight import memory_in_words
from smoltui.core.recipe import ABSENT, BY_KEY, FIELDS, OTHERS, Field, all_fields, field_for, show, unit_of
from smoltui.core.recipe.differences import Difference, differing
from smoltui.core.runs.pace import as_span
from smoltui.core.runs.place import Target
from smoltui.safe_text import redact, safe_line
from smoltui.screens.recipe.field_list import APART, CHANGED, Row
from smoltui.screens.recipe.outcome import Outcome, cost_in_words, outcome
from smoltui.screens.recipe.surroundings import Surroundings, pairs_named
from smoltui.widgets.check_list import Item

NO_MARKS = Text()
VERDICTS = {"fits": ("✓ fits", "green"), "tight": ("! tight", "yellow"), "no": ("✗ does not fit", "red")}


def rows(values: Mapping[str, object], items: Sequence[Item], preset: Mapping[str, object] | None = None) -> list[Row]:
    """The form: the important fields, what else the file sets, and every other key of TRL, section by section.

    `preset`: what the values are compared with, besides TRL's defaults; None: nothing.
    """
    changed = differing(values, {})
    apart = differing(values, preset) if preset is not None else frozenset()
    worst = {item.name: item.level.value for item in reversed(items)}
    others = [replace(field_for(key), group=OTHERS) for key in values if key not in BY_KEY]
    rest = [field for field in all_fields() if field.key not in BY_KEY and field.key not in values]
    made: list[Row] = []
    group = ""
    for field in (*FIELDS, *others, *rest):
        if field.group != group:
            group = field.group
            made.append(Row("", group))
        held = field.key in values
        value = values.get(field.key, field.default)
        value = field.unset if value is None else value
        unit = unit_of(field, value) if value is not None else ""
        shown = show(field, value) or ("none" if held else "–")
        marks = field.key in changed, field.key in apart
        made.append(Row(field.key, field.label, shown, unit, held, *marks, worst.get(field.key, "")))
    return made


def marks_in_words(key: str, values: Mapping[str, object], around: Surroundings) -> Text:
    """What the marks of a field mean: the value that TRL, and the preset, would have."""
    field, text = field_for(key), Text()
    if key in differing(values, {}):
        default = show(field, field.unset if field.default is None else field.default)
        text.append(f"  {CHANGED}", "cyan").append(f" TRL: {safe_line(default, 40) or 'none'}", "dim")
    if around.preset is not None and key in differing(values, around.preset.recipe):
        there = Difference(key, ABSENT, around.preset.recipe.get(key, ABSENT)).words[1]
        text.append(f"  {APART}", "magenta").append(f" {around.preset.name}: {safe_line(there, 40)}", "dim")
    return text


def about(field: Field, line: int | None, marks: Text = NO_MARKS) -> Text:
    """Help for a field: meaning, range, TRL's default and source. `marks`: as `marks_in_words`."""
    text = Text().append(safe_line(field.label, 60), "bold")
    if field.label != field.key:
        text.append(f"  {safe_line(field.key, 60)}", "cyan")
    if line:
        text.append(f"  line {line}", "dim")
    elif field.source:
        text.append("  not in the file", "dim")
    text.append_text(marks)
    text.append(f"\n{field.help}")
    default = show(field, field.unset if field.default is None else field.default)
    facts = [field.range_text, field.unit if field.kind != "steps" else ""]
    if field.kind in ("bool", "choice"):
        facts.append(follow("space: next value", ["recipe"]))
    if field.source:
        facts.append(f"TRL's default: {default or 'none'}")
    text.append("\n" + " · ".join(filter(None, facts)), "dim")
    if field.ours is not None:
        text.append(f"\nRecommended: {show(field, field.ours)}, because {field.why}", "dim")
    if field.source:
        text.append(f"\nSource: {field.source}", "dim")
    return text


def sums(values: Mapping[str, object], around: Surroundings, target: Target) -> Text:
    """Steps, epochs and memory; for this machine also whether it has enough memory."""
    local = target is Target.LOCAL and not around.on_cluster
    text = Text().append("Result of this recipe", "bold")
    found = outcome(values, around, target)
    text.append(f"\n{found.summary.sentence}")
    if around.rows_of == pairs_named(values) and around.rows is not None and around.decided:
        text.append("\nbefore decisions made in Pairs; press t for the final count", "dim")
    text.append(f"\n{memory_in_words(found.fit)}")
    if local and found.fit is not None and around.memory_name:
        word, style = VERDICTS.get(found.fit.verdict(around.memory), ("? unknown", "dim"))
        text.append(f"\n{word}", style)
        text.append(f": {gib(around.memory)} free on {safe_line(around.memory_name, 60)}")
    if found.time is not None:
        text.append(f"\n{as_span(found.time.low, found.time.high)} of training")
        text.append(f", {cost}" if (cost := cost_in_words(found)) else "")
        text.append(f" ({found.time.assumed})", "dim")
    elif why := _no_time(found, around, target):
        text.append(f"\ntime unknown: {why}", "dim")
    return text


def sums_in_brief(values: Mapping[str, object], around: Surroundings, target: Target) -> Text:
    """The same in two lines, for a small terminal."""
    found = outcome(values, around, target)
    text, fit = Text(found.summary.sentence), found.fit
    if target is Target.LOCAL and not around.on_cluster and fit is not None and around.memory_name:
        word, style = VERDICTS.get(fit.verdict(around.memory), ("? unknown", "dim"))
        text.append("\n").append(word, style).append(f": needs {gib(fit.needed)} of {gib(around.memory)} free")
    else:
        text.append(f"\nmemory about {gib(fit.needed)}" if fit is not None else f"\n{memory_in_words(None)}")
    if found.time is not None:
        text.append(f" · {as_span(found.time.low, found.time.high)}")
        text.append(f" · {cost}" if (cost := cost_in_words(found)) else "")
    elif _no_time(found, around, target):
        text.append(" · time unknown", "dim")
    return text


def _no_time(found: Outcome, around: Surroundings, target: Target) -> str:
    """Why there is no estimate of the time, for the end of a sentence; empty while that is not known either."""
    if not around.memory_name and target is Target.LOCAL:
        return ""
    if found.summary.steps is None:
        return "the number of steps is unknown"
    if around.shape is None:
        return "the model's shape is unknown"
    slurm = around.settings.slurm
    if target is Target.LOCAL and around.on_cluster and slurm.gpus and not slurm.gpu_type:
        return "slurm.gpu_type in smoltui.toml names no GPU"
    return "no speed is known for this hardware and type of weights"


def commands(around: Surroundings, target: Target, *, one_line: bool) -> Text:
    """The equivalent commands for here and for Jobs; the selected one is marked."""
    text = Text(no_wrap=one_line, overflow="ellipsis" if one_line else "fold")
    for name, label, command in (
        (Target.LOCAL, "here", around.command_here),
        (Target.JOB, "Jobs", around.command_jobs),
    ):
        current = name is target
        text.append(f"{'▸' if current else ' '}{label}  ", "bold" if current else "dim")
        text.append(_shortened(safe_line(redact(command), 4000)), "" if current else "dim")
        text.append("\n" if name is Target.LOCAL else "")
    return text


def _shortened(command: str) -> str:
    """A command with the files that it ships beside the script counted: `--beside … (9 files; …)`."""
    count = command.count(" --beside ")
    if count < 2:
        return command
    said = follow("y copies the whole command", ["recipe"])
    return _BESIDE.sub(f" --beside … ({count} files; {said})", command, count=1)


_BESIDE = re.compile(r"(?: --beside (?:'[^']*'|\S+))+")
