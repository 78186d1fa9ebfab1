"""The texts of the Recipe room: form rows, help, checks, result and commands. Pure: values in, text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.text import Text

from smoltui.core.machine.device import gib
from smoltui.core.machine.fit import estimate
from smoltui.core.machine.model_shape import ModelShape
from smoltui.core.preflight.preflight import memory_in_words
from smoltui.core.recipe import BY_KEY, FIELDS, OTHERS, Field, all_fields, field_for, show, summarise, unit_of
from smoltui.core.runs.place import Target
from smoltui.core.settings.settings import Settings
from smoltui.safe_text import redact, safe_line
from smoltui.screens.recipe.field_list import Row
from smoltui.widgets.check_list import Item

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


def rows(values: Mapping[str, object], items: Sequence[Item]) -> list[Row]:
    """The form: the important fields, what else the file sets, and every other key of TRL, section by section."""
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


def sums_in_brief(values: Mapping[str, object], around: Surroundings, target: Target) -> Text:
    """The same in two lines, for a small terminal."""
    counted = around.rows if around.rows_of == pairs_named(values) else None
    text = Text(summarise(values, counted).sentence)
    local = target is Target.LOCAL
    fit = estimate(values, around.shape, cuda=around.cuda or not local)
    if local and fit is not None and around.memory_name:
        word, style = VERDICTS.get(fit.verdict(around.memory), ("? unknown", "dim"))
        return text.append("\n").append(word, style).append(f": needs {gib(fit.needed)} of {gib(around.memory)} free")
    return text.append(f"\nmemory about {gib(fit.needed)}" if fit is not None else f"\n{memory_in_words(None)}")


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
