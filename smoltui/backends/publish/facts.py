"""Gathers what a card says from a run, its folder and its project. Blocks, and never opens a network."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from smoltui import __version__
from smoltui.backends.data_files.source import PairsSpec, files_stamp, is_local, open_spec, pairs_of
from smoltui.backends.evaluation import measurements
from smoltui.backends.pairs.audit import REPORT
from smoltui.backends.pairs.curated import own_pairs, reading_of
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.backends.pairs.opened_set import store_folder
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.backends.publish import evidence
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.output_dir import holds_model
from smoltui.backends.system import data_folder
from smoltui.backends.system.hub_files import COMMIT, commit, reference
from smoltui.backends.system.paths import exists
from smoltui.backends.system.small_file import read_small_text
from smoltui.core.pairs.audit import Audit, audit_from_json
from smoltui.core.publish.record import Base, Pairs, Points, Record, Weights
from smoltui.core.publish.submission import REPO_ID
from smoltui.core.runs.run import Run, RunSpec
from smoltui.core.settings.settings import Settings
from smoltui.errors import InputError, SmoltuiError
from smoltui.scripts.pair_format import examine, is_trl_form
from smoltui.scripts.pair_turns import NotAPairError

_TEMPLATE_BYTES = 4 << 20
DEFAULT_BETA = 0.1
"""TRL 1.16's DPOConfig."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """A run's record, and where its weights are."""

    record: Record
    run: Run
    settings: Settings
    folder: Path | None
    """Folder with the saved weights on this machine; None if they are only on the Hub, or gone."""
    values: Mapping[str, Any]
    """The recipe's keys and values."""


async def read_run(engine: Engine, run: Run) -> tuple[Run, RunSpec | None]:
    """The run with plan and curve, read from its log where the list has none, and the specification it started with.

    Raises:
        ServiceError: the engine could not be asked.
    """
    spec = await engine.started_with(run)
    if run.plan is None or not run.history.known:
        fresh = replace(run, history=type(run.history)()) if run.history.loaded else run
        async with aclosing(engine.follow(run.id, follow=False)) as events:
            async for event in events:
                fresh = fresh.after(event)
        if fresh.plan is not None:
            run = replace(fresh, stage=run.stage, finished_at=run.finished_at or fresh.finished_at)
    return run, spec


def gather(project: Project, run: Run, spec: RunSpec | None, *, ended: bool = True) -> Gathered:
    """Everything that is known about a run's model. `ended`: only of a run that is over.

    Raises:
        InputError: the run is not over, or its recipe is unknown.
        RecipeError: settings or recipe cannot be read.
    """
    spec = _spec_of(run, spec, ended=ended)
    settings = project.settings()
    values = RecipeFile(project.recipe_path, spec.recipe, "").values
    folder = _weights_folder(run)
    run.history.load()
    template, thinks = _template(folder)
    kept = run_store.run_dir(run.id)
    record = Record(
        name=(settings.submit.model or run.pushed_to or str(values.get("hub_model_id") or run.name)).rpartition("/")[2],
        run_id=run.id,
        base=_base(project, values, settings, run),
        pairs=_pairs(project, own_pairs(spec, values), settings, run, spec),
        recipe=spec.recipe,
        beta=_number(values.get("beta"), DEFAULT_BETA),
        weights=_weights(folder, values),
        loss=_words(values.get("loss_type"), "sigmoid"),
        learning_rate=_words(values.get("learning_rate"), "1e-06"),
        max_length=_words(values.get("max_length", 1024), "no limit"),
        seed=_words(values.get("seed"), "42"),
        step=run.step,
        steps=run.max_steps,
        moved=run.moved,
        chapter=settings.submit.chapter,
        method=settings.submit.method,
        template=template,
        thinks=thinks,
        plain_text=_is_plain_text(project, values),
        curves=_curves(run),
        measurement=measurements.last(kept),
        manner=settings.evaluation.manner,
        votes=evidence.votes(kept),
        benchmarks=evidence.benchmarks(kept),
        tool=__version__,
    )
    return Gathered(_as_it_went(record, run), run, settings, folder, values)


def _spec_of(run: Run, spec: RunSpec | None, *, ended: bool) -> RunSpec:
    """The specification, if the run has one, and is over if that is required."""
    if ended and not run.is_final:
        raise InputError(f"This run is not over yet: {run.id}", "Wait for its end: smoltui wait")
    if spec is None:
        raise InputError(
            f"The recipe that this run was started with is unknown: {run.id}", "Train again (t), or: smoltui train"
        )
    return spec


def _as_it_went(record: Record, run: Run) -> Record:
    """The record with what the trainer reported, which is truer than the recipe, and with the run's end."""
    if (plan := run.plan) is not None:
        record = replace(
            record,
            beta=plan.beta,
            epochs=plan.epochs,
            device=plan.device,
            dtype=plan.dtype,
            parameters=plan.parameters,
            trainable=plan.trainable,
            versions=dict(plan.versions),
        )
    if run.finished_at:
        day = time.strftime("%Y-%m-%d", time.gmtime(run.finished_at))
        record = replace(record, seconds=run.duration(time.time()), trained_at=day)
    return record


