"""Sets of sampled answers: what is written is read back, what is missing is sampled, what there is to choose from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.evaluation.label_set import (
    LabelPlan,
    LabelSet,
    Sample,
    Task,
    label_of,
    line_of,
    parse,
    tasks_of,
)
from smoltui.core.evaluation.label_words import label_words
from smoltui.core.evaluation.vote_ballot import Answer, Turns
from smoltui.core.evaluation.vote_choices import label_choice
from smoltui.core.evaluation.vote_log import VoteLog
from smoltui.core.evaluation.vote_progress import Progress
from smoltui.errors import InputError
from tests.core.evaluation.test_vote_log import answers, text, times, turns

PROMPTS: tuple[Turns, ...] = tuple((("user", f"Question {number}?"),) for number in range(3))
samples = st.builds(Sample, turns, text, st.integers(0, 8), answers)
plans = st.builds(
    LabelPlan,
    text,
    st.dictionaries(text, text, max_size=2),
    st.integers(1, 8),
    st.fixed_dictionaries({"seed": st.integers(), "temperature": st.floats(0, 5)}),
    text,
    st.lists(turns, max_size=3).map(tuple),
    times,
)


def plan(n: int = 2, models: tuple[str, ...] = ("aligned",), prompts: tuple[Turns, ...] = PROMPTS) -> LabelPlan:
    sampling = {"seed": 7, "temperature": 0.9}
    return LabelPlan("mine", {name: f"/{name}" for name in models}, n, sampling, "2026-11-30", prompts, 1.0)


def sampled(made: LabelPlan) -> LabelSet:
    """A set with all answers of its plan, each of them different."""
    found = LabelSet(made)
    for prompt in made.prompts:
        for model in made.models:
            for number in range(made.n):
                found.take(Sample(prompt, model, number, Answer(f"{model} {number}: {prompt[0][1]}")))
    return found


@given(samples | plans)
def test_a_line_is_read_back(entry: LabelPlan | Sample) -> None:
    line = line_of(entry)
    assert line.count(b"\n") == 1 and parse(line) == entry
    assert parse(line[:-2]) is None


def test_what_is_missing() -> None:
    """Prompts of each number; a truncated line is counted."""
    found = LabelSet()
    assert found.missing("aligned", 0) == [] and tasks_of(found).tasks == ()
    found.take(plan())
    assert found.missing("aligned", 0) == list(PROMPTS)
    found.take_lines(line_of(Sample(PROMPTS[0], "aligned", 0, Answer("A"))) + b'{"v": 1, "prompt"')
    assert found.unreadable == 1
    assert found.missing("aligned", 0) == list(PROMPTS[1:]) and found.missing("aligned", 1) == list(PROMPTS)


def test_each_prompt_is_a_task_with_its_different_answers() -> None:
    """Repetitions are one answer, a prompt with a single one is none to choose from, an unfinished one waits."""
    found = sampled(plan(n=3))
    found.take(Sample(PROMPTS[0], "aligned", 1, Answer("aligned 0: Question 0?\n")))
    for number in range(3):
        found.take(Sample(PROMPTS[1], "aligned", number, Answer("Same.")))
    del found.samples[PROMPTS[2], "aligned", 2]
    tasks = tasks_of(found)
    assert (len(tasks.tasks), tasks.same, tasks.incomplete) == (1, 1, 1)
    (task,) = tasks.tasks
    assert sorted(one.times for one in task.candidates) == [1, 2]
    said = " ".join(label_words(found, tasks, Progress(tasks.tasks, VoteLog())))
    assert "0 of 1 prompts have a best and a worst answer: 0 preference pairs." in said
    assert "1 prompt left out: all answers are the same. 1 prompt left out: answers are missing." in said
    assert "3 answers of aligned to each prompt · temperature 0.9" in said


def test_the_order_is_drawn_per_prompt() -> None:
    """Not by model or sample, and the same every time."""
    made = plan(n=2, models=("reference", "aligned"), prompts=tuple((("user", f"{at}?"),) for at in range(40)))
    first, again = tasks_of(sampled(made)), tasks_of(sampled(made))
    assert first == again
    assert {task.candidates[0].model for task in first.tasks} == {"reference", "aligned"}


def test_other_answers_are_another_task() -> None:
    before, found = tasks_of(sampled(plan())).tasks, sampled(plan())
    found.take(Sample(PROMPTS[0], "aligned", 0, Answer("Other.")))
    after = tasks_of(found).tasks
    assert before[0].id != after[0].id and [task.id for task in before[1:]] == [task.id for task in after[1:]]


# -- files of choices


def progress() -> Progress[Task]:
    return Progress(tasks_of(sampled(plan(n=4))).tasks, VoteLog())


def test_choices_by_number_and_by_id() -> None:
    now = progress()
    second = now.items[1].id
    data = f'{{"number": 1, "best": 2, "worst": 4}}\n\n{{"id": "{second}", "choice": "bad"}}\n'
    assert label_choice(data.encode(), now) == [(now.items[0].id, "a", 1, 3), (second, "bad", 0, 1)]
    vote = label_of(now.items[0], "a", 3.0, 1, 3)
    assert (vote.a, vote.b) == (now.items[0].candidates[1].answer, now.items[0].candidates[3].answer)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"number": 0, "best": 1, "worst": 2}', "names no prompt"),
        ('{"number": 4, "best": 1, "worst": 2}', "names no prompt"),
        ('{"number": true, "best": 1, "worst": 2}', "names no prompt"),
        ('{"id": "x"}', "names no prompt"),
        ('{"number": 1}', "no best and worst"),
        ('{"number": 1, "best": 1, "worst": 1}', "no best and worst"),
        ('{"number": 1, "best": 1, "worst": 5}', "no best and worst"),
        ('{"number": 1, "best": 0, "worst": 2}', "no best and worst"),
        ('{"number": 1, "best": "1", "worst": 2}', "no best and worst"),
        ('{"number": 1, "choice": "best"}', "no best and worst"),
        ("[1]", "is not a JSON object"),
        ("{", "is not JSON"),
    ],
)
def test_a_wrong_line_is_named(line: str, said: str) -> None:
    data = f'{{"number": 1, "best": 2, "worst": 1}}\n{line}\n'
    with pytest.raises(InputError, match=rf"Line 2 of the choices .*{said}.*; nothing was recorded"):
        label_choice(data.encode(), progress())
