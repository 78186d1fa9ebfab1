"""A project from a preset: the course's exercise, made to work, and never over what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.project.new_project import PRESETS, create_project
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_facts import command_by_hand, local_inputs, model_shape, recipe_shape
from smoltui.backends.project.recipe_file import load_recipe
from smoltui.cli.recipe import print_check, print_command, print_show, recipe_check, recipe_command, recipe_show
from smoltui.core.machine.fit import estimate
from smoltui.core.machine.model_shape import KNOWN
from smoltui.core.preflight.check import JSON_STEP
from smoltui.core.recipe import check, summarise
from smoltui.core.runs.place import Target
from smoltui.errors import InputError, RecipeError

LOCAL = {
    "beta": 0.1,
    "learning_rate": 5e-7,
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 4,
    "max_steps": 50,
    "logging_steps": 10,
    "report_to": "trackio",
    "datasets": [{"path": "Anthropic/hh-rlhf", "split": "train[:1000]"}],
}
JOB = {
    "beta": 0.1,
    "learning_rate": 5e-7,
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 8,
    "max_steps": 1000,
    "warmup_steps": 100,
    "lr_scheduler_type": "cosine",
    "activation_checkpointing": True,
    "bf16": True,
    "logging_steps": 50,
    "save_steps": 250,
    "max_length": 1024,
    "push_to_hub": True,
    "hub_model_id": "<you>/smollm3-dpo-aligned",
    "report_to": "trackio",
    "datasets": [{"path": "Anthropic/hh-rlhf", "split": "train[:10000]"}],
}


@pytest.mark.parametrize(("preset", "course"), [("course-local", LOCAL), ("course-jobs", JOB)])
def test_the_presets_hold_the_values_of_the_course(tmp_path: Path, preset: str, course: dict[str, Any]) -> None:
    """Its rows, batches, steps and rates; on the model that exists; the four prompts beside them."""
    project = create_project(tmp_path / "p", preset)
    values = load_recipe(project.recipe_path).values
    assert {key: values.get(key) for key in course} == course
    assert values["model_name_or_path"] == "HuggingFaceTB/SmolLM3-3B"
    prompts = (project.folder / project.settings().evaluation.prompts).read_text(encoding="utf-8").splitlines()
    assert len(prompts) == 4 and all(prompt.endswith("?") for prompt in prompts)
    assert not project.settings().evaluation.thinking


def test_nothing_is_wrong_with_them_but_the_name_to_fill_in(tmp_path: Path) -> None:
    local, jobs = (create_project(tmp_path / name, f"course-{name}") for name in ("local", "jobs"))
    here = recipe_check(local, "local")
    assert {**here, "findings": facts(here)} == {"ok": here["ok"], "target": "local", "trl": "1.16.0", "findings": []}
    found = recipe_check(jobs, "hub")
    assert not found["ok"] and [item["key"] for item in found["findings"]] == ["hub_model_id"]
    assert "placeholder" in found["findings"][0]["sentence"] and "user name" in found["findings"][0][JSON_STEP]
    settings = jobs.settings()
    assert (settings.on, settings.jobs.flavor, settings.jobs.timeout_seconds) == ("hub", "a100-large", 10800)


def test_every_preset_can_be_read_and_brings_a_recipe(tmp_path: Path) -> None:
    for preset in PRESETS:
        if not (PRESETS[preset] / "recipe.yaml").is_file():
            pytest.skip(f"the files of the preset are made by a script: {preset}")
        project = create_project(tmp_path / preset, preset)
        assert summarise(load_recipe(project.recipe_path).values).sentence
        stops = {one["key"] for one in facts(recipe_check(project, "local")) if one["level"] == "stop"}
        assert stops <= {"packages"} or preset == "course-jobs"  # which needs a user name


HARDWARE = {
    "lora-8gb": (7.6, 1),
    "lora-16gb": (15.6, 1),
    "lora-24gb": (23.6, 1),
    "qlora-8gb": (7.6, 1),
    "full-80gb": (79.0, 1),
    "zero3-8gpu": (23.6, 8),
    "apo-zero": (140.0, 8),
    "fast": (79.0, 1),
    "lean": (9.6, 1),
}
"""Preset → GiB that are free on one of its devices, and their number."""


@pytest.mark.parametrize("preset", HARDWARE)
def test_a_preset_fits_the_hardware_it_names(preset: str) -> None:
    """Nothing stops or spoils it there, and every key is TRL's."""
    gib, devices = HARDWARE[preset]
    folder = PRESETS[preset]
    values = load_recipe(folder / "recipe.yaml").values
    assert check(values, target=Target.LOCAL, has_bf16=True, model_type="smollm3") == []
    settings = Project(folder).settings()
    assert settings.local.processes == devices
    shape = KNOWN.get(values["model_name_or_path"], KNOWN["HuggingFaceTB/SmolLM3-3B"])
    fit = estimate(values, shape, cuda=True, devices=devices, strategy=settings.local.strategy)
    assert fit is not None and fit.verdict(int(gib * 2**30)) == "fits", fit


