"""The fields of both files, as a search finds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from rich.text import Text

from smoltui.backends.project.project import RECIPE_NAME
from smoltui.core.recipe.fields import BY_KEY, all_fields
from smoltui.core.recipe.help import help_of
from smoltui.core.recipe.search import Findable
from smoltui.core.setting_fields.fields import setting_fields
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.screens.recipe.field_list import Row


@lru_cache(maxsize=1)
def _all() -> tuple[Findable, ...]:
    recipe = tuple(
        Findable(field.key, field.label, f"{field.help} {field.unit} {help_of(field.key)}", field.key in BY_KEY)
        for field in all_fields()
    )
    settings = tuple(Findable(field.key, field.label, field.help) for field in setting_fields().values())
    return recipe + settings


def findable(values: Mapping[str, object]) -> list[Findable]:
    """Every field; those that the open file sets are decisive, too."""
    others = [Findable(key, key, "") for key in values if "." not in key and key not in _keys()]
    held = [Findable(field.key, field.label, field.help, field.decisive or field.key in values) for field in _all()]
    return held + others


@lru_cache(maxsize=1)
def _keys() -> frozenset[str]:
    return frozenset(field.key for field in _all())


def found_rows(keys: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """Rows for the keys that were found, in their order; those of the other file only say where they are."""
    shown = {row.key: row for row in rows if row.key}
    return [shown.get(key) or _elsewhere(key) for key in keys]


def _elsewhere(key: str) -> Row:
    return Row(key, key, FILE_NAME if "." in key else RECIPE_NAME)


def about_found(key: str) -> Text:
    """Help for a field of the file that is not open."""
    field = next((field for field in _all() if field.key == key), None)
    text = Text().append(key, "bold").append(f"  in {FILE_NAME if '.' in key else RECIPE_NAME}", "dim")
    return text if field is None else text.append(f"\n{field.help.replace('`', '')}")
