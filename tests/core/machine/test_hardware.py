"""Flavors in words, and which of them a recipe fits in."""

from __future__ import annotations

from typing import Any

from smoltui.core.machine.fit import estimate
from smoltui.core.machine.hardware import accelerators, alternatives, as_json, fits, gb, prices
from smoltui.core.machine.model_shape import KNOWN
from smoltui.core.runs.cost import Flavor

GB = 10**9
SMOLLM3 = KNOWN["HuggingFaceTB/SmolLM3-3B"]
FULL: dict[str, Any] = {"per_device_train_batch_size": 2, "max_length": 1024, "bf16": True}


def flavor(name: str, count: int = 1, vram: int | None = 80 * GB, ram: int = 142 * GB) -> Flavor:
    kind = "A100" if count else None
    return Flavor(name, name, "12 vCPU", ram, kind, count, vram, 0.041667, 5.0)


FLAVORS = [
    flavor("one"),
    flavor("small", vram=24 * GB),
    flavor("four", 4, 96 * GB),
    flavor("odd", vram=None),
    flavor("cpu", 0, None, 16 * GB),
]


def test_each_flavor_has_its_verdict() -> None:
    """Full fine-tuning fits one 80 GB card, not a small one, nor four small ones: each holds the whole model."""
    found = {fit.flavor.name: fit for fit in fits(FLAVORS, FULL, SMOLLM3)}
    verdicts = {name: fit.verdict for name, fit in found.items()}
    assert verdicts == {"one": "fits", "small": "no", "four": "no", "odd": "unknown", "cpu": "no"}
    on_card, on_processor = estimate(FULL, SMOLLM3), estimate(FULL, SMOLLM3, cuda=False)
    assert on_card is not None and on_processor is not None
    assert (found["one"].needed, found["cpu"].needed) == (on_card.needed, on_processor.needed)
    assert (found["four"].available, found["cpu"].available) == (24 * GB, 16 * GB)
    assert found["small"].in_words == "does not fit"


def test_a_flavor_without_a_gpu_is_too_slow_for_a_large_model() -> None:
    """However much memory it has; a small model may train there."""
    large = flavor("cpu-xl", 0, None, 1000 * GB)
    small = KNOWN["HuggingFaceTB/SmolLM2-135M"]
    assert [fits([large], FULL, shape)[0].verdict for shape in (SMOLLM3, small)] == ["slow", "fits"]


def test_a_model_that_is_not_reckoned_is_unknown_everywhere() -> None:
    assert {(fit.verdict, fit.needed) for fit in fits(FLAVORS, FULL, None)} == {("unknown", None)}


def test_in_words() -> None:
    one, _, four, odd, cpu = FLAVORS
    assert [accelerators(each) for each in (one, four, cpu)] == ["A100", "4 x A100", "–"]
    assert prices(one) == "2.50 USD per hour, 0.04 USD per minute"
    assert [gb(size) for size in (80 * GB, 142 * GB, 2048 * GB, None)] == ["80 GB", "142 GB", "2048 GB", "–"]
    told = as_json(four, fits([four], FULL, SMOLLM3)[0])
    assert (told["device_bytes"], told["fits"], told["usd_per_hour"]) == (24 * GB, "no", 0.041667 * 60)
    assert "fits" not in as_json(odd)


def test_what_may_replace_a_flavor() -> None:
    """What the recipe fits; of a Job whose recipe nobody knows, what has as much memory on as many devices."""
    assert [each.name for each in alternatives(FLAVORS, "small")] == ["one", "four"]
    assert alternatives(FLAVORS, "one") == [] and alternatives(FLAVORS, "unknown") == []
    assert [each.name for each in alternatives(FLAVORS, "small", fits(FLAVORS, FULL, SMOLLM3))] == ["one"]
