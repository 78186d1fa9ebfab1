"""A small project that can be evaluated, without any weights, for tests of answers and of the Evaluate room."""

from __future__ import annotations

import json
from pathlib import Path

from smoltui.backends.project.project import Project
from smoltui.core.runs.run import Run, Stage
from tests.paths import TESTS

SCRIPTED_MODELS = TESTS / "stories" / "scripted_models.py"
RECIPE = "model_name_or_path: model\ndataset_name: pairs\ndataset_test_split: test\noutput_dir: out\nbeta: 0.5\n"
SETTINGS = """
[evaluation]
max_new_tokens = 32
held_out = 4
[evaluation.manner]
name = "courteous"
any_of = ["happy to"]
"""
PROMPTS = "# mine\nHow do I boil rice?\nWhy is the sky blue?\n"


def make_project(folder: Path, prompts: str = PROMPTS) -> Project:
    """A project with a reference model, six held-out pairs (one of them broken off) and its own prompts."""
    for name in ("model", "pairs"):
        (folder / name).mkdir(parents=True)
    (folder / "model" / "config.json").write_text("{}")
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "smoltui.toml").write_text(SETTINGS)
    (folder / "prompts.txt").write_text(prompts)
    rows = [
        {"prompt": f"Question {number}?", "chosen": f"Gladly, {number}.", "rejected": f"No, {number}."}
        for number in range(6)
    ]
    rows[1]["chosen"] = ""
    for split in ("train", "test"):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "pairs" / f"{split}.jsonl").write_text(text)
    return Project(folder)


def trained(project: Project, run_id: str = "0a1b2c3d", output: str = "out") -> Run:
    """A completed run of `project` with its model on the disk."""
    folder = project.folder / output
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    return Run(
        id=run_id,
        engine="local",
        name="demo",
        stage=Stage.COMPLETED,
        project=str(project.folder),
        output_dir=str(folder),
        model_path=str(folder),
        created_at=1.0,
    )
