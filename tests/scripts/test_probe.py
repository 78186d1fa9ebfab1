"""The probe's second question: the shape of a decoder that we can't count ourselves."""

from __future__ import annotations

import json
from pathlib import Path

from tests.core.machine.step_shapes import PROBED
from tests.marks import needs_training
from tests.scripts import running

KEPT = Path(__file__).parents[1] / "core" / "machine" / "probed_shapes.json"


@needs_training
def test_shapes_of_other_architectures() -> None:
    """As transformers builds them; what is no dense decoder is a problem in words, not a shape."""
    configs = {shape.model: dict(shape.config) for shape in PROBED}
    experts = {**configs["olmo2 504"], "model_type": "mixtral", "num_local_experts": 4}
    found = running.in_prepared(
        "import json, probe\n"
        f"configs = {[*configs.values(), experts, {'model_type': 'nonsense'}, {}]!r}\n"
        "print(json.dumps([probe.shape_of(config) for config in configs]))"
    )
    assert found[: len(configs)] == list(json.loads(KEPT.read_text("utf-8")).values())
    assert all("problem" in answer for answer in found[len(configs) :]), found[len(configs) :]
