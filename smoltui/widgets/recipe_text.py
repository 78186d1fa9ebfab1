"""What the Recipe room says: rows of the form, help, checks, sums and commands. Pure: values in, text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from smoltui.core.machine.device import gib
from smoltui.core.machine.fit import ModelShape, estimate
from smoltui.core.preflight.preflight import memory_in_words
from smoltui.core.recipe import FIELDS, OTHERS, Field, Finding, Level, field_for, is_ok, show, summarise, unit_of
from smoltui.core.runs.place import Target
from smoltui.core.settings.settings import Settings
from smoltui.safe_text import redact, safe_line
from smoltui.widgets.field_list import Row

LEVELS = {Level.STOP: ("✗ stop", "bold red"), Level.WARN: ("! warn", "yellow"), Level.PASS: ("✓ pass", "green")}
VERDICTS = {"fits": ("✓ fits", "green"), "tight": ("! tight", "yellow"), "no": ("✗ does not fit", "red")}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known beside the recipe itself."""

    settings: Settings
    shape: ModelShape | None = None
    cuda: bool = False
    has_bf16: bool | None = None
    memory: int | None = None
    """Bytes free on what trains here."""
    memory_name: str = ""
    """Empty until this machine was looked at."""
    rows: int | None = None
    """Pairs in the file that the recipe names; None where they were not counted."""
    rows_of: tuple[object, ...] = ()
    """The values (`pairs_named`) for which they were counted."""
    decided: bool = False
    """Fewer of them are trained on, by what was decided in the Pairs room."""
    command_here: str = ""
    command_jobs: str = ""


def pairs_named(values: Mapping[str, Any]) -> tuple[object, ...]:
    """What of a recipe says which pairs it trains on."""
    names = ("datasets", "dataset_name", "dataset_config", "dataset_train_split")
    return tuple(repr(values.get(name)) for name in names)


def rows(values: Mapping[str, Any], findings: Sequence[Finding]) -> list[Row]:
    """The form, group by group; keys that it has no words for come last."""
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
        shown = show(field, value) or ("nothing" if held else "–")
        changed = held and values[field.key] != field.default
        made.append(Row(field.key, field.label, shown, unit, held, changed, worst.get(field.key, "")))
    return made


def about(field: Field, line: int | None, changed: bool = False) -> Text:
    """What a field is, what it may be, TRL's default and where all that is said; `changed`: differs from it."""
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
        facts.append("space: the next")
    if field.source:
        facts.append(f"TRL's default: {default or 'nothing'}")
    text.append("\n" + " · ".join(filter(None, facts)), "dim")
    if field.ours is not None:
        text.append(f"\nBetter {show(field, field.ours)}: {field.why}", "dim")
    if field.source:
        text.append(f"\nSource: {field.source}", "dim")
    return text


def checks(findings: Sequence[Finding], target: Target) -> Text:
    """What is wrong, the gravest first, each with what mends it."""
    text = Text().append(f"Checks to run it {'on this machine' if target == Target.LOCAL else 'on Jobs'}", "bold")
    for finding in findings:
        word, style = LEVELS[finding.level]
        text.append(f"\n{word} ", style)
        text.append(safe_line(redact(finding.sentence), 400))
        if finding.mend:
            text.append(f"\n→ {safe_line(redact(finding.mend), 400)}", "dim")
    if is_ok(list(findings)):
        text.append("\n✓ pass ", "green")
        text.append("nothing stops it")
    return text


def sums(values: Mapping[str, Any], around: Surroundings, target: Target) -> Text:
    """Steps, epochs and memory; here also whether this machine has that memory."""
    local = target == Target.LOCAL
    text = Text().append("What it comes to", "bold")
    counted = around.rows if around.rows_of == pairs_named(values) else None
    text.append(f"\n{summarise(values, counted).sentence}")
    if counted is not None and around.decided:
        text.append("\nbefore what was decided in Pairs; t counts what is left", "dim")
    fit = estimate(values, around.shape, cuda=around.cuda or not local)
    text.append(f"\n{memory_in_words(fit)}")
    if local and fit is not None and around.memory_name:
        word, style = VERDICTS.get(fit.verdict(around.memory), ("? unknown", "dim"))
        text.append(f"\n{word}", style)
        text.append(f", {gib(around.memory)} free: {safe_line(around.memory_name, 60)}")
    return text


def commands(around: Surroundings, target: Target, *, one_line: bool) -> Text:
    """The commands that do the same by hand, here and on Jobs; the one that `t` would do is marked."""
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
