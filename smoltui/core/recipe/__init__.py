"""The recipe: its fields, its problems, its result in numbers, and the command that runs it."""

from typing import TYPE_CHECKING

from smoltui.late_names import late_names

if TYPE_CHECKING:
    from smoltui.core.recipe.changes import ABSENT, change_in_words, changes_in_words
    from smoltui.core.recipe.checks import check, is_ok
    from smoltui.core.recipe.effective import checkpointing, get, mixed_precision, output_dir_of, weight_type
    from smoltui.core.recipe.fields import BY_KEY, FIELDS, OTHERS, Field, all_fields, field_for
    from smoltui.core.recipe.finding import Finding, Level
    from smoltui.core.recipe.fix import Act, Fix, applied
    from smoltui.core.recipe.keys import GONE, Key, near, snapshot
    from smoltui.core.recipe.summary import Summary, command, epochs_of, rows_of, summarise
    from smoltui.core.recipe.trainer_rules import DIVERGENCES
    from smoltui.core.recipe.values import is_placeholder, parse, show, show_number, unit_of
else:
    __getattr__ = late_names(
        __name__,
        {
            "changes": "ABSENT change_in_words changes_in_words",
            "checks": "check is_ok",
            "effective": "checkpointing get mixed_precision output_dir_of weight_type",
            "fields": "BY_KEY FIELDS OTHERS Field all_fields field_for",
            "finding": "Finding Level",
            "fix": "Act Fix applied",
            "keys": "GONE Key near snapshot",
            "summary": "Summary command epochs_of rows_of summarise",
            "trainer_rules": "DIVERGENCES",
            "values": "is_placeholder parse show show_number unit_of",
        },
    )

__all__ = [
    "ABSENT",
    "BY_KEY",
    "DIVERGENCES",
    "FIELDS",
    "GONE",
    "OTHERS",
    "Act",
    "Field",
    "Finding",
    "Fix",
    "Key",
    "Level",
    "Summary",
    "all_fields",
    "applied",
    "change_in_words",
    "changes_in_words",
    "check",
    "checkpointing",
    "command",
    "epochs_of",
    "field_for",
    "get",
    "is_ok",
    "is_placeholder",
    "mixed_precision",
    "near",
    "output_dir_of",
    "parse",
    "rows_of",
    "show",
    "show_number",
    "snapshot",
    "summarise",
    "unit_of",
    "weight_type",
]
