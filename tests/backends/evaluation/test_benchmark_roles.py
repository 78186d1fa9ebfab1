"""Whose results a file has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.evaluation.answers import compare_run
from smoltui.backends.evaluation.benchmark_roles import role_of
from smoltui.errors import InputError
from tests.backends.evaluation.project import make_project, trained
from tests.core.evaluation.benchmark_samples import lm_eval
from tests.core.evaluation.test_benchmark_reading import read


def test_models_are_recognized_by_path_and_name(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    run = replace(trained(project), pushed_to="ada/aligned")
    comparison = compare_run(project, run)

    def role(model: str, adapter: str | None = None, hub_model: str | None = None) -> str:
        return role_of(read(lm_eval(model, adapter=adapter), role="unknown"), comparison, run, hub_model).role

    assert role(str(project.folder / "out")) == role("ada/aligned") == "aligned"
    assert role(str(project.folder / "model")) == "reference"
    assert role("ada/renamed", hub_model="ada/renamed") == "aligned"
    for model, adapter in (("eve/other", None), (str(project.folder / "model"), "/some/lora")):
        with pytest.raises(InputError, match="of another model"):
            role(model, adapter)


def test_an_adapter_is_the_aligned_model(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    run = trained(project)
    (project.folder / "out" / "adapter_config.json").write_text("{}")
    comparison = compare_run(project, run)
    found = read(lm_eval(str(project.folder / "model"), adapter=str(project.folder / "out")), role="unknown")
    assert role_of(found, comparison, run).role == "aligned"
