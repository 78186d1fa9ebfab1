"""What differs between two recipes: keys with the values that apply, TRL's default where a recipe has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smoltui.core.recipe.changes import ABSENT, SECRET
from smoltui.core.recipe.fields import all_fields, field_for
from smoltui.core.recipe.fix import Fix
from smoltui.core.recipe.values import NULL, show
from smoltui.safe_text import redact, safe_line

OWN = ("output_dir", "run_name", "project", "hub_model_id", "resume_from_checkpoint", "trackio_space_id")
"""Keys that belong to a project; taking over everything leaves them alone."""


WHAT = (
    *("model_name_or_path", "model_revision", "datasets", "dataset_name", "dataset_config"),
    *("dataset_train_split", "dataset_test_split"),
)
"""Keys that say what is trained, and on which pairs."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One key; `ABSENT` where a recipe does not set it."""

    key: str
    here: Any
    there: Any

    @property
    def words(self) -> tuple[str, str]:
        """Both values as shown."""
        return _shown(self.key, self.here), _shown(self.key, self.there)

    @property
    def fix(self) -> Fix:
        """Takes over the other value."""
        return Fix(recipe={self.key: self.there})


def differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[Difference]:
    """Keys whose values differ, in the order of the form; a line with TRL's default is none."""
    order = [field.key for field in all_fields()]
    keys = dict.fromkeys([*order, *here, *there])
    differ = differing(here, there)
    return [Difference(key, here.get(key, ABSENT), there.get(key, ABSENT)) for key in keys if key in differ]


def differing(here: Mapping[str, Any], there: Mapping[str, Any]) -> frozenset[str]:
    """The keys whose values differ."""
    keys = dict.fromkeys([*here, *there])
    return frozenset(
        key for key in keys if not _alike(_applies(key, here.get(key, ABSENT)), _applies(key, there.get(key, ABSENT)))
    )


def take_all(found: list[Difference], keep: Sequence[str] = OWN) -> Fix:
    """Takes over every value but those that belong to a project, such as its output folder."""
    return Fix(recipe={one.key: one.there for one in found if one.key not in keep})


def _applies(key: str, value: Any) -> Any:
    field = field_for(key)
    if value is ABSENT or value is None:
        return field.default if value is ABSENT and field.default is not None else field.unset
    return value


def _alike(left: Any, right: Any) -> bool:
    if isinstance(left, list) != isinstance(right, list):  # one word may be written without brackets
        left, right = (value if isinstance(value, list) else [value] for value in (left, right))
    return bool(left == right) and isinstance(left, bool) is isinstance(right, bool)


def _shown(key: str, value: Any) -> str:
    field = field_for(key)
    if value is ABSENT:
        default = field.unset if field.default is None else field.default
        return f"{show(field, default)} (default)" if default not in (None, "", []) else "not set"
    if key in SECRET:
        return "…"
    return NULL if value is None else safe_line(redact(show(field, value)), 200)
