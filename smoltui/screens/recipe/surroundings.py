"""What the texts of the Recipe room need besides the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smoltui.core.machine.model_shape import ModelShape
from smoltui.core.settings.settings import Settings

if TYPE_CHECKING:
    from smoltui.backends.project.preset import Preset


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
    preset: Preset | None = None
    """What the project was made from; None if smoltui.toml names none, or one that does not exist."""
    command_here: str = ""
    command_jobs: str = ""
    """The commands that do the same by hand, on this machine and as a Job."""


def pairs_named(values: Mapping[str, object]) -> tuple[object, ...]:
    """The values of a recipe that determine its training pairs."""
    names = ("datasets", "dataset_name", "dataset_config", "dataset_train_split")
    return tuple(repr(values.get(name)) for name in names)
