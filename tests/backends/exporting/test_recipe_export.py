"""`trl dpo --config`, the exported command, the exported script and a local run: the same losses, step by step."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.exporting.recipe_export import Form, export_recipe
from smoltui.backends.local.launch import training_command, write_inputs
from smoltui.backends.local.place import HERE
from smoltui.backends.project.new_project import create_project
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import load_recipe
from smoltui.backends.runs.spec import Options, make_spec
from smoltui.core.settings.settings import Settings
from smoltui.scripts import TRAINING_SCRIPT
from tests.marks import needs_training
from tests.scripts.running import run_path

STEPS = 3
LORA = {"use_peft": True, "lora_target_modules": "all-linear", "lora_r": 4, "learning_rate": 1e-3}


@pytest.fixture(params=["full", "LoRA"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    made = create_project(tmp_path / "mine", "demo")
    recipe = load_recipe(made.recipe_path)
    changes: dict[str, Any] = {"max_steps": STEPS, "save_strategy": "steps", "save_steps": STEPS, "warmup_steps": 0}
    changes |= {
        "eval_strategy": "no",
        "per_device_train_batch_size": 2,
        "max_length": 64,
        **(LORA if request.param == "LoRA" else {}),
    }
    for key, value in changes.items():
        recipe.set(key, value)
    recipe.save()
    return made


def logged(folder: Path) -> list[dict[str, float]]:
    """Every number of every step, unrounded, but for those of time."""
    state = json.loads((folder / f"checkpoint-{STEPS}" / "trainer_state.json").read_text("utf-8"))
    return [entry for entry in state["log_history"] if "loss" in entry]


@needs_training
def test_all_train_alike(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps of the demo, with all its weights and with an adapter; no number differs in any digit."""
    monkeypatch.chdir(project.folder)
    found = importlib.util.find_spec("trl")
    assert found is not None and found.origin is not None
    theirs = Path(found.origin).parent / "scripts" / "dpo.py"
    script = project.folder / "train.py"
    script.write_text(export_recipe(project, Form.SCRIPT, script).text, encoding="utf-8")
    command = shlex.split(export_recipe(project, Form.TRL).text.replace("\\\n", " "))
    spec = make_spec(project, HERE, load_recipe(project.recipe_path), Settings(), Options(output_dir="local"))
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    write_inputs(run_folder, spec)
    ways = {
        "config": [str(theirs), "--config", "recipe.yaml", "--output_dir", "config"],
        "command": [str(theirs), *command[2:], "--output_dir", "command"],
        "script": [str(script), "--output-dir", "script"],
        "local": training_command(run_folder, spec, TRAINING_SCRIPT, ("python",))[1:],
    }
    for name, argv in ways.items():
        done = run_path(Path(argv[0]).parent, argv)
        assert done.code == 0, (name, done.errors[-2000:])
    wanted = logged(project.folder / "config")
    assert len(wanted) == STEPS and len({entry["loss"] for entry in wanted}) == STEPS
    for name in ways:
        assert logged(project.folder / name) == wanted, name
    assert not re.search(r"[\\/]mine", script.read_text("utf-8"))  # nothing of this folder is in the script
