"""Another Python that trains: a path, an environment of uv, or one that cannot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.local.launch import with_processes
from smoltui.backends.local.place import HERE
from smoltui.backends.machine.interpreter import interpreter, look_at
from smoltui.backends.project.new_project import create_project
from smoltui.backends.project.project import Project
from smoltui.cli.main import run
from smoltui.core.runs.accelerate import DEEPSPEED
from smoltui.core.runs.run import RunSpec
from smoltui.errors import InputError, MissingExtraError
from tests.backends.runs.specs import make_spec


def fake(folder: Path, **versions: str) -> Path:
    """An environment whose Python says that it has these packages."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\necho '{json.dumps(versions)}'\n")
    python.chmod(0o755)
    return python


STACK = {"torch": "2.13.0", "transformers": "5.24.0", "datasets": "5", "accelerate": "1.15", "peft": "0.21"}


def test_the_python_of_an_environment(tmp_path: Path) -> None:
    """A folder or a Python, relative to the project; any TRL 1; the recipe's packages are looked for there."""
    python = fake(tmp_path / "env", TRL="1.3.0", **STACK)
    for name in ("env", str(tmp_path / "env"), "env/bin/python"):
        assert interpreter(name, tmp_path) == (str(python),)
    found = look_at("env", tmp_path, {"load_in_4bit": True})
    assert found.trl == "1.3.0" and [one.module for one in found.missing] == ["bitsandbytes"]
    assert interpreter("", tmp_path, own="mine") == ("mine",)


@pytest.mark.parametrize(
    ("versions", "words"), [({}, "no trl, no torch"), ({**STACK, "trl": "0.29.1"}, r"\(trl is 0.29.1\)")]
)
def test_one_that_cannot_train(tmp_path: Path, versions: dict[str, str], words: str) -> None:
    """One sentence says what it lacks, and the next how to install it there."""
    python = fake(tmp_path / "env", **versions)
    with pytest.raises(MissingExtraError, match=words) as raised:
        interpreter("env", tmp_path)
    assert raised.value.hint.startswith(f"Install it: {python} -m pip install 'trl")
    problem = look_at("env", tmp_path, {}).problem
    assert problem is not None and problem.sentence == raised.value.message
    python.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(InputError, match="does not work"):
        interpreter("env", tmp_path)
    with pytest.raises(InputError, match="no Python and no environment: nowhere"):
        interpreter("nowhere", tmp_path)


def test_uv_makes_what_the_recipe_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command makes the environment first; another recipe's packages are another environment."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    plain, more = interpreter("uv", tmp_path), interpreter("uv", tmp_path, ["bitsandbytes==0.50.2"])
    assert plain[0] == sys.executable and plain[2].endswith("uv_environment.py") and plain[3] != more[3]
    wanted = Path(more[4]).read_text("utf-8")
    assert "trl==1.16.0\n" in wanted and wanted.endswith("bitsandbytes==0.50.2\n")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingExtraError, match="uv"):
        interpreter("uv", tmp_path)


def test_recipe_check_and_train_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both name the Python that lacks TRL, and nothing is started."""
    project = create_project(tmp_path / "mine", "demo")
    fake(tmp_path / "mine" / "env")
    (project.folder / "smoltui.toml").write_text('[local]\npython = "env"\n')
    assert run(["recipe", "check", str(project.folder)]) == 2
    said = capsys.readouterr()
    assert "The Python in local.python cannot train (no trl" in said.out
    assert run(["train", str(project.folder)]) != 0
    assert "The Python in local.python cannot train (no trl" in capsys.readouterr().err


def test_deepspeed_is_looked_for_where_it_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """ZeRO-3 needs it in the Python that trains; whether smoltui's own has it does not matter."""
    folder = create_project(tmp_path / "mine", "demo").folder
    python = fake(folder / "env", trl="1.16.0", **STACK)
    table = '[local]\npython = "env"\nprocesses = 2\nstrategy = "zero3"\n'
    (folder / "smoltui.toml").write_text(table)
    assert run(["recipe", "check", str(folder)]) == 2
    assert "deepspeed (strategy: zero3)" in capsys.readouterr().out
    spec = RunSpec("r", str(folder), "", str(folder / "out"), "l", python="env", processes=2, strategy="zero3")
    with pytest.raises(MissingExtraError) as raised:
        with_processes(spec)
    assert raised.value.hint.startswith(f"Install it: {python} -m pip install deepspeed")
    shutil.rmtree(folder / "env")
    fake(folder / "env", trl="1.16.0", deepspeed="0.19.0", **STACK)
    assert with_processes(spec) == spec
    assert with_processes(replace(spec, python="uv")).python == "uv"
    (folder / "smoltui.toml").write_text(table.replace('"env"', '"uv"'))
    project = Project(folder)
    assert DEEPSPEED in make_spec(project, HERE).packages  # for the environment that uv makes


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["another TRL", "uv"])
def test_the_demo_trains_with_it(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A second environment with another TRL 1, and one that smoltui has made by uv."""
    if os.environ.get("SMOLTUI_TRAINING_ENV") != "build" or shutil.which("uv") is None:
        pytest.skip("makes environments of a gigabyte: SMOLTUI_TRAINING_ENV=build and uv are needed")
    project: Project = create_project(tmp_path / "mine", "demo")
    python = "uv"
    if kind != "uv":
        python = str(tmp_path / "env")
        subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, python], check=True)
        wanted = ["trl==1.13.0", "torch==2.13.0", "peft", "trackio"]
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", f"{python}/bin/python", *wanted], check=True)
    (project.folder / "smoltui.toml").write_text(f'[local]\npython = "{python}"\n')
    assert run(["train", str(project.folder), "--set", "max_steps=2", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    versions = [line["versions"]["trl"] for line in told if "versions" in line]
    assert versions == ["1.16.0" if kind == "uv" else "1.13.0"]
