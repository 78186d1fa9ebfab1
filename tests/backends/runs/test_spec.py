"""From a recipe to what an engine runs."""

from __future__ import annotations

from pathlib import Path

from smoltui.backends.jobs.place import JOBS
from smoltui.backends.jobs.submit import job_command
from smoltui.backends.local.place import HERE
from smoltui.backends.project.project import Project
from tests.backends.runs.specs import make_spec

QLORA = "model_name_or_path: org/model\ndataset_name: org/pairs\nuse_peft: true\nload_in_4bit: true\nreport_to: wandb\n"


def test_a_job_installs_what_its_recipe_needs(tmp_path: Path) -> None:
    """QLoRA needs bitsandbytes, and wandb is no part of the script's own environment; here nothing is installed."""
    (tmp_path / "recipe.yaml").write_text(QLORA)
    spec = make_spec(Project(tmp_path), JOBS)
    names = [requirement.partition("==")[0] for requirement in spec.packages]
    assert names == ["bitsandbytes", "wandb"]
    command = job_command(spec)
    assert command[:2] == ["uv", "run"] and command[command.index("--with") + 1] == spec.packages[0]
    assert make_spec(Project(tmp_path), HERE).packages == ()
