"""What a card says is gathered from the run's folder and the project, without any network."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.publish.facts import gather, read_run
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.store import run_dir
from smoltui.core.publish.record import Weights
from smoltui.core.runs.events import Metrics
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import InputError
from tests.backends.publish.published import MEASURED, PLAN, RECIPE, FinishedEngine, make_published


async def test_the_record_is_the_run_s(tmp_path: Path) -> None:
    project, engine, run = make_published(tmp_path / "project")
    found = gather(project, *await read_run(engine, run))
    record = found.record
    assert (record.step, record.steps, record.epochs, record.moved) == (20, 20, 1.5, 0.98)
    assert (record.learning_rate, record.max_length, record.beta, record.seed) == ("5e-07", "512", 0.1, "42")
    assert record.pairs.digest == PLAN.pairs_hash and record.pairs.left_out == {"identical": 3}
    assert (record.pairs.train, record.pairs.held_out, record.pairs.repo) == (9870, 130, "Anthropic/hh-rlhf")
    assert record.measurement == MEASURED and record.recipe == RECIPE and record.weights is Weights.FULL
    assert record.template and record.thinks and record.seconds == 1_764_460_700.0
    assert record.curves["loss"][0] == (1, 0.7 - 1 / 50) and record.curves["eval_loss"] == ((20, 0.35),)
    assert record.base.repo == "HuggingFaceTB/SmolLM3-3B" and record.base.commit is None


async def test_a_job_s_plan_and_curve_are_read_from_its_log(tmp_path: Path) -> None:
    """The list of Jobs has neither."""
    _, engine, run = make_published(tmp_path / "project")
    bare = Run(run.id, run.engine, run.name, Stage.COMPLETED, project=run.project, output_dir=run.output_dir)
    reading = FinishedEngine(
        [bare], await engine.started_with(run), events=[PLAN, Metrics(step=3, values={"loss": 0.5})]
    )
    fresh, _ = await read_run(reading, bare)  # type: ignore[arg-type]
    assert fresh.plan == PLAN and fresh.history.last("loss") == 0.5 and fresh.stage == Stage.COMPLETED


async def test_the_base_model_s_commit(tmp_path: Path, own_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the recipe, or from the Hub's cache of this machine if it was not changed after the run."""
    commit = "a1" * 20
    project, engine, run = make_published(tmp_path / "a", recipe=f"{RECIPE}model_revision: {commit}\n")
    assert gather(project, *await read_run(engine, run)).record.base.commit == commit
    project, engine, run = make_published(tmp_path / "b")
    reference = own_machine / "hf" / "hub" / "models--HuggingFaceTB--SmolLM3-3B" / "refs" / "main"
    reference.parent.mkdir(parents=True)
    reference.write_text(commit)
    os.utime(reference, (1.0, 1.0))
    assert gather(project, *await read_run(engine, run)).record.base.commit == commit
    os.utime(reference, (2e9, 2e9))
    assert gather(project, *await read_run(engine, run)).record.base.commit is None


async def test_folders_of_this_machine_are_not_published(tmp_path: Path) -> None:
    """A model and pairs in folders: their names, not where they are."""
    recipe = f"model_name_or_path: {tmp_path}/mine/model\ndataset_name: {tmp_path}/mine/pairs\noutput_dir: out\n"
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "pairs").mkdir()
    project, engine, run = make_published(tmp_path / "project", recipe=recipe)
    record = gather(project, *await read_run(engine, run)).record
    assert (record.base.name, record.base.repo) == ("model", None)
    assert (record.pairs.name, record.pairs.repo) == ("pairs", None)


async def test_plain_texts_are_used_without_a_template(tmp_path: Path) -> None:
    """As the trainer saw them: the card's example does not render them."""
    from smoltui.core.publish.card import card

    recipe = RECIPE.replace("Anthropic/hh-rlhf", "pairs")
    project, engine, run = make_published(tmp_path / "project", recipe=recipe)
    (project.folder / "pairs").mkdir()
    file = project.folder / "pairs" / "train.jsonl"
    file.write_text('{"prompt": "How?", "chosen": "So.", "rejected": "No."}\n')
    record = gather(project, *await read_run(engine, run)).record
    assert record.plain_text and "apply_chat_template" not in card(record, "ada/m")
    row = {
        "prompt": [{"role": "user", "content": "How?"}],
        "chosen": [{"role": "assistant", "content": "So."}],
        "rejected": [{"role": "assistant", "content": "No."}],
    }
    file.write_text(json.dumps(row) + "\n")
    assert not gather(project, *await read_run(engine, run)).record.plain_text


