"""What is done and what is next: one situation after the other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smoltui.core.guide.steps import SIGNS, Act, Next, PairsKnown, ProjectFacts, State, checklist, next_step
from smoltui.core.runs.events import Planned
from smoltui.core.runs.run import Run, Stage

PLAN = Planned(
    max_steps=48,
    epochs=1.0,
    train_pairs=768,
    held_out_pairs=64,
    device="cpu",
    dtype="float32",
    parameters=1,
    trainable=1,
    beta=0.5,
    output_dir="out",
)
PAIRS = PairsKnown("pairs", train=768, held_out=64, remarks=1)
READY = ProjectFacts(
    looked=True,
    has_recipe=True,
    model="model",
    recipe="beta 0.5 · 48 steps",
    names_pairs=True,
    pairs=PAIRS,
    memory="fits",
    memory_words="1.0 of 22 GiB",
    runs=(),
    now=100.0,
)
"""A project that can be trained here."""


def run(stage: Stage, run_id: str = "r", **known: object) -> Run:
    facts: dict[str, object] = {"step": 12, "plan": PLAN, **known}
    return Run(run_id, "local", "demo", stage, **facts)  # type: ignore[arg-type]


def with_runs(*runs: Run, trained: str = "", compared: str = "") -> ProjectFacts:
    return replace(READY, runs=runs, with_model=frozenset(trained.split()), compared=frozenset(compared.split()))


DONE = run(Stage.COMPLETED, "done", step=48, started_at=10.0, finished_at=52.0)
SITUATIONS = [
    (ProjectFacts(), Act.NONE, "", "Reading"),
    (ProjectFacts(looked=True), Act.DEMO, "d", "n to start a project of your own"),
    (ProjectFacts(looked=True, found=("my.jsonl", "b.csv")), Act.WIZARD, "n", "with my.jsonl"),
    (replace(READY, recipe_problem="line 3 is not YAML"), Act.RECIPE, "3", "line 3 is not YAML"),
    (replace(READY, names_pairs=False, pairs=None), Act.CHOOSE_PAIRS, "2", "choose the pairs"),
    (replace(READY, pairs=PairsKnown("x", problem="No such file: x")), Act.PAIRS, "2", "No such file: x"),
    (replace(READY, model=""), Act.RECIPE, "3", "choose a model"),
    (READY, Act.TRAIN, "t", "train here"),
    (replace(READY, runs=None, pairs=None, memory=None), Act.TRAIN, "t", "train here"),
    (replace(READY, lacking=("torch",)), Act.DEVICE, "D", "pip install"),
    (replace(READY, memory="no"), Act.RECIPE, "3", "does not fit here"),
    (replace(READY, here=False, pays=True, where="Jobs", account=""), Act.TRAIN, "t", "log in to the Hub"),
    (replace(READY, here=False, pays=True, where="Jobs", account="ada"), Act.TRAIN, "t", "cost is shown first"),
    (replace(READY, here=False, where="the cluster", memory="no"), Act.TRAIN, "t", "train on the cluster"),
    (with_runs(run(Stage.RUNNING)), Act.RUNS, "4", "step 12 of 48"),
    (with_runs(run(Stage.SCHEDULING, plan=None)), Act.RUNS, "4", "watch the run."),
    (with_runs(run(Stage.ERROR, message="Out of memory")), Act.RUNS, "4", "failed: Out of memory"),
    (with_runs(run(Stage.CANCELED, resumable=True)), Act.RUNS, "4", "stopped at step 12 of 48"),
    (with_runs(run(Stage.CANCELED)), Act.TRAIN, "t", "train here"),
    (with_runs(DONE, trained="done"), Act.COMPARE, "a", "before and after"),
    (with_runs(run(Stage.ERROR, "late"), DONE, trained="done"), Act.RUNS, "4", "failed"),
    (with_runs(DONE, trained="done", compared="done"), Act.PUBLISH, "6", "publish the model"),
    (with_runs(replace(DONE, pushed_to="ada/m"), trained="done", compared="done"), Act.RECIPE, "3", "All done"),
    (with_runs(replace(DONE, pushed_to="ada/m"), trained="done"), Act.COMPARE, "a", "compare"),
]


@pytest.mark.parametrize(("facts", "act", "key", "said"), SITUATIONS)
def test_the_next_step_of_each_situation(facts: ProjectFacts, act: Act, key: str, said: str) -> None:
    """One sentence with its key, whatever state the project is in; it names the run that it is about."""
    step = next_step(facts)
    assert (step.act, step.key) == (act, key)
    assert said in step.sentence
    assert bool(step.run_id) is (act in (Act.RUNS, Act.COMPARE))
    if step.key and act is not Act.DEVICE:
        assert f"ress {step.key}" in step.sentence, step.sentence


@pytest.mark.parametrize(("facts", "act", "key", "said"), SITUATIONS)
def test_the_checklist_points_at_the_next_step(facts: ProjectFacts, act: Act, key: str, said: str) -> None:
    """Five lines, each with a sign; a step that is next has a sign that says so."""
    steps = checklist(facts)
    assert [step.name for step in steps] == ["pairs", "recipe", "train", "compare", "publish"]
    assert len(set(SIGNS.values())) == len(State)
    ahead = {
        Act.TRAIN: "train",
        Act.COMPARE: "compare",
        Act.PUBLISH: "publish",
        Act.CHOOSE_PAIRS: "pairs",
        Act.WIZARD: "pairs",
    }
    if (act in ahead and facts.runs is not None) or act in (Act.CHOOSE_PAIRS, Act.WIZARD):
        assert [step.name for step in steps if step.state is State.NEXT] == [ahead[act]]


def test_what_each_line_says() -> None:
    """Counts, memory, time and cost as they were measured; what is unknown is not made up."""
    pairs, recipe, train, compare, publish = checklist(READY)
    assert (pairs.words, pairs.note) == ("768 for training, 64 held out", "audited: 1 remark")
    assert (recipe.words, recipe.note) == ("model · beta 0.5 · 48 steps", "fits: 1.0 of 22 GiB")
    assert (train.words, train.note, compare.words) == ("not yet", "here, free", "needs a trained model")
    assert publish.words == "optional; needs a trained model"
    _, _, train, compare, publish = checklist(with_runs(DONE, trained="done", compared="done"))
    assert (train.words, compare.words) == ("48 steps in 42 s", "both models have answered")
    assert publish.words == "optional; not yet" and publish.verb == "publish"
    assert checklist(with_runs(DONE))[2].note == "took 42 s before, here, free"
    decided = replace(PAIRS, held_out=None, held_out_share=0.1, decided=3, remarks=None)
    assert decided.words == "768 pairs, 10 % of the prompts held out"
    assert decided.note == "3 decided by hand · not audited"
    assert PairsKnown("ada/pairs").words == "ada/pairs, not counted yet"
    unread = checklist(replace(READY, pairs=None, runs=None, memory="unknown"))
    assert [step.state for step in unread] == [State.UNKNOWN, State.DONE, *[State.UNKNOWN] * 3]
    assert unread[1].note == "memory: no estimate for this model"


def test_a_next_step_is_a_value() -> None:
    """Two next steps with the same facts are equal, so a screen draws only what changed."""
    assert next_step(READY) == next_step(replace(READY)) != Next(Act.TRAIN, "")
