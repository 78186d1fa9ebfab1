"""Sampling into a set of labels, choosing in it, and its pairs."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.evaluation import answers, labels
from smoltui.backends.evaluation.labels import Asked, export_labels, open_labelling, plan_of, set_names
from smoltui.backends.project.project import Project
from smoltui.core.evaluation.prompt import Prompt
from smoltui.core.runs.events import Answered, Event
from smoltui.errors import InputError, PairsError, RunFailedError
from tests.backends.evaluation.project import make_project, trained


class Sampler:
    """Stands in for the child: each answer says its request and place; it fails after `most` answers."""

    def __init__(self, most: int = 1000) -> None:
        self.most = most
        self.asked: list[tuple[str, int, float, int]] = []
        """Model, seed, temperature and number of prompts of each request."""

    async def ask(
        self, comparison: answers.Comparison, prompts: Sequence[Prompt], settings: Any, folder: Path
    ) -> AsyncGenerator[Event, None]:
        (model,) = comparison.models
        self.asked.append((model.name, settings.seed, settings.temperature, len(prompts)))
        for index, prompt in enumerate(prompts):
            if self.most == 0:
                raise RunFailedError("The models stopped answering")
            self.most -= 1
            yield Answered(
                model=model.name, index=index, text=f"{prompt.text} {model.name} {index}", ended=True, tokens=3
            )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch) -> Sampler:
    made = Sampler()
    monkeypatch.setattr(answers, "ask", made.ask)
    return made


async def sample(project: Project, asked: Asked, *names: str) -> str:
    comparison = answers.compare_run(project, trained(project))
    models = [model for model in comparison.models if model.name in (names or ("aligned",))]
    plan = plan_of(project, asked, models)
    async for _ in labels.sample(project, plan, comparison, models):
        pass
    return plan.name


async def test_answers_are_sampled_once(project: Project, sampler: Sampler) -> None:
    """The prompts of the project, four answers to each; asked again, nothing is missing."""
    name = await sample(project, Asked(temperature=0.9, seed=3))
    assert name == "prompts" and sampler.asked == [("aligned", 3, 0.9, 8)]
    opened = open_labelling(project, name)
    assert [len(task.candidates) for task in opened.progress.items] == [4, 4]
    assert opened.found.plan is not None and opened.found.plan.sampling["temperature"] == 0.9
    assert await sample(project, Asked(temperature=0.9, seed=3)) == name and len(sampler.asked) == 1
    assert set_names(project) == ["prompts"]


async def test_a_stopped_sampling_continues(project: Project, sampler: Sampler) -> None:
    """What was sampled is kept; the rest gets another seed, which is stored with each answer."""
    sampler.most = 5
    with pytest.raises(RunFailedError):
        await sample(project, Asked())
    assert open_labelling(project, "prompts").tasks.incomplete == 1
    sampler.most = 1000
    await sample(project, Asked())
    assert sampler.asked == [("aligned", 0, 0.7, 8), ("aligned", 1, 0.7, 3)]
    lines = (project.folder / "labels" / "prompts" / "samples.jsonl").read_text().splitlines()
    assert [json.loads(line)["seed"] for line in lines[1:]] == [0] * 5 + [1] * 3
    assert open_labelling(project, "prompts").tasks.incomplete == 0


async def test_more_prompts_join_the_set_and_edited_ones_are_kept_apart(project: Project, sampler: Sampler) -> None:
    await sample(project, Asked(n=2))
    opened = open_labelling(project, "prompts")
    opened.choose("a", 1, 0)
    opened.choose("a", 0, 1)
    (project.folder / "prompts.txt").write_text("How do I boil rice?\nWhy is the sky green?\nA third?\n")
    await sample(project, Asked(n=2))
    assert sampler.asked[-1][-1] == 4
    now = open_labelling(project, "prompts")
    assert (len(now.progress.items), len(now.progress.cast), now.progress.apart, now.progress.number) == (3, 1, 1, 2)
    assert export_labels(now, project.folder / "chosen-pairs").train == 2


async def test_two_models_and_a_file_of_prompts(project: Project, sampler: Sampler) -> None:
    (project.folder / "ten more.txt").write_text("One?\nTwo?\n")
    name = await sample(project, Asked(prompts="ten more.txt", n=1), "reference", "aligned")
    assert name == "ten-more" and [asked[0] for asked in sampler.asked] == ["reference", "aligned"]
    assert [len(task.candidates) for task in open_labelling(project, name).progress.items] == [2, 2]


async def test_other_settings_need_another_name(project: Project, sampler: Sampler) -> None:
    await sample(project, Asked())
    for asked in (Asked(n=3), Asked(temperature=0.2), Asked(seed=9)):
        with pytest.raises(InputError, match="sampled with other settings or models"):
            await sample(project, asked)
    assert await sample(project, Asked(seed=9, name="second")) == "second"
    assert set(set_names(project)) == {"prompts", "second"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(n=0), "between 2 and 8 answers, not 0"),
        (Asked(n=1), "between 2 and 8 answers, not 1"),
        (Asked(n=9), "between 2 and 8 answers, not 9"),
        (Asked(temperature=0), "always gives the same answer"),
        (Asked(temperature=-1), "from 0 to 5"),
        (Asked(temperature=float("nan")), "from 0 to 5"),
        (Asked(prompts="missing.txt"), "cannot be read"),
        (Asked(prompts="empty.txt"), "has no prompts"),
        (Asked(prompts="latin.txt"), "not UTF-8"),
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


def test_there_is_no_such_set(project: Project) -> None:
    with pytest.raises(InputError, match="There is no set of labels with this name: nope"):
        open_labelling(project, "nope")
    assert set_names(project) == []
