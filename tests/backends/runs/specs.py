"""The specification of a project, of which no pairs were looked at."""

from __future__ import annotations

from typing import Any

from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import load_project_recipe
from smoltui.backends.runs import spec
from smoltui.core.runs.place import Place
from smoltui.core.runs.run import RunSpec


def make_spec(project: Project, place: Place, **options: Any) -> RunSpec:
    """`options`: the fields of `smoltui.backends.runs.spec.Options`."""
    return spec.make_spec(project, place, load_project_recipe(project), project.settings(), spec.Options(**options))
