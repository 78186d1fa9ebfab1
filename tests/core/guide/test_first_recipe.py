"""The first recipe: nothing in it stops or spoils a run, and every value has its reason."""

from __future__ import annotations

import itertools

import pytest

from smoltui.core.guide.first_recipe import Choices, PairsFacts, first_recipe, values_of
from smoltui.core.guide.models import SHIPPED, Method, Model
from smoltui.core.recipe import Level, check, snapshot
from smoltui.core.runs.place import Target

FILE = PairsFacts("p.jsonl", "json", rows=100, held_out_share=0.1)
PAIRS = [
    FILE,
    PairsFacts("p.jsonl", "json", rows=10),
    PairsFacts("pairs", test_split="test", rows=768),
    PairsFacts("ada/pairs", config="default", test_split="test_prefs", train_split="train_prefs"),
    PairsFacts("ada/pairs", held_out_share=0.05),
]
PLACES = [(Target.LOCAL, True), (Target.LOCAL, False), (Target.JOB, False)]


@pytest.mark.parametrize("model", SHIPPED, ids=lambda model: model.title)
@pytest.mark.parametrize("method", list(Method))
def test_nothing_stops_it(model: Model, method: Method) -> None:
    """For every model, method, place and set, the checks of the recipe find nothing that stops it.

    A warning remains: plain `trl dpo` draws the held-out share without a seed; smoltui holds it out by prompt.
    """
    for pairs, (target, processor) in itertools.product(PAIRS, PLACES):
        if method is Method.QLORA and processor:
            continue
        choices = Choices(pairs, model.name, model.shape, None, method, target, processor, "ada", "mine")
        lines = first_recipe(choices)
        values = values_of(lines)
        kind = model.shape.kind if model.shape else None
        found = check(values, target=target, has_bf16=False if processor else None, model_type=kind)
        assert [item for item in found if item.level is not Level.PASS and item.key != "test_split_size"] == []
        assert all(item.level is not Level.STOP for item in found)
        assert all(line.reason and line.key in snapshot().keys for line in lines)
        assert len(values) == len(lines)


def test_what_depends_on_the_set() -> None:
    """A small set is seen several times in small steps; an uncounted one has a limit; a tiny one holds nothing out."""

    def values(pairs: PairsFacts | None) -> dict[str, object]:
        return values_of(first_recipe(Choices(pairs, SHIPPED[0].name, SHIPPED[0].shape)))

    small = values(FILE)
    assert small["datasets"] == [{"path": "json", "data_files": "p.jsonl", "split": "train"}]
    assert small["num_train_epochs"] == 3 and small["gradient_accumulation_steps"] == 4
    assert small["test_split_size"] == 0.1 and small["eval_strategy"] == "steps"
    assert values(PairsFacts("pairs", test_split="test", rows=20_000))["num_train_epochs"] == 1
    assert values(PairsFacts("ada/pairs", held_out_share=0.05))["max_steps"] == 500
    assert "eval_strategy" not in values(PAIRS[1])
    assert "dataset_name" not in values(None) and "datasets" not in values(None)


def test_what_depends_on_model_and_place() -> None:
    """The learning rate of the method; the length that the model takes; a Job pushes, privately, under my name."""
    rates = [
        values_of(first_recipe(Choices(FILE, SHIPPED[3].name, SHIPPED[3].shape, method=method)))["learning_rate"]
        for method in Method
    ]
    assert rates == [1e-6, 1e-5, 5e-5]
    short = values_of(first_recipe(Choices(FILE, "model", None, 512)))
    assert short["max_length"] == 512 and short["per_device_train_batch_size"] == 1
    job = values_of(first_recipe(Choices(FILE, "m/m", target=Target.JOB, account="ada", project="mine")))
    assert job["hub_model_id"] == "ada/mine-dpo" and job["push_to_hub"] is True and job["hub_private_repo"] is True
    nobody = values_of(first_recipe(Choices(FILE, "m/m", target=Target.JOB)))
    assert nobody["hub_model_id"] == "<you>/project-dpo"  # which the checks stop, with the line to fix
