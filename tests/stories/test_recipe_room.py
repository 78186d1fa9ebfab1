"""The Recipe room: reading, changing and breaking the recipe, and changes by others. Keys in, text out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.hub import client as hub
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.backends.project.new_project import PRESETS, create_project
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import load_recipe
from smoltui.backends.services import Services
from smoltui.core.machine.account import Account
from smoltui.core.machine.model_shape import KNOWN
from smoltui.core.pairs.curation import Decision
from smoltui.core.runs.place import Target
from smoltui.errors import RecipeError
from smoltui.screens.recipe.effects import effects
from smoltui.screens.recipe.outcome import outcome
from smoltui.screens.recipe.recipe_sheet import RecipeSheet
from smoltui.screens.recipe.surroundings import Surroundings
from tests.conftest import seen, told

Wait = Callable[..., Awaitable[None]]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return create_project(tmp_path / "mine", "course-jobs")


def opened(project: Project) -> SmoltuiApp:
    return SmoltuiApp(project, Services(), opening="recipe")


def values(project: Project) -> dict[str, object]:
    return load_recipe(project.recipe_path).values


async def ready(app: SmoltuiApp, wait_until: Wait) -> None:
    await wait_until(lambda: "16 pairs per step" in seen(app, "#below") or "memory" in seen(app, "#below"))


async def test_a_typo_in_where_to_run_is_said(project: Project, wait_until: Wait) -> None:
    """The checks of the room are those of one engine: it is not silently another one than I meant."""
    (project.folder / "smoltui.toml").write_text('[run]\non = "huh"\n')
    app = opened(project)
    async with app.run_test(size=(120, 40)):
        await wait_until(lambda: "run.on in smoltui.toml must be one of local, slurm, hub: huh" in seen(app))


async def test_i_see_what_will_run_and_what_is_wrong(project: Project, wait_until: Wait, loop_guard: list[str]) -> None:
    """The room shows the fields, the memory needed, both commands, and that my user name is still missing."""
    app = opened(project)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(app, wait_until)
        await wait_until(lambda: "Learning rate        5e-7" in seen(app))
        text = seen(app)
        assert "Anthropic/hh-rlhf train[:10000]" in text
        assert "16 pairs per step · 1,000 steps · 1.6 epochs of 10,000 pairs" in text
        assert "memory about 69.5 GiB (11.5 weights" in text
        assert "trl dpo --config recipe.yaml" in text and "hf jobs uv run --flavor a100-large --timeout 3h" in text
        assert "✗ hub_model_id is still a placeholder" in seen(app, "#below")
        assert "The model to align" in seen(app, "#about")
        await pilot.press("slash", *"beta", "enter")
        await wait_until(lambda: "Pull towards the reference model" in seen(app, "#about"))
        about = seen(app, "#about")
        assert "above 0" in about and "default: 0.1" in about and "Source: TRL 1.16 DPOConfig; DPO paper" in about


@pytest.mark.slow
async def test_i_fix_the_name_while_it_is_checked(project: Project, wait_until: Wait, loop_guard: list[str]) -> None:
    """A wrong name is reported as I type. The right one is saved, the check turns green, and my comments stay."""
    before = project.recipe_path.read_text(encoding="utf-8")
    app = opened(project)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(app, wait_until)
        await pilot.press("slash", *"hub_model", "enter", "enter", "ctrl+u", *"me/my model")
        await wait_until(lambda: "✗ write owner/name" in seen(app, "#edit-said"))
        await pilot.press("enter")
        assert values(project)["hub_model_id"] == "<you>/smollm3-dpo-aligned"
        await pilot.press(*["backspace"] * 8, *"aligned", "enter")
        await wait_until(lambda: values(project)["hub_model_id"] == "me/aligned")
        await wait_until(lambda: "nothing blocks this run" in seen(app, "#below"))
    after = project.recipe_path.read_text(encoding="utf-8")
    assert after == before.replace("<you>/smollm3-dpo-aligned", "me/aligned")


@pytest.mark.slow
async def test_sums_follow_what_i_type(project: Project, wait_until: Wait) -> None:
    """Epochs and steps change with every digit, before anything is saved; escape changes nothing."""
    app = opened(project)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(app, wait_until)
        await pilot.press("slash", *"max_steps", "enter", "enter", "ctrl+u", *"2500")
        await wait_until(lambda: "2,500 steps · 4 epochs" in seen(app, "#below"))
        await pilot.press("escape")
        await pilot.press("j")
    assert values(project)["max_steps"] == 1000


@pytest.mark.slow
async def test_space_switches_and_d_goes_back(project: Project, wait_until: Wait, loop_guard: list[str]) -> None:
    """Booleans and choices need no typing; d removes the line, so that TRL's default applies."""
    app = opened(project)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(app, wait_until)
        await pilot.press("slash", *"use_peft", "enter", "space")
        await wait_until(lambda: values(project).get("use_peft") is True)
        await wait_until(lambda: "✗ PEFT has no default" in seen(app, "#below"))
        await pilot.press("space", "space", "space")
        await wait_until(lambda: values(project).get("use_peft") is False)
        await pilot.press("d")
        await wait_until(lambda: "use_peft" not in values(project))
        await pilot.press("slash", *"scheduler", "enter", "space")
        await wait_until(lambda: values(project)["lr_scheduler_type"] == "cosine_with_restarts")


