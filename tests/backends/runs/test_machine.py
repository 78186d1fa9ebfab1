"""This machine from a project's point of view."""

from __future__ import annotations

from pathlib import Path

from smoltui.backends.runs.machine import machine_for
from tests.backends.evaluation.project import make_project


def test_the_machine_as_a_project_meets_it(tmp_path: Path) -> None:
    """Disk space is looked up where the recipe writes; a broken recipe is a fact, not a crash."""
    project = make_project(tmp_path / "project")
    (project.folder / "out").mkdir()
    machine = machine_for(project)
    assert machine.report.disk_folder == str(project.folder / "out") and machine.on == "" and not machine.problem
    assert machine.need is None  # the model of this project has no weights to count
    project.recipe_path.write_text("a: b: c\n")
    assert "recipe.yaml" in machine_for(project).problem
