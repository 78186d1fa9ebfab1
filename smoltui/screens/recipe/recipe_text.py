"""The texts of the Recipe room: form rows, help, checks, result and commands. Pure: values in, text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from smoltui.core.machine.device import gib
from smoltui.core.machine.fit import estimate
from smoltui.core.machine.model_shape import ModelShape
from smoltui.core.preflight.preflight import memory_in_words
from smoltui.core.recipe import FIELDS, OTHERS, Field, Finding, Level, field_for, is_ok, show, summarise, unit_of
from smoltui.core.runs.place import Target
from smoltui.core.settings.settings import Settings
from smoltui.safe_text import redact, safe_line
from smoltui.screens.recipe.field_list import Row

LEVELS = {Level.STOP: ("✗ stop", "bold red"), Level.WARN: ("! warn", "yellow"), Level.PASS: ("✓ pass", "green")}
VERDICTS = {"fits": ("✓ fits", "green"), "tight": ("! tight", "yellow"), "no": ("✗ does not fit", "red")}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the texts need besides the recipe."""

    settings: Settings
    shape: ModelShape | None = None
    """Of the model; None if it cannot be determined."""
    cuda: bool = False
    """Training here uses CUDA."""
    has_bf16: bool | None = None
    """The device here supports bf16; None if unknown."""
    memory: int | None = None
    """Free bytes on the device that trains here; None if unknown."""
    memory_name: str = ""
    """Empty until this machine has been checked."""
    rows: int | None = None
    """Pairs in the file that the recipe names; None if they have not been counted."""
    rows_of: tuple[object, ...] = ()
    """The values (`pairs_named`) that the count is for."""
    decided: bool = False
    """Decisions made in the Pairs room reduce the pairs trained on."""
    command_here: str = ""
    command_jobs: str = ""
    """The commands that do the same by hand, on this machine and as a Job."""


def pairs_named(values: Mapping[str, object]) -> tuple[object, ...]:
    """The values of a recipe that determine its training pairs."""
    names = ("datasets", "dataset_name", "dataset_config", "dataset_train_split")
    return tuple(repr(values.get(name)) for name in names)


def rows(values: Mapping[str, object], findings: Sequence[Finding]) -> list[Row]:
    """The form, group by group; unknown keys come last."""
    worst = {finding.key: finding.level.value for finding in reversed(findings)}
    others = [field_for(key) for key in values if field_for(key).group == OTHERS]
    made: list[Row] = []
    group = ""
    for field in (*FIELDS, *others):
        if field.group != group:
            group = field.group
            made.append(Row("", group))
        held = field.key in values
        value = values.get(field.key, field.default)
        value = field.unset if value is None else value
        unit = unit_of(field, value) if value is not None else ""
        shown = show(field, value) or ("none" if held else "–")
        changed = held and values[field.key] != field.default
        made.append(Row(field.key, field.label, shown, unit, held, changed, worst.get(field.key, "")))
    return made


def about(field: Field, line: int | None, changed: bool = False) -> Text:
    """Help for a field: meaning, range, TRL's default and source; `changed`: its value differs from the default."""
    text = Text().append(safe_line(field.label, 60), "bold")
    if field.label != field.key:
        text.append(f"  {safe_line(field.key, 60)}", "cyan")
    if line:
        text.append(f"  {'●' if changed else '·'} line {line}", "dim")
    elif field.source:
        text.append("  not in the file", "dim")
    text.append(f"\n{field.help}")
    default = show(field, field.unset if field.default is None else field.default)
    facts = [field.range_text, field.unit if field.kind != "steps" else ""]
    if field.kind in ("bool", "choice"):
        facts.append("space: next value")
    if field.source:
        facts.append(f"TRL's default: {default or 'none'}")
    text.append("\n" + " · ".join(filter(None, facts)), "dim")
    if field.ours is not None:
        text.append(f"\nRecommended: {show(field, field.ours)}, because {field.why}", "dim")
    if field.source:
        text.append(f"\nSource: {field.source}", "dim")
    return text


def checks(findings: Sequence[Finding], target: Target) -> Text:
    """The problems, most severe first, each with its fix."""
    text = Text().append(f"Checks for {'this machine' if target is Target.LOCAL else 'Jobs'}", "bold")
    for finding in findings:
        word, style = LEVELS[finding.level]
        text.append(f"\n{word} ", style)
        text.append(safe_line(redact(finding.sentence), 400))
        if finding.next_step:
            text.append(f"\n→ {safe_line(redact(finding.next_step), 400)}", "dim")
    if is_ok(list(findings)):
        text.append("\n✓ pass ", "green")
        text.append("nothing blocks this run")
    return text


def sums(values: Mapping[str, object], around: Surroundings, target: Target) -> Text:
    """Steps, epochs and memory; for this machine also whether it has enough memory."""
    local = target is Target.LOCAL
    text = Text().append("Result of this recipe", "bold")
    counted = around.rows if around.rows_of == pairs_named(values) else None
    text.append(f"\n{summarise(values, counted).sentence}")
    if counted is not None and around.decided:
        text.append("\nbefore decisions made in Pairs; press t for the final count", "dim")
    fit = estimate(values, around.shape, cuda=around.cuda or not local)
    text.append(f"\n{memory_in_words(fit)}")
    if local and fit is not None and around.memory_name:
        word, style = VERDICTS.get(fit.verdict(around.memory), ("? unknown", "dim"))
        text.append(f"\n{word}", style)
        text.append(f": {gib(around.memory)} free on {safe_line(around.memory_name, 60)}")
    return text


def commands(around: Surroundings, target: Target, *, one_line: bool) -> Text:
    """The equivalent commands for here and for Jobs; the selected one is marked."""
    text = Text(no_wrap=one_line, overflow="ellipsis" if one_line else "fold")
    for name, label, command in (
        (Target.LOCAL, "here", around.command_here),
        (Target.JOB, "Jobs", around.command_jobs),
    ):
        current = name is target
        text.append(f"{'▸' if current else ' '}{label}  ", "bold" if current else "dim")
        text.append(safe_line(redact(command), 1000), "" if current else "dim")
        text.append("\n" if name is Target.LOCAL else "")
    return text
