"""Recipes as options and as one file."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest

from smoltui.core.exporting.commands import REST_NAME, hf_jobs_with_trl, trl_command
from smoltui.core.exporting.flags import flags
from smoltui.core.exporting.script import ScriptParts, exported_script, requirements_of
from smoltui.core.importing.command import read_command
from smoltui.core.settings.settings import JobSettings
from smoltui.scripts import LOCKED, SCRIPTS


def test_what_no_option_can_say_is_in_a_file() -> None:
    """Sources, null where TRL has a default, and env; the file is made by the command itself."""
    values: dict[str, Any] = {
        "datasets": [{"path": "json", "data_files": "it's.jsonl"}],
        "max_length": None,
        "trackio_static_space_id": False,
        "save_total_limit": None,
        "loss_type": ["sigmoid", "sft"],
        "loss_weights": [1.0, 0.1],
        "lr_scheduler_kwargs": {"num_cycles": 2},
        "run_name": "-x",
        "beta": 0.1,
    }
    found = flags(values)
    assert set(found.rest) == {"datasets", "max_length", "trackio_static_space_id"}
    assert found.options == (
        ("--loss_type", "sigmoid", "sft"),
        ("--loss_weights", "1", "0.1"),
        ("--lr_scheduler_kwargs", '{"num_cycles": 2}'),
        ("--run_name=-x",),
        ("--beta", "0.1"),
    )
    text = trl_command(values, {key: json.dumps(value) for key, value in values.items()})
    assert text.startswith(f"cat > {REST_NAME} <<'RECIPE'\ndatasets: [") and f"--config {REST_NAME} \\\n" in text


def test_a_command_is_imported_again() -> None:
    """What was exported as a Job with TRL's script is the same recipe, with the Job's settings."""
    values = {"model_name_or_path": "org/model", "beta": 0.1, "bf16": False, "loss_type": ["sigmoid", "sft"]}
    jobs = JobSettings(flavor="l4x1", timeout="2h")
    text = hf_jobs_with_trl(values, {}, jobs, packages=["trl==1.16.0"])
    assert "/v1.16.0/trl/scripts/dpo.py" in text and "--with trl==1.16.0" in text
    found = read_command(text)
    assert found.values == values and found.jobs == {"flavor": "l4x1", "timeout": "2h"}


@pytest.mark.parametrize("recipe", ["beta: 0.1\n", "run_name: '''\\'\n# $x \\\n", 'a: "\r"\n'])
def test_the_script_has_recipe_and_modules_unchanged(recipe: str) -> None:
    """Whatever the recipe contains: quotes, backslashes, dollar signs. There is one header, with exact versions."""
    sources = {"dpo.py": (SCRIPTS / "dpo.py").read_text("utf-8"), "pair_turns.py": "x = r'''a'''\n"}
    wanted = requirements_of(sources["dpo.py"])
    locked = LOCKED.read_text("utf-8").split()
    text = exported_script(ScriptParts('my "run"', recipe, sources, wanted, locked, ["abc"]))
    held: dict[str, Any] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            held[node.targets[0].id] = ast.literal_eval(node.value)
    assert held["RECIPE"] == recipe and held["LEFT_OUT"] == ("abc",) and held["LAUNCH"] == ""
    assert held["MODULES"]["pair_turns.py"] == sources["pair_turns.py"]
    assert sources["dpo.py"].endswith(held["MODULES"]["dpo.py"])
    assert text.count("# /// script") == 1 and requirements_of(text) == wanted


def test_the_lock_agrees_with_the_header() -> None:
    """What the header pins is pinned to the same version in the lock."""
    locked = {line.lower() for line in LOCKED.read_text("utf-8").split()}
    pinned = requirements_of((SCRIPTS / "dpo.py").read_text("utf-8"))
    assert {line.lower().replace("_", "-") for line in pinned} <= locked