@pytest.mark.slow
async def test_somebody_edits_the_file_meanwhile(project: Project, wait_until: Wait) -> None:
    """Another program changes the recipe: the room says so, shows the change, and does not overwrite it."""
    app = opened(project)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(app, wait_until)
        text = project.recipe_path.read_text(encoding="utf-8")
        project.recipe_path.write_text(text.replace("seed: 42", "seed: 7 # mine"), encoding="utf-8")
        await pilot.press("slash", *"beta", "enter", "enter", "ctrl+u", *"0.3", "enter")
        await wait_until(lambda: values(project)["beta"] == 0.3)
        assert "seed: 7 # mine" in project.recipe_path.read_text(encoding="utf-8")
        await wait_until(lambda: "Seed                 7" in seen(app))


async def test_two_people_change_the_same_value(project: Project, wait_until: Wait) -> None:
    """Both of us change beta: my change does not overwrite the other, and I read the current value."""
    app = opened(project)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(app, wait_until)
        await pilot.press("slash", *"beta", "enter", "enter", "ctrl+u", *"0.3")
        text = project.recipe_path.read_text(encoding="utf-8")
        project.recipe_path.write_text(text.replace("beta: 0.1", "beta: 0.9"), encoding="utf-8")
        await pilot.press("enter")
        await wait_until(lambda: "another program set it to 0.9" in told(app) + seen(app, "#edit-said"))
        assert values(project)["beta"] == 0.9


def test_a_version_read_after_i_typed_is_not_overwritten_either(project: Project) -> None:
    """The room reloads the other's change between my typing and my saving: my change still does not overwrite it."""
    text = project.recipe_path.read_text(encoding="utf-8")
    project.recipe_path.write_text(text.replace("beta: 0.1", "beta: 0.9"), encoding="utf-8")
    sheet = RecipeSheet(load_recipe(project.recipe_path))
    with pytest.raises(RecipeError, match=r"another program set it to 0\.9"):
        sheet.put("beta", 0.1, 0.3)
    assert values(project)["beta"] == 0.9


