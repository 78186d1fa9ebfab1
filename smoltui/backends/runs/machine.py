"""This machine from a project's point of view: where its checkpoints go, and what its recipe needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smoltui.backends.machine import devices
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_facts import recipe_shape
from smoltui.backends.project.recipe_file import load_project_recipe
from smoltui.core.machine.device import DeviceReport, Need
from smoltui.core.machine.fit import estimate
from smoltui.core.recipe import output_dir_of
from smoltui.errors import SmoltuiError

if TYPE_CHECKING:
    from smoltui.backends.pairs.counted import PairCounts
    from smoltui.core.pairs.sizes import PairSizes


@dataclass(frozen=True, slots=True)
class Machine:
    """The report about this machine, with what a project needs of it."""

    report: DeviceReport
    has_recipe: bool
    problem: str
    """Why recipe or settings cannot be used; empty if they can."""
    on: str
    """Engine that `train` uses when not told; empty for the first one."""
    need: Need | None
    """Memory that the recipe needs; None if unknown."""


def machine_for(project: Project, counts: PairCounts | None = None) -> Machine:
    """The report for the recipe's checkpoint folder, and what the recipe needs. Blocks for about 0.3 s.

    `counts` may know how long the recipe's pairs are; nothing is measured here.
    """
    folder, problem, on, values = project.folder, "", "", None
    if project.has_recipe:
        try:
            on = project.settings().on
            values = load_project_recipe(project).values
            folder = project.resolve(output_dir_of(values))
        except SmoltuiError as error:
            problem = error.message
    report = devices.device_report(folder)
    sizes = counts.known_sizes(project, values) if counts is not None and values is not None else None
    need = None if values is None else _need(project, values, report, sizes)
    return Machine(report, project.has_recipe, problem, on, need)


def _need(project: Project, values: Mapping[str, object], report: DeviceReport, sizes: PairSizes | None) -> Need | None:
    on_processor = not report.accelerators or values.get("use_cpu") is True
    longest = sizes.padded_to if sizes is not None else None
    fit = estimate(values, recipe_shape(project, values), cuda=not on_processor, longest=longest)
    return None if fit is None else Need("This recipe", fit, on_processor=on_processor, at_most=longest is None)
