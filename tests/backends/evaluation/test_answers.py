"""Which models are asked, what they are asked, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.evaluation import answers, resident
from smoltui.backends.evaluation.held_out import held_out_pairs
from smoltui.backends.evaluation.prompt_sets import read_set
from smoltui.backends.local.place import HERE
from smoltui.backends.machine import train_extra as training
from smoltui.backends.project.project import Project
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.figures import ALIGNED, COURSE_PROMPTS, REFERENCE, Tally
from smoltui.core.evaluation.prompt import Prompt, prompts_of
from smoltui.core.evaluation.sheet import Sheet, sheet_from_json
from smoltui.core.runs.events import Answered, Event, LogLine, PairScored
from smoltui.core.runs.run import Stage
from smoltui.core.settings.settings import EvaluationSettings
from smoltui.errors import InputError, MissingExtraError, RecipeError, RunFailedError
from tests.backends.evaluation.project import SCRIPTED_MODELS, make_project, trained


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(answers, "GENERATE", SCRIPTED_MODELS)
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)
    return make_project(tmp_path / "project")


def _texts(prompts: Iterable[Prompt]) -> list[str]:
    return [prompt.text for prompt in prompts]


async def asked(project: Project, prompts: list[str]) -> list[Event]:
    comparison = answers.compare_run(project, trained(project))
    return [
        event
        async for event in answers.ask(comparison.models, prompts_of(prompts), EvaluationSettings(), project.folder)
    ]


def test_reference_and_aligned_are_found(project: Project) -> None:
    """The reference is the recipe's model, the aligned one is what the run saved, beta is the recipe's."""
    comparison = answers.compare_run(project, trained(project))
    assert comparison.reference.path == str(project.folder / "model") and comparison.beta == 0.5
    assert comparison.aligned is not None and comparison.aligned.path == str(project.folder / "out")


def test_the_recipe_of_the_run_counts_not_the_one_of_today(project: Project) -> None:
    """I changed beta and the model since: the run is still compared with what it was trained from."""
    run = replace(trained(project), raw={"spec": {"recipe": "model_name_or_path: owner/name\nbeta: 0.3\n"}})
    comparison = answers.compare_run(project, run)
    assert comparison.reference.path == "owner/name" and comparison.beta == 0.3


def test_an_adapter_sits_on_the_reference(project: Project) -> None:
    """A LoRA run left an adapter: it is put on the model it was trained on."""
    run = trained(project)
    (project.folder / "out" / "config.json").unlink()
    (project.folder / "out" / "adapter_config.json").write_text("{}")
    aligned = answers.compare_run(project, run).aligned
    assert aligned is not None and aligned.path == str(project.folder / "model")
    assert aligned.adapter == str(project.folder / "out") and aligned.shown.endswith("out")


def test_a_model_trained_by_hand_is_found(project: Project) -> None:
    """I ran `trl dpo --config recipe.yaml` myself; the model in output_dir is the aligned model."""
    assert answers.compare_run(project, None).aligned is None
    trained(project)
    aligned = answers.compare_run(project, None).aligned
    assert aligned is not None and aligned.path == str(project.folder / "out")


def test_a_pushed_model_is_asked_from_the_hub(project: Project) -> None:
    """A Job's disk is gone; its model is on the Hub."""
    run = replace(trained(project), engine="hub", model_path="/tmp/gone/out", output_dir="/tmp/gone", pushed_to="me/m")
    assert answers.has_model(run, {HERE.name})
    assert answers.compare_run(project, run).aligned == Column(ALIGNED, "me/m", run=run.id)


def test_a_run_that_broke_off_has_no_part_in_a_later_model(project: Project) -> None:
    """I cancelled a run; the next one saved its model in the same folder: only that one can be asked."""
    saved = trained(project, "later")
    broke_off = replace(saved, id="earlier", stage=Stage.CANCELED, model_path=None)
    found = answers.runs_with_models({run.id: run for run in (saved, broke_off)}, project, {HERE.name})
    assert [run.id for run in found] == ["later"]


def test_what_is_not_there_is_said(project: Project) -> None:
    """A model that was deleted, a recipe that names none or a wrong folder: one sentence each."""
    run = trained(project)
    (project.folder / "out" / "config.json").unlink()
    assert not answers.has_model(run, {HERE.name})
    with pytest.raises(InputError, match="no longer exists"):
        answers.compare_run(project, run)
    project.recipe_path.write_text("beta: 0.1\n")
    with pytest.raises(RecipeError, match="has no model"):
        answers.compare_run(project, None)
    project.recipe_path.write_text("model_name_or_path: ./nowhere\n")
    with pytest.raises(RecipeError, match="does not exist"):
        answers.compare_run(project, None)


def test_prompts_of_the_project_or_of_the_course(project: Project) -> None:
    """My prompts.txt is asked; without one, the four prompts of the course; an empty one is an error."""
    settings = EvaluationSettings()
    assert _texts(read_set(project, settings).prompts) == ["How do I boil rice?", "Why is the sky blue?"]
    path = project.folder / "prompts.txt"
    path.write_text("# nothing\n")
    with pytest.raises(InputError, match="has no prompts"):
        read_set(project, settings)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read"):
        read_set(project, settings)
    path.unlink()
    assert _texts(read_set(project, settings).prompts) == list(COURSE_PROMPTS) and len(COURSE_PROMPTS) == 4
    answers.write_prompts_once(path)
    assert _texts(read_set(project, settings).prompts) == list(COURSE_PROMPTS)


