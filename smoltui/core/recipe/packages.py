"""Packages that a recipe needs in addition to those of the training script."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from smoltui.core.recipe.effective import get


@dataclass(frozen=True, slots=True)
class Package:
    """A package, and what needs it."""

    requirement: str
    """As pip takes it, with the version that was the newest when it was added."""
    module: str
    """What is imported."""
    needed_by: str
    """Key of the recipe and its value, such as `load_in_4bit`."""

    @property
    def name(self) -> str:
        """Without the version."""
        return re.split(r"[=<>]", self.requirement)[0]


_VERSIONS: Mapping[str, tuple[str, str]] = {
    "bitsandbytes": ("bitsandbytes", "0.50.2"),
    "torchao": ("torchao", "0.18.0"),
    "galore-torch": ("galore_torch", "1.0"),
    "apollo-torch": ("apollo_torch", "1.0.3"),
    "lomo-optim": ("lomo_optim", "0.1.1"),
    "grokadamw": ("grokadamw", "0.1.2"),
    "schedulefree": ("schedulefree", "1.4.1"),
    "torch-optimi": ("optimi", "0.3.3"),
    "liger-kernel": ("liger_kernel", "0.8.5"),
    "kernels": ("kernels", ">=0.18.2,<0.19"),
    "flash-attn": ("flash_attn", "2.8.3.post2"),
    "wandb": ("wandb", "0.31.0"),
    "tensorboard": ("tensorboard", "2.21.0"),
    "mlflow": ("mlflow", "3.18.0"),
    "swanlab": ("swanlab", "0.10.3"),
    "comet-ml": ("comet_ml", "3.58.8"),
    "torch-xla": ("torch_xla", ""),
    "torch-npu": ("torch_npu", ""),
}
"""Package → module and version: the newest on PyPI on 30 November 2026; for kernels, the range that transformers 5.23
takes; none for those that must fit the installed torch."""

_OPTIMIZERS: Mapping[str, tuple[str, ...]] = {
    "bitsandbytes": ("adamw_bnb_8bit", "adamw_8bit", "ademamix", "lion", "paged", "rmsprop_bnb", "galore_adamw_8bit"),
    "torchao": ("adamw_torch_8bit", "adamw_torch_4bit"),
    "galore-torch": ("galore",),
    "apollo-torch": ("apollo",),
    "lomo-optim": ("lomo", "adalomo"),
    "grokadamw": ("grokadamw",),
    "schedulefree": ("schedule_free",),
    "torch-optimi": ("stable_adamw",),
    "torch-xla": ("adamw_torch_xla",),
    "torch-npu": ("adamw_torch_npu",),
}
"""Package → beginnings of the optimizers that it brings (transformers 5.23 `trainer.py`)."""
_REPORTS = {
    "wandb": "wandb",
    "tensorboard": "tensorboard",
    "mlflow": "mlflow",
    "swanlab": "swanlab",
    "comet_ml": "comet-ml",
}
"""Value of `report_to` → package. Trackio is one of the script's own."""


def packages_for(values: Mapping[str, Any]) -> tuple[Package, ...]:
    """What a recipe needs, each package once, in the order of the recipe's groups."""
    found: dict[str, Package] = {}
    for name, needed_by in _needed(values):
        module, version = _VERSIONS[name]
        pinned = f"{name}=={version}" if version[:1].isdecimal() else f"{name}{version}"
        found.setdefault(name, Package(pinned, module, needed_by))
    return tuple(found.values())


def _needed(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("load_in_4bit", "load_in_8bit"):
        if get(values, key) is True:
            yield "bitsandbytes", key
    optimizer = str(get(values, "optim"))
    for package, starts in _OPTIMIZERS.items():
        if optimizer.startswith(starts):
            yield package, f"optim: {optimizer}"
    if get(values, "use_liger_kernel") is True:
        yield "liger-kernel", "use_liger_kernel"
    attention, given = str(get(values, "attn_implementation") or ""), get(values, "model_init_kwargs")
    if attention.startswith("flash_attention"):
        yield "flash-attn", f"attn_implementation: {attention}"
    if "/" in attention:
        yield "kernels", f"attn_implementation: {attention}"
    if isinstance(given, Mapping) and given.get("use_kernels"):
        yield "kernels", "model_init_kwargs.use_kernels"
    reports = values.get("report_to")
    for name in reports if isinstance(reports, list) else [reports]:
        if isinstance(name, str) and name in _REPORTS:
            yield _REPORTS[name], f"report_to: {name}"
