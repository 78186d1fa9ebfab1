"""Sampling into a set of labels, choosing in it, and its pairs."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.evaluation import answers, labels
from smoltui.backends.evaluation.labels import Asked, export_labels, open_labelling, plan_of, set_names
from smoltui.backends.evaluation.resident import ResidentModels
from smoltui.backends.project.project import Project
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.prompt import Prompt
from smoltui.core.runs.events import Answered, Event
from smoltui.errors import InputError, PairsError, RunFailedError
from tests.backends.evaluation.project import make_project, trained


class Sampler:
    """Stands in for the child: each answer says its model, prompt and seed; it fails after `most` answers."""

    def __init__(self) -> None:
        self.most = 1000
        self.asked: list[tuple[str, int, float, str, int]] = []
        """Models, seed, temperature, date and number of prompts of each request."""

    async def ask(
        self, columns: Sequence[Column], prompts: Sequence[Prompt], sampling: Mapping[str, Any], *, date: str
    ) -> AsyncGenerator[Event, None]:
        seed = sampling["seed"]
        self.asked.append(("+".join(one.name for one in columns), seed, sampling["temperature"], date, len(prompts)))
        for column in columns:
            for index, prompt in enumerate(prompts):
                if self.most == 0:
                    raise RunFailedError("The models stopped answering")
                self.most -= 1
                said = f"{prompt.text} {column.name} {seed}"
                yield Answered(model=column.name, index=index, text=said, ended=True, tokens=3)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch) -> Sampler:
    made = Sampler()
    monkeypatch.setattr(ResidentModels, "ask", lambda self, *given, **named: made.ask(*given, **named))
    monkeypatch.setattr(answers, "today", lambda: "2026-11-30")
    return made


async def sample(project: Project, asked: Asked, *names: str) -> str:
    comparison = answers.compare_run(project, trained(project))
    models = [model for model in comparison.models if model.name in (names or ("aligned",))]
    plan = plan_of(project, asked, models)
    async for _ in labels.sample(project, plan, models):
        pass
    return plan.name


async def test_answers_are_sampled_once(project: Project, sampler: Sampler) -> None:
    """The prompts of the project, four answers to each; asked again, nothing is missing."""
    name = await sample(project, Asked(temperature=0.9, seed=3))
    assert name == "prompts"
    assert sampler.asked == [("aligned", seed, 0.9, "2026-11-30", 2) for seed in (3, 4, 5, 6)]
    opened = open_labelling(project, name)
    assert [len(task.candidates) for task in opened.progress.items] == [4, 4]
    assert opened.found.plan is not None and opened.found.plan.sampling["temperature"] == 0.9
    assert await sample(project, Asked(temperature=0.9, seed=3)) == name and len(sampler.asked) == 4
    assert set_names(project) == ["prompts"]


async def test_a_stopped_sampling_continues(
    project: Project, sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sampled is kept; the rest is what it would have been, with the seeds and the date of the first time."""
    sampler.most = 5
    with pytest.raises(RunFailedError):
        await sample(project, Asked())
    assert open_labelling(project, "prompts").tasks.incomplete == 2
    sampler.most = 1000
    monkeypatch.setattr(answers, "today", lambda: "2026-12-01")
    await sample(project, Asked())
    assert [asked[1:] for asked in sampler.asked[3:]] == [(2, 0.7, "2026-11-30", 1), (3, 0.7, "2026-11-30", 2)]
    texts = [one.answer.text for task in open_labelling(project, "prompts").progress.items for one in task.candidates]
    prompts = ("How do I boil rice?", "Why is the sky blue?")
    assert sorted(texts) == sorted(f"{prompt} aligned {seed}" for prompt in prompts for seed in range(4))


async def test_two_models_of_which_one_was_stopped(project: Project, sampler: Sampler) -> None:
    sampler.most = 3
    with pytest.raises(RunFailedError):
        await sample(project, Asked(n=1), "reference", "aligned")
    sampler.most = 1000
    await sample(project, Asked(n=1), "reference", "aligned")
    assert [(names, prompts) for names, *_, prompts in sampler.asked] == [("reference+aligned", 2), ("aligned", 1)]
    assert open_labelling(project, "prompts").tasks.incomplete == 0


async def test_more_prompts_join_the_set_and_edited_ones_are_kept_apart(project: Project, sampler: Sampler) -> None:
    await sample(project, Asked(n=2))
    opened = open_labelling(project, "prompts")
    opened.choose("a", 1, 0)
    opened.choose("a", 0, 1)
    (project.folder / "prompts.txt").write_text("How do I boil rice?\nWhy is the sky green?\nA third?\n")
    await sample(project, Asked(n=2))
    assert sampler.asked[-1][-1] == 2
    now = open_labelling(project, "prompts")
    assert (len(now.progress.items), len(now.progress.cast), now.progress.apart, now.progress.number) == (3, 1, 1, 2)
    assert export_labels(now, project.folder / "chosen-pairs").train == 2