async def test_a_broken_file_is_reported_with_its_line_and_can_be_fixed(
    project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I broke the YAML: the room names the line, e opens my editor, and the saved file is loaded."""
    good = project.recipe_path.read_text(encoding="utf-8")
    project.recipe_path.write_text(good + "beta: 0.2\n", encoding="utf-8")
    fixed = project.folder / "fixed.yaml"
    fixed.write_text(good.replace("max_steps: 1000", "max_steps: 20 "), encoding="utf-8")
    script = project.folder / "editor.sh"
    script.write_text(f'#!/bin/sh\ncp "{fixed}" "$1"\n', encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", os.fspath(script))

    @contextlib.contextmanager
    def suspended() -> Iterator[None]:
        yield

    app = opened(project)
    monkeypatch.setattr(app, "suspend", suspended)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "this key is already on line" in seen(app, "#recipe-nothing"))
        assert "Press i to edit the file here, e to open it in your editor" in seen(app)
        await pilot.press("enter", "space", "d")
        await pilot.press("e")
        await wait_until(lambda: "16 pairs per step · 20 steps" in seen(app, "#below"))


async def test_an_unknown_key_is_shown_with_what_replaced_it(project: Project, wait_until: Wait) -> None:
    """The course's max_prompt_length: the room says that TRL no longer has it, and d removes it."""
    with project.recipe_path.open("a", encoding="utf-8") as file:
        file.write("max_prompt_length: 512\n")
    app = opened(project)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(app, wait_until)
        assert "no longer has max_prompt_length" in seen(app, "#below")
        await pilot.press("slash", *"max_prompt", "enter")
        await wait_until(lambda: "Not one of TRL's keys" in seen(app, "#about"))
        await pilot.press("d")
        await wait_until(lambda: "max_prompt_length" not in values(project))
        await wait_until(lambda: "max_prompt_length" not in seen(app, "#below"))


@pytest.mark.slow
async def test_i_find_a_field_that_is_not_in_the_form(project: Project, wait_until: Wait) -> None:
    """Words of its help find it, while I type; it is added to the file, and so is what a typed value changes."""
    app = opened(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "Model" in seen(app, "#fields"))
        await pilot.press("slash", *"clip gradient")
        await wait_until(lambda: "max_grad_norm" in seen(app, "#fields") and "1 field" in seen(app, "#edit-said"))
        await pilot.press("enter", "enter", "ctrl+u", *"0.5", "enter")
        await wait_until(lambda: values(project).get("max_grad_norm") == 0.5)
        await pilot.press("slash", *"jobs.tim", "enter")
        await wait_until(lambda: "jobs.timeout" in seen(app, "#about"))
        await pilot.press("v", "slash", *"max_steps", "enter", "enter", "ctrl+u", *"500")
        await wait_until(lambda: "1,000 → 500 steps" in seen(app, "#edit-said") and "500 steps" in seen(app, "#totals"))
        await pilot.press("escape")


def test_all_devices_of_the_settings_count() -> None:
    """Eight GPUs with ZeRO-3: pairs per step, memory of each and time; and what a change of the batch changes."""
    folder = PRESETS["zero3-8gpu"]
    values, settings = load_recipe(folder / "recipe.yaml").values, Project(folder).settings()
    shape = KNOWN["HuggingFaceTB/SmolLM3-3B"]
    around = Surroundings(settings, shape=shape, cuda=True, accelerator="NVIDIA A100", memory_name="NVIDIA A100")
    for target in Target:
        found = outcome(values, around, target)
        assert found.summary.pairs_per_step == 16 and found.time is not None
        assert found.fit is not None and found.fit.needed < 24 * 2**30
    changed = effects(values, {**values, "per_device_train_batch_size": 1}, around, Target.JOB)
    assert "memory 1" in changed and "16 → 8 pairs per step" in changed and "time " in changed
    assert effects(values, {**values, "seed": 1}, around, Target.JOB) == "no change in memory, time, cost or steps"


@pytest.mark.slow
async def test_i_take_over_what_a_preset_has(project: Project, wait_until: Wait) -> None:
    """V compares with a preset or a script of mine; A takes over all values but folders; E exports a script."""
    app = opened(project)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(app, wait_until)
        await pilot.press("V", "t")
        await wait_until(lambda: "from TRL's defaults" in seen(app) and "5e-7" in seen(app))
        await pilot.press("escape")
        before = project.recipe_path.read_bytes()
        (project.folder / "theirs.txt").write_text("trl dpo --beta 0.3 --output_dir x --max_steps 5")
        await pilot.press("V", "f")
        await wait_until(lambda: "compare with file" in seen(app))
        await pilot.press(*"theirs.txt", "enter")
        await wait_until(lambda: "from theirs.txt" in seen(app))
        await pilot.press("A")
        await wait_until(lambda: values(project).get("beta") == 0.3 and values(project)["max_steps"] == 5)
        assert values(project)["output_dir"] == "smollm3-dpo-aligned"
        await wait_until(lambda: "u undoes" in told(app))
        await pilot.press("u")
        await wait_until(lambda: project.recipe_path.read_bytes() == before)
        await pilot.press("E", "s")
        await wait_until(lambda: (project.folder / "mine-dpo.py").is_file() and "uv run mine-dpo.py" in told(app))


async def test_hostile_text_stays_text(project: Project, wait_until: Wait) -> None:
    """Escapes, markup and a token in a value are shown safely."""
    recipe = load_recipe(project.recipe_path)
    recipe.set("run_name", "\x1b]0;x\x07[red]a[/foo]\u202e hf_" + "b" * 30)
    recipe.save()
    app = opened(project)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(app, wait_until)
        await pilot.press("slash", *"run_name", "enter")
        await wait_until(lambda: "Run name" in seen(app, "#about"))
        text = seen(app)
        assert "␛]0;x" in text and "[red]a[/foo]" in text and "⟨RLO⟩" in text and "bbbb" not in text
        assert "\x1b" not in text


async def test_a_folder_without_a_recipe_says_how_to_make_one(tmp_path: Path, wait_until: Wait) -> None:
    app = opened(Project(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "Press 0, then n to start a project" in seen(app))
        await pilot.press("enter", "space", "d", "o", "y", "slash", "e", "r")
        create_project(tmp_path, "course-local")
        await pilot.press("r")
        await wait_until(lambda: "Anthropic/hh-rlhf train[:1000]" in seen(app, "#fields"))


@pytest.mark.parametrize("size", [(80, 24), (40, 12)])
async def test_small_terminals_work_too(project: Project, wait_until: Wait, size: tuple[int, int]) -> None:
    """At 80x24 and even 40x12, the fields, their help and the input are there."""
    app = opened(project)
    async with app.run_test(size=size) as pilot:
        await wait_until(lambda: "Model" in seen(app, "#fields"))
        await pilot.press("slash", *"learning", "enter")
        await wait_until(lambda: "learning_rate" in seen(app, "#about"))
        await pilot.press("o", "enter", "ctrl+u", *"1e-6", "enter")
        await wait_until(lambda: values(project)["learning_rate"] == 1e-6)
        assert "1e-6" in seen(app, "#fields")
        await pilot.resize_terminal(120, 40)
        await wait_until(lambda: "Result of this recipe" in seen(app, "#below"))


async def test_every_shown_key_fits(project: Project, wait_until: Wait) -> None:
    """At 80 columns, the bottom line shows all keys."""
    app = opened(project)
    async with app.run_test(size=(80, 24)):
        await wait_until(lambda: "Checks for Jobs" in seen(app, "#below"))
        assert "enter Edit" in seen(app) and "t Train  q Quit" in seen(app)


@pytest.mark.slow
async def test_steps_of_local_pairs_are_counted(tmp_path: Path, wait_until: Wait) -> None:
    """My pairs are in a file: the room counts them, and shows the number of steps and the unit of each value."""
    (tmp_path / "pairs.jsonl").write_text('{"prompt": "p", "chosen": "c", "rejected": "r"}\n' * 30)
    (tmp_path / "recipe.yaml").write_text(
        "model_name_or_path: me/model\ndataset_name: pairs.jsonl\nwarmup_steps: 0.1\nnum_train_epochs: 1\n"
        "per_device_train_batch_size: 3\n"
    )
    app = opened(Project(tmp_path))
    async with app.run_test(size=(120, 50)) as pilot:
        await wait_until(lambda: "10 steps · 1 epoch of 30 pairs" in seen(app, "#below"))
        fields = seen(app, "#fields")
        assert "0.1 of all steps" in fields and "1 epoch " in fields and "(determined by the epochs)" in fields
        await pilot.press("slash", *"per_device", "enter", "enter", "ctrl+u", "5", "enter")
        await wait_until(lambda: "6 steps · 1 epoch of 30 pairs" in seen(app, "#below"))
        assert "decisions made in Pairs" not in seen(app, "#below")
        CurationFile(tmp_path).append([Decision("exclude", 32 * "a")])
        await pilot.press("4", "3")
        await wait_until(lambda: "before decisions made in Pairs; press t" in seen(app, "#below"))
        await pilot.press("slash", *"dataset_name", "enter", "enter", "ctrl+u", *"you/other", "enter")
        await wait_until(lambda: "steps unknown" in seen(app, "#below"))


@pytest.mark.slow
async def test_every_wrong_key_is_undone(project: Project, wait_until: Wait) -> None:
    """I press d, space and enter on the wrong lines, leave and restart the app: u brings every byte back."""
    before = project.recipe_path.read_bytes()
    app = opened(project)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: "Model" in seen(app, "#fields"))
        await pilot.press("slash", *"beta", "enter", "enter", "ctrl+u", *"0.5", "enter")
        await wait_until(lambda: "beta 0.1 (TRL's default) → 0.5 · u undoes" in told(app))
        await pilot.press("d")
        await wait_until(lambda: "beta 0.5 → 0.1 (TRL's default) · u undoes" in told(app))
        await pilot.press("slash", *"use_peft", "enter", "space")
        await wait_until(lambda: values(project).get("use_peft") is True)
    app = opened(project)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: "LoRA" in seen(app, "#fields") or "Model" in seen(app, "#fields"))
        await pilot.press("u", "u", "u")
        await wait_until(lambda: "Undone: beta 0.1 (TRL's default) → 0.5 · ctrl+r redoes" in told(app))
        assert project.recipe_path.read_bytes() == before
        await pilot.press("u")
        await wait_until(lambda: "There is nothing to undo" in told(app))
        await pilot.press("ctrl+r")
        await wait_until(lambda: values(project).get("beta") == 0.5)


