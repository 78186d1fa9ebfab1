"""Our checks against the real thing: TRL's trainer, built and run for a step with every combination."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from smoltui.core.recipe import Level, check
from smoltui.core.recipe.packages import packages_for
from tests.marks import needs_training
from tests.paths import DEMO, ROOT
from tests.scripts import running
from tests.scripts.trainer_cases import CASES, STRICTER, UNKNOWABLE, base


def stops(values: dict[str, Any]) -> list[str]:
    """What our checks say against a recipe on a machine without an accelerator."""
    known = False if "pad_token" in values else None
    found = check(values, has_bf16=False, model_type="smollm3", pad_token_known=known)
    lacking = [package.requirement for package in packages_for(values) if find_spec(package.module) is None]
    return [finding.sentence for finding in found if finding.level is Level.STOP] + lacking


@needs_training
def test_checks_stop_exactly_what_the_trainer_refuses(tmp_path: Path) -> None:
    """Losses, divergences, references, adapters, batches, types, optimizers, schedules, trackers: no false verdict."""
    recipes = [{**base("model", "pairs", str(tmp_path / "out")), **case} for case in CASES]
    said = running.in_prepared(
        f"import sys; sys.path.append({str(ROOT)!r})\n"
        "from pathlib import Path\n"
        "from tests.scripts.real_trainers import compare\n"
        f"compare(Path({str(tmp_path)!r}), Path({str(DEMO / 'model')!r}), {recipes!r})"
    )
    wrong = {}
    for case, values, refused in zip(CASES, recipes, said, strict=True):
        stopped = stops(values)
        if bool(stopped) != bool(refused) and not set(case) & {*STRICTER, *UNKNOWABLE}:
            wrong[str(dict(case))] = (refused, stopped)
    assert not wrong
