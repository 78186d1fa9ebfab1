"""From a raw set to a model: I inspect the real pairs, exclude the bad ones, and train on the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from smoltui.app import SmoltuiApp
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.pairs.export import MANIFEST
from smoltui.backends.project.new_project import create_project
from smoltui.backends.services import Services
from tests.conftest import seen
from tests.marks import needs_training

Wait = Callable[..., Awaitable[None]]


@needs_training
async def test_audit_curate_hold_out_export_and_train(own_machine: Path, shared_data: Path, wait_until: Wait) -> None:
    """I open the real set, audit it, exclude the pairs of a finding, split off a test set, export, train two steps."""
    project = create_project(own_machine / "real", "demo")
    recipe = project.recipe_path.read_text()
    source = shared_data / "hh_harmless_test.jsonl.gz"
    for key, value in (
        ("dataset_name", f"\ndatasets: [{{path: json, data_files: {source}, split: train}}]"),
        ("max_length", "512"),
        ("eval_strategy", '"no"'),
        ("per_device_train_batch_size", "4"),
        ("num_train_epochs", "1\nmax_steps: 2"),
    ):
        line = value.strip() if value.startswith("\n") else f"{key}: {value}"
        recipe, count = re.subn(rf"(?m)^{key}:.*$", line, recipe)
        assert count == 1, key
    project.recipe_path.write_text(recipe)

    app = SmoltuiApp(project, Services({"local": LocalEngine()}), opening="pairs")
    async with app.run_test(size=(120, 40), notifications=True) as pilot:

        def told() -> str:
            return " ".join(seen(app, "Toast").replace("▌", " ").split())

        await wait_until(lambda: "pair 1 of 2,312" in seen(app) and "loading" not in seen(app), 60)
        await wait_until(lambda: "tokens" in seen(app, "PairView"), 60)

        await pilot.press("a")
        await wait_until(lambda: "2,312 rows · 2,299 usable pairs" in seen(app), 60)
        while "Answers to two different questions are not a preference" not in seen(app):
            await pilot.press("j")
        await pilot.press("enter")
        await wait_until(lambda: "pair 1,255 of 2,312" in seen(app) and "1 of 5 pairs" in seen(app))

        await pilot.press("A", "x", "y")
        await wait_until(lambda: "exclude: 5 pairs. u undoes it" in told())
        assert "excluded: pairs whose prompt differs between the sides" in seen(app)

        await pilot.press("H", *"0.05", "enter")
        await wait_until(lambda: "are held out (seed 42); no prompt appears in both splits" in told())
        await pilot.press("E", "enter")
        await wait_until(lambda: "are in curated, hash" in told(), 60)

        manifest = json.loads((project.folder / "curated" / MANIFEST).read_text())
        rows = {
            split: [
                json.loads(line) for line in (project.folder / "curated" / f"{split}.jsonl").read_text().splitlines()
            ]
            for split in ("train", "test")
        }
        assert manifest["excluded"] == 5 and sum(map(len, rows.values())) == 2299
        prompts = {split: {json.dumps(row["prompt"]) for row in rows[split]} for split in rows}
        assert not prompts["train"] & prompts["test"] and len(rows["test"]) > 60

        await pilot.press("t")
        await wait_until(lambda: "checks passed" in seen(app, "#start-text"), 60)
        await pilot.press("space")
        await wait_until(lambda: "5 excluded, 8 unusable" in " ".join(seen(app, "#start-text").split()), 60)
        await pilot.press("enter")
        await wait_until(lambda: "COMPLETED" in seen(app, "RunList"), 240)
        run = next(iter(app.runs.values()))
        assert run.plan is not None and run.plan.max_steps == 2
        # What was trained on is what was exported, to the pair: held-out pairs are not looked at without evaluation.
        assert run.plan.pairs_hash == manifest["train_hash"]
