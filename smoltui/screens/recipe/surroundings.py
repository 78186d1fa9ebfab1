"""What the texts of the Recipe room need besides the recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from smoltui.core.machine.duration import Past
from smoltui.core.machine.model_shape import ModelShape
from smoltui.core.pairs.sizes import PairSizes
from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.place import Place
from smoltui.core.settings.settings import Settings

if TYPE_CHECKING:
    from smoltui.backends.project.preset import Preset


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the texts need besides the recipe."""

    settings: Settings
    place: Place | None = None
    """The place that is shown; None until the settings were read."""
    shape: ModelShape | None = None
    """Of the model; None if it cannot be determined."""
    accelerator: str | None = None
    """Of this machine; None without one."""
    cores: int = 0
    """Of this machine's processor; 0 until it was looked at."""
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
    sizes: PairSizes | None = None
    """Of the pairs; None if they were not measured."""
    sizes_of: tuple[object, ...] = ()
    """The values (`pairs_measured`) that they are for."""
    past: Mapping[str, Sequence[Past]] = field(default_factory=dict)
    """Name of hardware → what earlier runs on it took, compared with what was expected (`past_speeds`)."""
    flavors: Mapping[str, Flavor] = field(default_factory=dict)
    """Hardware of Jobs by name; empty until the Hub has listed it."""
    preset: Preset | None = None
    """What the project was made from; None if smoltui.toml names none, or one that does not exist."""

    @property
    def on_cluster(self) -> bool:
        """Whether runs go to other machines that share a disk with this one."""
        return self.place is not None and self.place.on_disk and not self.place.here

    command_here: str = ""
    command_jobs: str = ""
    """The commands that do the same by hand, on this machine and as a Job."""


def pairs_named(values: Mapping[str, object]) -> tuple[object, ...]:
    """The values of a recipe that determine its training pairs."""
    names = ("datasets", "dataset_name", "dataset_config", "dataset_train_split")
    return tuple(repr(values.get(name)) for name in names)


def pairs_measured(values: Mapping[str, object]) -> tuple[object, ...]:
    """The values of a recipe that determine how many tokens its pairs have."""
    return (*pairs_named(values), repr(values.get("model_name_or_path")), repr(values.get("model_revision")))
