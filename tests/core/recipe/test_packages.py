"""What a recipe needs beside the training script's own packages."""

from __future__ import annotations

import pytest

from smoltui.core.recipe import snapshot
from smoltui.core.recipe.packages import packages_for


def test_a_plain_recipe_needs_nothing() -> None:
    """The defaults of TRL, an adapter and Trackio are covered by the script's header."""
    assert packages_for({}) == ()
    assert packages_for({"use_peft": True, "report_to": "trackio", "optim": "adamw_torch", "bf16": True}) == ()


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"load_in_4bit": True, "use_peft": True}, {"bitsandbytes": "load_in_4bit"}),
        ({"load_in_8bit": True, "optim": "adamw_8bit"}, {"bitsandbytes": "load_in_8bit"}),
        ({"optim": "paged_adamw_32bit"}, {"bitsandbytes": "optim: paged_adamw_32bit"}),
        ({"optim": "adamw_torch_8bit"}, {"torchao": "optim: adamw_torch_8bit"}),
        (
            {"optim": "galore_adamw_8bit"},
            {"bitsandbytes": "optim: galore_adamw_8bit", "galore-torch": "optim: galore_adamw_8bit"},
        ),
        ({"report_to": ["wandb", "trackio"]}, {"wandb": "report_to: wandb"}),
        ({"attn_implementation": "kernels-community/flash-attn2"}, {"kernels": None}),
        ({"model_init_kwargs": {"use_kernels": True}}, {"kernels": "model_init_kwargs.use_kernels"}),
        ({"use_liger_kernel": True}, {"liger-kernel": "use_liger_kernel"}),
    ],
)
def test_each_key_brings_its_package(values: dict[str, object], wanted: dict[str, str | None]) -> None:
    """With a version and the key that needs it."""
    found = {package.name: package for package in packages_for(values)}
    assert set(found) == set(wanted)
    for name, why in wanted.items():
        assert "=" in found[name].requirement and (why is None or found[name].needed_by == why)


def test_odd_values_need_nothing() -> None:
    """Whatever a recipe contains is no reason to fail here: the checks report it."""
    assert packages_for({"optim": 3, "report_to": {"a": 1}, "model_init_kwargs": "x", "load_in_4bit": "no"}) == ()


def test_every_optimizer_of_trl_is_known_to_need_a_package_or_none() -> None:
    """Those of torch and transformers themselves need none; a new one of TRL has to be placed."""
    own = {"adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adagrad", "rmsprop"}
    elsewhere = {"adamw_anyprecision"}  # torchdistx has no release, so a rule stops it
    needless = {name for name in snapshot().keys["optim"].choices if not packages_for({"optim": name})}
    assert needless == own | elsewhere