async def test_both_models_answer(project: Project) -> None:
    """Parts and whole answers of both models arrive, each in its place."""
    events = await asked(project, ["One?", "Two?"])
    sheet = Sheet(["One?", "Two?"])
    for event in events:
        sheet.take(event, [0, 1])
    assert sheet.complete == 4 and sheet.cells[ALIGNED, 1].text == "I am happy to help you with it."


async def test_the_request_holds_what_smoltui_toml_says(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sampling settings, seed and thinking reach the models; one line each."""
    echo = project.folder / "echo.py"
    echo.write_text(
        "import json, sys\nrequest = sys.stdin.readline()\n"
        "print(json.dumps({'event': 'request', 'v': 1, 'number': 1}))\nprint(request.strip())\n"
        "print(json.dumps({'event': 'finished', 'v': 1}), flush=True)\nsys.stdin.read()\n"
    )
    monkeypatch.setattr(resident, "ANSWER_MODELS", echo)
    settings = EvaluationSettings(max_new_tokens=7, temperature=0.0, top_p=0.5, seed=3, thinking=True)
    comparison = answers.compare_run(project, trained(project))
    events = [event async for event in answers.ask(comparison.models, prompts_of(["One?"]), settings, project.folder)]
    request = json.loads(next(event.text for event in events if isinstance(event, LogLine)))
    assert request["models"] == [
        {"name": REFERENCE, "path": str(project.folder / "model")},
        {"name": ALIGNED, "path": str(project.folder / "out")},
    ]
    wanted = {
        "number": 1,
        "prompts": ["One?"],
        "max_new_tokens": 7,
        "temperature": 0.0,
        "top_p": 0.5,
        "seed": 3,
        "thinking": True,
        "batch_size": resident.BATCH,
        "date": answers.today(),
    }
    assert {key: value for key, value in request.items() if key != "models"} == wanted


async def test_held_out_pairs_are_measured(project: Project) -> None:
    """The aligned model is 3 nats surer of every chosen answer: at beta 0.5 a margin of 1.5, all pairs right."""
    comparison = answers.compare_run(project, trained(project))
    pairs = held_out_pairs(project, comparison.values, 4)
    tally = Tally(beta=comparison.beta, manner=project.settings().evaluation.manner)
    async for event in answers.measure(comparison, pairs, EvaluationSettings(), project.folder):
        if isinstance(event, PairScored | Answered):
            tally.add(event)
    aligned, reference = tally.figures(ALIGNED), tally.figures(REFERENCE)
    assert (aligned.pairs, aligned.answers, aligned.margin, aligned.reward_accuracy) == (4, 4, 1.5, 1.0)
    assert (aligned.manner_share, reference.manner_share) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("prompt", "said"), [("fail", "does not fit into memory"), ("crash", "memory runs out"), ("", "exit code 1")]
)
async def test_an_end_without_answers_has_a_reason(
    project: Project, monkeypatch: pytest.MonkeyPatch, prompt: str, said: str
) -> None:
    """Out of memory, killed, or a child that cannot start: I read the reason, with its last message."""
    if not prompt:
        monkeypatch.setattr(resident, "ANSWER_MODELS", project.folder / "no-such-script.py")
    with pytest.raises(RunFailedError) as caught:
        await asked(project, [prompt])
    assert said in str(caught.value)


async def test_without_the_extra_the_command_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch is not installed: I am told how to install it, not that an import failed."""
    monkeypatch.setattr(training.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        await asked(project, ["One?"])
    assert "pip install 'smoltui[train]'" in caught.value.hint


async def test_answers_are_kept_and_come_back(project: Project, tmp_path: Path) -> None:
    """What was answered is a JSON file in the run's folder, with models, sampling and prompts; the newest is read."""
    sheet = Sheet(["One?", "Two?"])
    sheet.add_own("Mine?")
    for event in await asked(project, ["One?", "Mine?"]):
        sheet.take(event, [0, 2])
    comparison = answers.compare_run(project, trained(project))
    folder = tmp_path / "run"
    first = answers.save_answers(folder, Sheet(["older"]), comparison.places, EvaluationSettings())
    path = answers.save_answers(folder, sheet, comparison.places, EvaluationSettings(seed=5))
    assert first != path
    kept = answers.last_answers(folder)
    assert kept is not None and kept["sampling"]["seed"] == 5 and kept["models"][ALIGNED].endswith("out")
    back = sheet_from_json(kept)
    assert _texts(back.prompts) == ["One?", "Two?", "Mine?"] and back.own == {"Mine?"} and back.complete == 4
    assert back.cells == {
        key: replace(cell, answered=replace(cell.answered, index=key[1], at=None))
        for key, cell in sheet.cells.items()
        if cell.answered
    }


def test_a_damaged_file_of_answers_is_passed_over(tmp_path: Path) -> None:
    """A half-written or foreign file does not stop the room from opening."""
    (tmp_path / "answers-1.json").write_text('{"answers": [{"prompt": "Old?"}]}')
    (tmp_path / "answers-2.json").write_text('{"answers": [')
    kept = answers.last_answers(tmp_path)
    assert kept is not None and sheet_from_json(kept).prompts == [Prompt("Old?")]
    assert sheet_from_json({"answers": [3, {"prompt": 1}, {"prompt": "x", ALIGNED: {"text": 1}}]}).prompts == [
        Prompt("x")
    ]
    assert answers.last_answers(tmp_path / "nowhere") is None