async def test_two_models_and_a_file_of_prompts(project: Project, sampler: Sampler) -> None:
    (project.folder / "ten more.txt").write_text("One?\nTwo?\n")
    name = await sample(project, Asked(prompts="ten more.txt", n=1), "reference", "aligned")
    assert name == "ten-more" and [asked[0] for asked in sampler.asked] == ["reference+aligned"]
    assert [len(task.candidates) for task in open_labelling(project, name).progress.items] == [2, 2]


async def test_other_settings_need_another_name(project: Project, sampler: Sampler) -> None:
    await sample(project, Asked())
    for asked in (Asked(n=3), Asked(temperature=0.2), Asked(seed=9)):
        with pytest.raises(InputError, match="sampled with other settings or models"):
            await sample(project, asked)
    assert await sample(project, Asked(seed=9, name="second")) == "second"
    assert set(set_names(project)) == {"prompts", "second"}


async def test_another_training_in_the_same_folder(project: Project, sampler: Sampler) -> None:
    """Its answers don't mix with those of the model that was there before."""
    await sample(project, Asked())
    columns = answers.compare_run(project, trained(project, "11111111")).models[1:]
    plan = plan_of(project, Asked(), columns)
    assert plan.models == {"aligned": f"{project.folder / 'out'} of run 11111111"}
    with pytest.raises(InputError, match="sampled with other settings or models"):
        async for _ in labels.sample(project, plan, columns):
            pass


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(n=0), "between 2 and 8 answers, not 0"),
        (Asked(n=1), "between 2 and 8 answers, not 1"),
        (Asked(n=9), "between 2 and 8 answers, not 9"),
        (Asked(temperature=0), "always gives the same answer"),
        (Asked(temperature=-1), "from 0 to 5"),
        (Asked(temperature=float("nan")), "from 0 to 5"),
        (Asked(prompts="missing.txt"), "no such set of prompts: missing.txt"),
        (Asked(prompts="empty.txt"), "has no prompts"),
        (Asked(prompts="latin.txt"), "cannot be read as text"),
        (Asked(prompts="huge.txt"), "10,000 prompts are more than one set"),
        (Asked(name="../outside"), "Not a name"),
        (Asked(name=""), ""),
    ],
)
async def test_what_cannot_be_sampled(project: Project, sampler: Sampler, asked: Asked, said: str) -> None:
    (project.folder / "empty.txt").write_text("\n# nothing\n")
    (project.folder / "latin.txt").write_bytes(b"Caf\xe9?\n")
    (project.folder / "huge.txt").write_text("".join(f"Question {number}?\n" for number in range(10_000)))
    if not said:
        assert await sample(project, asked) == "prompts"
        return
    with pytest.raises(InputError, match=said):
        await sample(project, asked)
    assert not sampler.asked and set_names(project) == []


async def test_choices_are_resumed_and_undone(project: Project, sampler: Sampler) -> None:
    await sample(project, Asked())
    first = open_labelling(project, "prompts")
    first.choose("a", 2, 0)
    again = open_labelling(project, "prompts")
    assert again.progress.number == 2 and again.undo() is not None and again.progress.number == 1
    assert open_labelling(project, "prompts").progress.number == 1


async def test_labels_become_pairs_with_a_card(project: Project, sampler: Sampler) -> None:
    await sample(project, Asked(temperature=0.9))
    opened = open_labelling(project, "prompts")
    with pytest.raises(InputError, match="no choices to export"):
        export_labels(opened, project.folder / "chosen-pairs")
    best, worst = (opened.progress.items[0].candidates[place].answer.text for place in (3, 1))
    opened.choose("bad")
    with pytest.raises(PairsError):
        export_labels(opened, project.folder / "chosen-pairs")
    opened.undo()
    opened.choose("a", 3, 1)
    opened.choose("tie")
    made = export_labels(opened, project.folder / "chosen-pairs")
    assert (made.train, dict(made.left_out)) == (1, {"tie": 1})
    row = json.loads((made.folder / "train.jsonl").read_text())
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == (best, worst)
    card = (made.folder / "README.md").read_text()
    assert "the best against the worst of 4 answers to each prompt, sampled from aligned at temperature 0.9" in card


async def test_a_broken_set_is_said_and_sampled_again(project: Project, sampler: Sampler) -> None:
    """Its first line is gone: the answers that can be read are kept."""
    await sample(project, Asked())
    path = labels.set_folder(project, "prompts") / "samples.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0][:40] + b"\n", *lines[1:-1], lines[-1][:40]]))
    with pytest.raises(InputError, match="This set of labels cannot be read"):
        open_labelling(project, "prompts")
    await sample(project, Asked())
    assert sampler.asked[-1][-1] == 1
    opened = open_labelling(project, "prompts")
    assert opened.found.unreadable == 2 and [len(task.candidates) for task in opened.progress.items] == [4, 4]


def test_there_is_no_such_set(project: Project) -> None:
    with pytest.raises(InputError, match="There is no set of labels with this name: nope"):
        open_labelling(project, "nope")
    assert set_names(project) == []
