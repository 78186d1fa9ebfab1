"""What differs between two recipes."""

from __future__ import annotations

from smoltui.core.recipe import ABSENT, applied
from smoltui.core.recipe.differences import OWN, WHAT, differences, differing, take_all


def test_the_values_that_apply_are_compared() -> None:
    """A line with TRL's default is no difference; a key that only one of them sets is one. All can be taken over."""
    here = {"beta": 0.1, "seed": 7, "loss_type": "sigmoid", "output_dir": "a", "bf16": True, "foo": 1}
    there = {"beta": 0.5, "loss_type": ["sigmoid"], "output_dir": "b", "max_length": None}
    found = differences(here, there)
    assert [(one.key, *one.words) for one in found] == [
        ("max_length", "1024 (default)", "null"),
        ("beta", "0.1", "0.5"),
        ("seed", "7", "42 (default)"),
        ("output_dir", "a", "b"),
        ("foo", "1", "not set"),
    ]
    after = applied(here, take_all(found))
    assert after["output_dir"] == "a" and after["beta"] == 0.5 and "seed" not in after and after["max_length"] is None
    assert [one.key for one in differences(after, there)] == ["output_dir"]
    assert take_all(found).recipe["seed"] is ABSENT


def test_putting_everything_back_leaves_what_is_trained() -> None:
    """A list of one word is that word; model, pairs and names stay if everything goes back to TRL's defaults."""
    here = {"model_name_or_path": "m", "loss_type": ["sigmoid"], "beta": 0.3, "output_dir": "mine", "seed": 42}
    assert differing(here, {}) == {"model_name_or_path", "beta", "output_dir"}
    assert differing(here, {**here, "beta": 0.1}) == {"beta"}
    assert take_all(differences(here, {}), keep=(*OWN, *WHAT)).recipe == {"beta": ABSENT}