@pytest.mark.slow
async def test_undo_asks_before_it_replaces_what_others_wrote(project: Project, wait_until: Wait) -> None:
    """A colleague changes the file after me: u asks, n keeps their version, and y keeps it for ctrl+r."""
    app = opened(project)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: "Model" in seen(app, "#fields"))
        await pilot.press("slash", *"beta", "enter", "enter", "ctrl+u", *"0.5", "enter")
        await wait_until(lambda: "u undoes" in told(app))
        theirs = project.recipe_path.read_bytes() + b"# theirs\n"
        project.recipe_path.write_bytes(theirs)
        await pilot.press("u")
        await wait_until(lambda: "recipe.yaml was changed by another program since" in seen(app))
        await pilot.press("n")
        await wait_until(lambda: "Undo that change first?" not in seen(app))
        assert project.recipe_path.read_bytes() == theirs
        await pilot.press("u")
        await wait_until(lambda: "Undo that change first?" in seen(app))
        await pilot.press("y")
        await wait_until(lambda: "Undone: the change by another program" in told(app))
        await pilot.press("ctrl+r")
        await wait_until(lambda: project.recipe_path.read_bytes() == theirs)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_every_check_is_fixed_with_enter(
    project: Project, monkeypatch: pytest.MonkeyPatch, wait_until: Wait, size: tuple[int, int]
) -> None:
    """tab leads to the checks: enter fixes one after the other, and the totals stay in sight. u undoes them all."""

    async def who(**_: object) -> Account:
        return Account("alice", token_role="write")

    monkeypatch.setattr(hub, "account", who)
    with project.recipe_path.open("a", encoding="utf-8") as file:
        file.write("max_prompt_length: 512\nlerning_rate: 1.0e-6\npadding_free: true\n")
    before = project.recipe_path.read_bytes()
    app = opened(project)
    async with app.run_test(size=size, notifications=True) as pilot:
        await wait_until(lambda: "3 to fix, 1 to know" in seen(app, "#checks-head"))
        await wait_until(lambda: "memory about" in seen(app, "#totals"))
        assert "16 pairs per step · 1,000 steps" in seen(app, "#totals")
        await pilot.press("tab")
        await wait_until(lambda: "▸" in seen(app, "#checks") and "tab, enter" not in seen(app, "#checks"))
        for left in ("2 to fix, 1 to know", "1 to fix, 1 to know", "1 to know", "nothing blocks this run"):
            await pilot.press("enter")
            await wait_until(lambda left=left: left in seen(app, "#checks-head"))
        await wait_until(lambda: values(project)["hub_model_id"] == "alice/smollm3-dpo-aligned")
        assert "16 pairs per step · 1,000 steps" in seen(app, "#totals")
        await wait_until(lambda: "padding_free" not in values(project))
        await pilot.press("u", "u", "u", "u")
        await wait_until(lambda: project.recipe_path.read_bytes() == before)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_settings_are_fields_too(project: Project, wait_until: Wait, size: tuple[int, int]) -> None:
    """v shows smoltui.toml with help, default and range: a wrong value is refused as I type, a right one is written
    with every comment kept, and d and u take it back."""
    path = project.folder / "smoltui.toml"
    before = path.read_bytes()
    app = opened(project)
    async with app.run_test(size=size, notifications=True) as pilot:
        await wait_until(lambda: "Model" in seen(app, "#fields"))
        await pilot.press("v")
        await wait_until(lambda: "flavor" in seen(app, "#fields") and "Checks of smoltui.toml" in seen(app))
        await pilot.press("slash", *"jobs.processes", "enter")
        await wait_until(lambda: "Training processes, one per GPU; 0 uses every GPU" in seen(app, "#about"))
        assert "a whole number from 0 to 64 · default: 0" in seen(app, "#about") and "not in the file" in seen(app)
        await pilot.press("enter", "ctrl+u", *"99")
        await wait_until(lambda: "✗ jobs.processes in smoltui.toml must be from 0 to 64" in seen(app, "#edit-said"))
        await pilot.press("ctrl+u", "2", "enter")
        await wait_until(lambda: "jobs.processes 0 (the default) → 2 · u undoes" in told(app))
        assert project.settings().jobs.processes == 2 and b"# who owns and pays" in path.read_bytes()
        await pilot.press("slash", *"jobs.strategy", "enter", "space")
        await wait_until(lambda: project.settings().jobs.strategy == "fsdp")
        await pilot.press("slash", *"jobs.timeout", "enter", "d")
        await wait_until(lambda: "jobs.timeout 3h (the default) → 3h (the default) · u undoes" in told(app))
        await pilot.press("u", "u", "u")
        await wait_until(lambda: path.read_bytes() == before)
        path.write_text("[jobs]\nprocesses = 99\n")
        await pilot.press("r", "tab")
        await wait_until(lambda: "1 to fix" in seen(app, "#checks-head") and "enter: edit jobs.processes" in seen(app))
        await pilot.press("enter", "ctrl+u", "4", "enter")
        await wait_until(lambda: project.settings().jobs.processes == 4)
        await wait_until(lambda: "jobs.processes 99 → 4 · u undoes" in told(app))
        await pilot.press("v")
        await wait_until(lambda: "Checks for" in seen(app, "#checks-head"))
        await wait_until(lambda: "64 pairs per step" in seen(app, "#totals"))


@pytest.mark.slow
async def test_i_see_what_differs_from_the_preset_and_put_it_back(project: Project, wait_until: Wait) -> None:
    """A sign each for TRL's default and for the preset that the project was made from; `D` puts one or all back."""
    before = project.recipe_path.read_bytes()
    app = opened(project)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(app, wait_until)
        await wait_until(lambda: "·  Compute in bf16" in seen(app))
        await pilot.press("slash", *"beta", "enter", "enter", "ctrl+u", *"0.3", "enter")
        await wait_until(lambda: "●◆ Beta" in seen(app))
        assert "● TRL: 0.1  ◆ course-jobs: 0.1" in seen(app, "#about")
        await pilot.press("D")
        await wait_until(lambda: "P  all fields to the preset course-jobs" in seen(app))
        await pilot.press("p")
        await wait_until(lambda: project.recipe_path.read_bytes() == before)
        await pilot.press("v")
        await wait_until(lambda: "course-jobs" in seen(app, "#fields"))
        await pilot.press("slash", *"run.preset", "enter", "enter", "ctrl+u", *"mine", "enter")
        await wait_until(lambda: "There is no preset called mine" in seen(app, "#checks"))
