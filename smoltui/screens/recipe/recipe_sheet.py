"""recipe.yaml in the Recipe room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.text import Text

from smoltui.backends.project.project import RECIPE_NAME
from smoltui.backends.project.recipe_file import RecipeFile, load_recipe
from smoltui.core.recipe import ABSENT, Fix, check, field_for, parse, show
from smoltui.core.recipe.differences import OWN, WHAT, Difference, differences, differing, take_all
from smoltui.core.recipe.values import NULL
from smoltui.core.runs.place import Target
from smoltui.errors import RecipeError
from smoltui.screens.recipe.effects import effects
from smoltui.screens.recipe.field_list import Row
from smoltui.screens.recipe.recipe_text import about, marks_in_words, rows, sums, sums_in_brief
from smoltui.screens.recipe.sheet import Put, Reset, Sheet
from smoltui.screens.recipe.surroundings import Surroundings
from smoltui.screens.undoing import in_words
from smoltui.widgets.check_list import Item


class RecipeSheet(Sheet):
    """The recipe. A change is made in the present file, and what another program wrote stays."""

    NAME: ClassVar[str] = RECIPE_NAME

    def __init__(self, file: RecipeFile) -> None:
        self._file = file

    @property
    def text(self) -> str:
        return self._file.text

    @property
    def values(self) -> Mapping[str, object]:
        return self._file.values

    def line_of(self, key: str) -> int | None:
        return self._file.line_of(key)

    def rows(self, values: Mapping[str, object], items: Sequence[Item], around: Surroundings) -> list[Row]:
        return rows(values, items, around.preset.recipe if around.preset is not None else None)

    def about(self, key: str, values: Mapping[str, object], around: Surroundings) -> Text:
        return about(field_for(key), self._file.line_of(key), marks_in_words(key, values, around))

    def resets(self, key: str, values: Mapping[str, object], around: Surroundings) -> list[Reset]:
        found: list[Reset] = []
        if around.preset is not None:
            name, preset = around.preset.name, around.preset.recipe
            if key in differing(values, preset):
                there = Difference(key, values.get(key, ABSENT), preset.get(key, ABSENT))
                found.append(Reset("p", f"{key} to that of the preset {name}: {there.words[1]}", there.fix))
        if key in values:
            there = Difference(key, values[key], ABSENT)
            found.append(Reset("t", f"{key} to TRL's default: {there.words[1].removesuffix(' (default)')}", there.fix))
        if around.preset is not None and (fix := take_all(differences(values, preset))).writes:
            found.append(Reset("P", f"all fields to the preset {name}, {_counted(fix)}", fix))
        if (fix := take_all(differences(values, {}), keep=(*OWN, *WHAT))).writes:
            found.append(Reset("T", f"all but model and pairs to TRL's defaults, {_counted(fix)}", fix))
        return found

    def checks(self, values: Mapping[str, object], around: Surroundings, target: Target) -> tuple[str, list[Item]]:
        on_cluster = around.on_cluster and target is not Target.JOB
        found = check(
            values,
            target=target,
            has_bf16=True if target is Target.JOB else None if on_cluster else around.has_bf16,
            model_type=around.shape.kind if around.shape else None,
        )
        items = [Item(item.level, item.sentence, item.next_step, item.fix, item.key) for item in found]
        where = "Jobs" if target is Target.JOB else "Slurm" if on_cluster else "this machine"
        return f"Checks for {where}", items

    def totals(self, values: Mapping[str, object], around: Surroundings, target: Target, *, brief: bool) -> Text:
        return sums_in_brief(values, around, target) if brief else sums(values, around, target)

    def effect(self, key: str, values: Mapping[str, object], around: Surroundings, target: Target) -> str:
        value = self.next_value(key, values.get(key, ABSENT)) if key else ABSENT
        if value is ABSENT:
            return ""
        return f"space: {self.shown(key, value)} · {effects(values, {**values, key: value}, around, target)}"

    def why_not_typed(self, key: str, values: Mapping[str, object]) -> str:
        field = field_for(key)
        if field.kind == "file" or (field.kind == "datasets" and not _editable(values.get("datasets") or [])):
            return f"{key} can only be edited in the file. Press e to open it."
        return ""

    def shown(self, key: str, value: object) -> str:
        field = field_for(key)
        return NULL if value is None else show(field, field.default if value is ABSENT else value)

    def parsed(self, key: str, text: str) -> object:
        return parse(field_for(key), text)

    def unit(self, key: str) -> str:
        return field_for(key).unit

    def next_value(self, key: str, value: object) -> object:
        field = field_for(key)
        current = field.default if value is ABSENT else value
        if field.kind == "bool":
            return not (field.unset if current is None else current)
        if field.kind != "choice":
            return ABSENT
        where = field.choices.index(str(current)) if current in field.choices else -1
        return field.choices[(where + 1) % len(field.choices)]

    def changed_outside(self) -> bool:
        return self._file.changed_outside()

    def put(self, key: str, before: object, value: object) -> Put:
        file, said = self._file, ""
        if file.changed_outside():
            file, said = load_recipe(file.path), f" · another program changed {RECIPE_NAME} too"
        # Also if the file was not changed: it may be another program's version, read after the person saw `before`.
        now = file.values.get(key, ABSENT)
        if now not in (before, value):
            raise RecipeError(
                f"{key} was not saved: another program {self.word(key, now)} in the meantime",
                "Repeat the change to keep yours.",
            )
        if value is ABSENT:
            file.remove(key)
        else:
            file.set(key, value)
        made = in_words(file.save())
        return RecipeSheet(file), f"{made}{said}" if made else "", bool(said)


def _counted(fix: Fix) -> str:
    """How many fields change."""
    return f"{len(fix.recipe)} field{'' if len(fix.recipe) == 1 else 's'}: names and folders stay"


def _editable(sources: object) -> bool:
    """Whether the sources are unchanged after being shown in one line and parsed again."""
    field = field_for("datasets")
    try:
        return not sources or bool(parse(field, show(field, sources)) == sources)
    except ValueError:
        return False