def facts(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The findings, without what depends on the accelerator of this machine."""
    return [one for one in report["findings"] if one["key"] not in ("memory", "bf16")]


def test_a_folder_that_holds_a_project_is_left_alone(tmp_path: Path) -> None:
    """I name my old folder by mistake: nothing of it changes, and I am told how to open it."""
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    create_project(folder, "course-local")
    (folder / "recipe.yaml").write_text("beta: 0.5\n", encoding="utf-8")
    with pytest.raises(InputError) as raised:
        create_project(folder, "course-jobs")
    assert "already contains a project" in raised.value.message and f"smoltui {folder}" in raised.value.hint
    assert (folder / "recipe.yaml").read_text(encoding="utf-8") == "beta: 0.5\n"
    create_project(folder, "course-jobs", overwrite=True)
    assert "max_steps: 1000" in (folder / "recipe.yaml").read_text(encoding="utf-8")
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_wrong_names_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Unknown preset: course"):
        create_project(tmp_path / "p", "course")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="Not a folder but a file"):
        create_project(tmp_path / "file", "course-local")
    with pytest.raises(RecipeError, match="has no recipe"):
        recipe_show(Project(tmp_path))


def test_the_headless_twin_says_what_the_room_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`smoltui recipe show|check|command`: values, sums and findings, for scripts and people; no secret in either."""
    project = create_project(tmp_path / "p", "course-jobs")
    recipe = load_recipe(project.recipe_path)
    recipe.set("hub_token", "hf_" + "a" * 30)
    recipe.save()
    shown = recipe_show(project)
    assert shown["summary"]["pairs_per_step"] == 16 and shown["values"]["hub_token"] == "***"
    assert {item["key"]: item["value"] for item in shown["fields"]}["max_steps"] == 1000
    assert shown["memory"]["peak_bytes"] > 60 << 30
    assert "hf jobs uv run --flavor a100-large --timeout 3h" in recipe_command(project, "hub")["command"]
    print_show(shown)
    print_check(recipe_check(project, "hub"))
    print_command(recipe_command(project, "local"))
    text = capsys.readouterr().out
    assert "learning_rate" in text and "5e-7" in text and "contains a token: hub_token" in text
    assert text.endswith("trl dpo --config recipe.yaml\n") and "aaaaa" not in text and "\x1b" not in text


def test_local_models_and_pairs_are_known_and_travel(tmp_path: Path) -> None:
    """A model folder has a shape; a Job by hand then mounts the project."""
    project = create_project(tmp_path / "p", "course-local")
    model = project.folder / "model"
    model.mkdir()
    assert model_shape(model) is None
    (model / "config.json").write_text("{broken", encoding="utf-8")
    assert model_shape(model) is None
    (model / "config.json").write_text(
        '{"model_type": "smollm3", "hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128, '
        '"vocab_size": 1000, "num_attention_heads": 4, "num_key_value_heads": 2}',
        encoding="utf-8",
    )
    values = {"model_name_or_path": "model", "datasets": [{"path": "json", "data_files": ["recipe.yaml", "gone"]}]}
    shape = recipe_shape(project, values)
    assert shape is not None and shape.layers == 2
    assert local_inputs(project, values) == ["model", "recipe.yaml"]
    assert "-v .:/project:ro" in command_by_hand(project, values, project.settings(), Target.JOB)
    assert recipe_shape(project, {"model_name_or_path": "nobody/knows"}) is None


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too, and every empty folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"folder"
        for path in folder.rglob("*")
        if path.is_file() or not any(path.iterdir())
    }


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize(
    ("place", "step"),
    [*((place, step) for place in ("new", "deep/er/new", "mine") for step in (1, 3, 4, 6)), ("mine", 7)],
)
def test_a_project_is_made_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, place: str, step: int
) -> None:
    """The disk is full or I press ctrl+c in the middle: nothing is half there, and what I had is as it was."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    (mine / "recipe.yaml").write_text("beta: 0.5\n")
    before, done = tree(tmp_path), 0
    real = {"write_bytes": Path.write_bytes, "replace": Path.replace}

    def breaking(name: str) -> Any:
        def act(self: Path, argument: Any) -> Any:
            nonlocal done
            done += 1
            if done == step:
                if name == "write_bytes":
                    real["write_bytes"](self, argument[:3])  # a half of it
                raise error
            return real[name](self, argument)

        return act

    for name in real:
        monkeypatch.setattr(Path, name, breaking(name))
    with pytest.raises(InputError if isinstance(error, OSError) else KeyboardInterrupt):
        create_project(tmp_path / place, "course-local", overwrite=True)
    assert done >= step and tree(tmp_path) == before
    monkeypatch.undo()
    create_project(tmp_path / place, "course-local", overwrite=True)
    assert (tmp_path / place / "recipe.yaml").read_text() != "beta: 0.5\n"
    assert not list(tmp_path.rglob(".smoltui-new-*")) and (mine / "notes.txt").read_text() == "mine"


def test_a_preset_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The installation is broken: I am told so, and no folder is made."""
    preset = tmp_path / "preset"
    preset.mkdir()
    (preset / "recipe.yaml").write_text("beta: 0.5\n")
    (preset / "gone.txt").symlink_to(tmp_path / "nowhere")
    monkeypatch.setitem(PRESETS, "broken", preset)
    with pytest.raises(InputError, match=r"preset cannot be read \(No such file.*gone\.txt"):
        create_project(tmp_path / "p", "broken")
    assert not (tmp_path / "p").exists()


def test_ctrl_c_leaves_no_half_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the command line: exit code 130, and nothing there."""
    from smoltui.cli.main import run

    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    assert run(["new", str(tmp_path / "p"), "--preset", "course-local"]) == 130
    assert list(tmp_path.iterdir()) == []
