"""This machine from a project's point of view: where its checkpoints go, and what its recipe needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from smoltui.backends.machine import devices
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_facts import recipe_shape
from smoltui.backends.project.recipe_file import load_project_recipe
from smoltui.core.machine.device import DeviceReport, Need
from smoltui.core.machine.fit import estimate
from smoltui.core.recipe import output_dir_of
from smoltui.errors import SmoltuiError


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


def machine_for(project: Project) -> Machine:
    """The report for the recipe's checkpoint folder, and what the recipe needs. Blocks for about 0.3 s."""
    folder, problem, on, values = project.folder, "", "", None
    if project.has_recipe:
        try:
            on = project.settings().on
            values = load_project_recipe(project).values
            folder = project.resolve(output_dir_of(values))
        except SmoltuiError as error:
            problem = error.message
    report = devices.device_report(folder)
    need = None if values is None else _need(project, values, report)
    return Machine(report, project.has_recipe, problem, on, need)


def _need(project: Project, values: Mapping[str, object], report: DeviceReport) -> Need | None:
    on_processor = not report.accelerators or values.get("use_cpu") is True
    fit = estimate(values, recipe_shape(project, values), cuda=not on_processor)
    return None if fit is None else Need("This recipe", fit, on_processor=on_processor)
