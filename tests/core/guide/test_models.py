"""Models that are offered, and where they fit."""

from __future__ import annotations

import json
from dataclasses import replace

from smoltui.backends.jobs.place import JOBS
from smoltui.backends.local.place import HERE
from smoltui.backends.project.new_project import PRESETS
from smoltui.core.guide.models import (
    DEMO_MODEL,
    DEMO_SHAPE,
    SHIPPED,
    Method,
    suggested,
    suggested_model,
    ways,
)
from smoltui.core.machine.device import GIB, Accelerator
from smoltui.core.machine.model_shape import KNOWN, shape_of
from smoltui.core.runs.cost import Flavor
from tests.core.machine.test_device import LAPTOP, with_gpu

SMALL, LARGE = SHIPPED[0].shape, SHIPPED[3].shape
L4 = Flavor("l4x1", "L4", "8 vCPU", 30 * 10**9, "L4", 1, 24 * 10**9, 0.8 / 60, 0.0)
A100 = replace(L4, name="a100-large", accelerator="A100", vram_bytes=80 * 10**9, usd_per_minute=2.5 / 60)
T4X4 = replace(L4, name="t4x4", count=4, vram_bytes=64 * 10**9, usd_per_minute=0.1 / 60)
LIST = {"hub": [T4X4, L4, A100]}


def test_the_table_has_the_sizes_of_the_models() -> None:
    """Parameters as the Hub counts them; the demo's model as its own config.json says."""
    assert [model.size for model in SHIPPED] == ["135 M", "362 M", "1.7 B", "3.1 B", "1 M"]
    assert KNOWN["HuggingFaceTB/SmolLM2-1.7B-Instruct"].parameters == 1_711_376_384
    demo = shape_of(json.loads((PRESETS["demo"] / "model" / "config.json").read_text()))
    assert demo is not None
    assert replace(demo, linears=dict(demo.linears)) == DEMO_SHAPE


def test_where_a_small_model_trains() -> None:
    """Here with all its weights; on Jobs on the cheapest single card that holds it, with its price."""
    found = ways(SMALL, replace(LAPTOP, ram_available=32 * GIB), [HERE, JOBS], LIST)
    assert [(way.method, way.place.name) for way in found] == [
        (Method.FULL, "local"),
        (Method.LORA, "local"),
        *((method, "hub") for method in Method),
    ]
    assert found[suggested(found, SMALL)] == found[0] and found[0].verdict == "fits"
    assert "of 32 GiB: fits" in found[0].words and "l4x1, 0.80 USD/h" in found[2].words
    unknown = ways(SMALL, LAPTOP, [HERE, JOBS], {})
    assert unknown[2].words.endswith("prices unknown") and unknown[2].verdict == "unknown"


def test_where_the_model_of_the_course_trains() -> None:
    """Not on a laptop: LoRA on the cheapest card. On 24 GB here: LoRA here. Of an unknown model, nothing is said."""
    found = ways(LARGE, LAPTOP, [HERE, JOBS], LIST)
    best = found[suggested(found, LARGE)]
    assert (best.method, best.place.name, best.flavor) == (Method.LORA, "hub", L4)
    full = next(way for way in found if way.method is Method.FULL and way.place.name == "hub")
    assert full.flavor == A100
    here = ways(LARGE, with_gpu(24), [HERE, JOBS], LIST)
    best = here[suggested(here, LARGE)]
    assert (best.method, best.place.name) == (Method.LORA, "local")
    assert any(way.method is Method.QLORA and way.place.name == "local" for way in here)
    odd = ways(None, LAPTOP, [HERE, JOBS], LIST)
    assert {way.verdict for way in odd} == {"unknown"} and "memory unknown" in odd[0].words
    assert suggested([], None) == 0


def test_which_model_to_start_from() -> None:
    """The largest that fits the accelerator; without one, the smallest real one; never the demo's."""
    assert SHIPPED[suggested_model(SHIPPED, LAPTOP)].title == "SmolLM2-135M-Instruct"
    assert SHIPPED[suggested_model(SHIPPED, with_gpu(24))].title == "SmolLM3-3B"
    tiny = replace(LAPTOP, accelerators=(Accelerator("cuda", "T", 2 * GIB, 2 * GIB),))
    assert SHIPPED[suggested_model(SHIPPED, tiny)].name != DEMO_MODEL
    assert suggested_model(SHIPPED, None) == 0
