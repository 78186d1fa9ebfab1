"""Every field is found by its name, and the important ones by what a person would type."""

from __future__ import annotations

import pytest

from smoltui.core.recipe.fields import BY_KEY, all_fields
from smoltui.core.recipe.help import help_of
from smoltui.core.recipe.keys import snapshot
from smoltui.core.recipe.search import Findable, found

FIELDS = [Findable(field.key, field.label, field.help, field.key in BY_KEY) for field in all_fields()]


def test_every_key_is_found_by_its_name() -> None:
    """With underscores, spaces or dashes; and each has a help text."""
    assert {field.key for field in FIELDS} == set(snapshot().keys)
    for field in FIELDS:
        for typed in (field.key, field.key.replace("_", " "), field.key.replace("_", "-").upper()):
            assert found(typed, FIELDS)[0] == field.key, typed
        assert help_of(field.key) and field.help, field.key


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("beta", "beta"),
        ("lerning rate", "learning_rate"),
        ("batch", "per_device_train_batch_size"),
        ("scheduler", "lr_scheduler_type"),
        ("clip gradient", "max_grad_norm"),
        ("nested quantization", "use_bnb_nested_quant"),
        ("gas", "gradient_accumulation_steps"),
        ("xyzzy", None),
        ("  ", None),
    ],
)
def test_what_a_person_types(typed: str, first: str | None) -> None:
    """Parts, words of the help, typos and initials; nothing for nonsense."""
    assert next(iter(found(typed, FIELDS)), None) == first