async def test_decisions_of_the_project_are_counted(tmp_path: Path) -> None:
    project, engine, run = make_published(tmp_path / "project")
    lines = [f'{{"pair": "{digit * 32}", "act": "exclude", "at": "2026-11-30T00:00:00Z"}}' for digit in "ab"]
    lines.append(f'{{"pair": "{"c" * 32}", "act": "swap", "at": "2026-11-30T00:00:00Z"}}')
    (project.folder / "curation.jsonl").write_text("\n".join(lines) + "\n")
    pairs = gather(project, *await read_run(engine, run)).record.pairs
    assert (pairs.excluded, pairs.swapped) == (2, 1)


async def test_the_project_s_audit_is_in_the_record(tmp_path: Path) -> None:
    from smoltui.backends.system import data_folder
    from smoltui.core.pairs.audit import Audit, LengthBias
    from smoltui.core.publish.card import card
    from tests.core.publish.test_card import rows

    project, engine, run = make_published(tmp_path / "project")
    audit = Audit("hh", "train", 100, 98, (), LengthBias(98, 60, 30, 5.0, None), None, False, ("tokens not counted",))
    data_folder.write_json(project.folder / "audit.json", audit.as_json(), private=False)
    record = gather(project, *await read_run(engine, run)).record
    assert record.pairs.audit[0].startswith("100 rows · 98 usable") and "not counted" in record.pairs.audit[-1]
    assert "not audited" not in card(record, "ada/m") and rows(card(record, "ada/m"))
    (project.folder / "audit.json").write_text('{"rows": "many"}')
    assert not gather(project, *await read_run(engine, run)).record.pairs.audit


async def test_a_curated_set_has_the_name_of_its_source(tmp_path: Path) -> None:
    """Its own folder is named by a hash, which says nothing to a reader, and has no audit."""
    project, engine, run = make_published(tmp_path / "project")
    fresh, spec = await read_run(engine, run)
    assert spec is not None
    curated = replace(spec, recipe=spec.recipe.replace("Anthropic/hh-rlhf", str(tmp_path / ("ab" * 16))))
    assert gather(project, fresh, curated).record.pairs.repo is None
    named = json.dumps({"dataset_name": "Anthropic/hh-rlhf", "dataset_train_split": "train[:100]"})
    pairs = gather(project, fresh, replace(curated, pairs_named=named)).record.pairs
    assert (pairs.name, pairs.repo, pairs.split) == ("Anthropic/hh-rlhf", "Anthropic/hh-rlhf", "train[:100]")
    for broken in ("", "[]", "{"):
        assert gather(project, fresh, replace(curated, pairs_named=broken)).record.pairs.repo is None


async def test_what_cannot_be_published(tmp_path: Path) -> None:
    """A run that is going on, and one whose recipe is unknown."""
    project, engine, run = make_published(tmp_path / "project")
    spec = await engine.started_with(run)
    with pytest.raises(InputError, match="not over yet"):
        gather(project, replace(run, stage=Stage.RUNNING), spec)
    with pytest.raises(InputError, match="is unknown"):
        gather(project, run, None)


async def test_weights_that_are_gone(tmp_path: Path) -> None:
    """The run's folder was deleted: only the card can be published."""
    import shutil

    project, engine, run = make_published(tmp_path / "project")
    shutil.rmtree(project.folder / "out")
    shutil.rmtree(run_dir(run.id))
    found = gather(project, *await read_run(engine, run))
    assert found.folder is None and found.record.template is None and found.record.measurement is None


def test_the_engine_of_these_tests_is_one() -> None:
    """It has what publishing asks of an engine."""
    assert all(hasattr(Engine, name) for name in ("started_with", "follow", "list_runs", "get"))