def _weights(folder: Path | None, values: Mapping[str, Any]) -> Weights:
    """What was saved, by the files of this machine; without them, by the recipe."""
    is_adapter = bool(values.get("use_peft")) if folder is None else (folder / "adapter_config.json").is_file()
    return Weights.ADAPTER if is_adapter else Weights.FULL


def _words(value: object, default: str) -> str:
    return default if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default


def _curves(run: Run) -> dict[str, Points]:
    return {name: tuple(points) for name, points in run.history.series.items()}


def _weights_folder(run: Run) -> Path | None:
    for name in (run.model_path, run.output_dir):
        if name and exists(Path(name)) and holds_model(Path(name)):
            return Path(name)
    return None


def _template(folder: Path | None) -> tuple[bool | None, bool]:
    """Whether the saved tokenizer has a chat template (None: unknown), and whether it can turn thinking off."""
    if folder is None:
        return None, False
    with suppress(OSError, ValueError):
        text = read_small_text(folder / "chat_template.jinja", _TEMPLATE_BYTES)
        return True, "enable_thinking" in text
    config = data_folder.read_json(folder / "tokenizer_config.json")
    if config is None:
        return None, False
    template = config.get("chat_template")
    return bool(template), "enable_thinking" in str(template)


def _is_plain_text(project: Project, values: Mapping[str, Any]) -> bool:
    """Whether the trainer saw plain texts instead of messages, by the first row; False for a set on the Hub."""
    with suppress(SmoltuiError, NotAPairError, StopIteration):
        wanted = pairs_of(values)
        if wanted is None or not is_local(wanted, project.folder):
            return False
        source = open_spec(wanted, project.folder)
        row = next(iter(source.rows(0)))
        reading = examine(row)
        as_it_is = isinstance(row, Mapping) and not source.is_converted and is_trl_form(reading, row)
        return as_it_is and reading.schema == "standard"
    return False


def _base(project: Project, values: Mapping[str, Any], settings: Settings, run: Run) -> Base:
    name = str(values.get("model_name_or_path") or "")
    license_ = settings.submit.license or None
    local = project.resolve(name)
    if exists(local) and local.is_dir():
        repo = settings.submit.base_model if REPO_ID.fullmatch(settings.submit.base_model) else None
        return Base(local.name, repo, None, license_)
    repo = name if REPO_ID.fullmatch(name) else None
    return Base(name, repo, _commit(name, values.get("model_revision"), run), license_)


def _commit(name: str, revision: object, run: Run) -> str | None:
    """The commit of the base model that was trained: from the recipe, or from this machine's cache of the Hub.

    The cache counts only if it was not changed since the run began.
    """
    wanted = str(revision or "main")
    if COMMIT.fullmatch(wanted):
        return wanted
    changed = data_folder.mtime(reference(name, wanted))
    if changed is None or run.finished_at is None or changed > run.finished_at:
        return None
    return commit(name, wanted)


def _pairs(project: Project, values: Mapping[str, Any], settings: Settings, run: Run, spec: RunSpec) -> Pairs:
    wanted = pairs_of(values)
    name, repo = _pairs_name(project, wanted, settings)
    found = Pairs(
        name=name,
        repo=repo,
        split=str(values.get("dataset_train_split") or "train") if not values.get("datasets") else "",
        digest=spec.pairs_hash,
        origin=spec.pairs_from,
    )
    if (plan := run.plan) is not None:
        found = replace(
            found,
            digest=plan.pairs_hash or spec.pairs_hash,
            train=plan.train_pairs,
            held_out=plan.held_out_pairs,
            left_out={reason: count for reason, count in plan.left_out.items() if count},
        )
    with suppress(SmoltuiError):
        curation = CurationFile(project.folder).load()
        found = replace(found, excluded=len(curation.excluded), swapped=len(curation.swapped))
    audit = _audit(project, wanted, settings)
    if audit is None:
        return found
    findings = tuple((each.severity, each.count, each.title) for each in audit.findings if each.count)
    return replace(found, audit=tuple(audit.header()), findings=findings)


def _pairs_name(project: Project, wanted: PairsSpec | None, settings: Settings) -> tuple[str, str | None]:
    """The name of the set, without the folders of this machine, and its Hub id: smoltui.toml's for a local one."""
    name, repo = "", settings.submit.preference_dataset
    if wanted is not None and is_local(wanted, project.folder):
        name = Path(wanted.source).name if wanted.source else wanted.shown
    elif wanted is not None:
        name, repo = wanted.shown, wanted.source
    return name or "unknown", repo if REPO_ID.fullmatch(repo) else None


def _audit(project: Project, wanted: PairsSpec | None, settings: Settings) -> Audit | None:
    """The newest audit of the set in its state now: from the cache of pairs, or saved in the project."""
    paths = [project.folder / REPORT]
    if wanted is not None:
        with suppress(SmoltuiError):
            columns, how = reading_of(project, wanted, settings)
            spec = replace(wanted, columns=columns, how=how)
            paths.insert(0, store_folder(spec, project.folder, files_stamp(spec, project.folder)) / REPORT)
    for path in paths:
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            if (data := data_folder.read_json(path)) is not None:
                return audit_from_json(data)
    return None
