"""Asks the reference and the aligned model, in a child: answers to prompts, and log-probabilities of held-out pairs."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import AsyncGenerator, Container, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoltui.backends.evaluation import measurements
from smoltui.backends.machine.train_extra import require_train_extra
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import RecipeFile, load_project_recipe
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.output_dir import holds_model
from smoltui.backends.system import data_folder
from smoltui.backends.system.child import exit_in_words, leashed, running
from smoltui.backends.system.paths import exists
from smoltui.backends.system.small_file import read_small_text
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.figures import ALIGNED, COURSE_PROMPTS, REFERENCE, read_prompts
from smoltui.core.evaluation.measurement import Measurement
from smoltui.core.evaluation.prompt import Prompt, prompts_of
from smoltui.core.evaluation.sheet import Sheet, sampling_as_json, sheet_from_json
from smoltui.core.pairs.facts import sound
from smoltui.core.recipe import output_dir_of
from smoltui.core.runs.events import Event, Failed, Finished, LogLine, Reader
from smoltui.core.runs.run import Run, Stage
from smoltui.core.settings.settings import EvaluationSettings
from smoltui.errors import InputError, RecipeError, RunFailedError
from smoltui.redaction import without_tokens
from smoltui.safe_text import redact
from smoltui.scripts import SCRIPTS

GENERATE = SCRIPTS / "generate.py"
MAX_PROMPTS = 200
"""Maximum number of prompts: each is a widget on the screen and two answers to wait for."""
DEFAULT_BETA = 0.1
DEFAULT_MAX_LENGTH = 1024
"""Both as in TRL 1.16's DPOConfig."""
DEFAULT_BATCH = 8


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared: the models, and the settings of their recipe for scoring pairs."""

    reference: Column
    aligned: Column | None
    """None: there is no aligned model yet."""
    beta: float
    max_length: int | None
    """Tokens; None: pairs are not cut for scoring."""
    batch_size: int
    values: Mapping[str, Any]
    """The recipe's own keys and values."""

    @property
    def models(self) -> list[Column]:
        return [self.reference, *([self.aligned] if self.aligned else [])]

    @property
    def places(self) -> dict[str, str]:
        """Origin of each model's weights, by name."""
        return {model.name: model.shown for model in self.models}


# -- which models


def has_model(run: Run, here: Container[str]) -> bool:
    """Whether a run has a usable model: on this disk or on the Hub.

    `here` names the engines whose runs write to this disk.
    """
    # An interrupted run may name a folder in which a later one has saved its model.
    folder = run.model_path or (run.output_dir if run.engine in here and run.stage == Stage.COMPLETED else None)
    return bool(run.pushed_to) or (folder is not None and holds_model(Path(folder)))


def runs_with_models(runs: Mapping[str, Run], project: Project, here: Container[str]) -> list[Run]:
    """Runs of this project with a usable model, in the order of `runs` (newest first). Reads the disk."""
    return [run for run in runs.values() if run.project == str(project.folder) and has_model(run, here)]


def compare_run(project: Project, run: Run | None) -> Comparison:
    """The models of a run, by the recipe it was started with.

    For None, the project's recipe and the model in its output folder (trained by hand, with `trl dpo`).

    Raises:
        RecipeError: the recipe has no model or cannot be read.
        InputError: the model no longer exists.
    """
    spec = run.raw.get("spec") if run is not None else None
    text = spec.get("recipe") if isinstance(spec, Mapping) else None
    recipe = RecipeFile(project.recipe_path, text, "") if isinstance(text, str) else load_project_recipe(project)
    if run is None:
        output = project.resolve(output_dir_of(recipe.values))
        return _comparison(project, recipe, str(output) if holds_model(output) else None, None)
    folder = run.model_path or run.output_dir
    if folder and holds_model(Path(folder)):
        return _comparison(project, recipe, folder, None)
    if run.pushed_to:
        return _comparison(project, recipe, None, run.pushed_to)
    raise InputError(f"The model of this run no longer exists: {folder}", "Train again with t.")


def _comparison(project: Project, recipe: RecipeFile, folder: str | None, repo: str | None) -> Comparison:
    values = recipe.values
    name = values.get("model_name_or_path")
    if not isinstance(name, str) or not name:
        raise RecipeError(f"{recipe.path.name} has no model", "Set model_name_or_path, for example in the Recipe room.")
    revision = values.get("model_revision")
    local = project.resolve(name)
    if exists(local) and local.is_dir():
        base, revision = str(local), None
    elif name.startswith((".", "/", "~")):
        raise RecipeError(f"The model of {recipe.path.name} does not exist: {local}", "Fix model_name_or_path.")
    else:
        base = name
    reference = Column(REFERENCE, base, revision if isinstance(revision, str) and revision != "main" else None)
    aligned = None
    if folder is not None:
        is_adapter = (Path(folder) / "adapter_config.json").is_file()
        aligned = Column(ALIGNED, base, reference.revision, folder) if is_adapter else Column(ALIGNED, folder)
    elif repo is not None:
        aligned = Column(ALIGNED, repo)
    beta, batch = values.get("beta", DEFAULT_BETA), values.get("per_device_eval_batch_size", DEFAULT_BATCH)
    max_length = values.get("max_length", DEFAULT_MAX_LENGTH)
    return Comparison(
        reference=reference,
        aligned=aligned,
        beta=float(beta) if isinstance(beta, int | float) else DEFAULT_BETA,
        max_length=max_length if isinstance(max_length, int) else None,
        batch_size=batch if isinstance(batch, int) and batch > 0 else DEFAULT_BATCH,
        values=values,
    )


@dataclass(slots=True)
class Opening:
    """What the Evaluate room shows before any model is asked."""

    candidates: list[Run]
    """Runs with a usable model, newest first."""
    run: Run | None
    """Run whose model is compared; None if no run of the project has one."""
    settings: EvaluationSettings
    comparison: Comparison
    sheet: Sheet
    """The project's prompts, with the answers stored with the run."""
    kept_at: float | None
    """When these were stored, seconds since the epoch; None without any."""
    measurement: Measurement | None = None
    """The figures stored with the run."""


def open_evaluation(project: Project, runs: Mapping[str, Run], wish: str | None, here: Container[str]) -> Opening:
    """Reads project and run folders; blocks. `wish` is the run to compare, None for the newest with a model.

    `here` as in `has_model`.

    Raises:
        RecipeError: recipe or settings cannot be used.
        InputError: the prompts cannot be read, or the run's model no longer exists.
    """
    settings = project.settings().evaluation
    candidates = runs_with_models(runs, project, here)
    run = next((run for run in candidates if run.id == wish), candidates[0] if candidates else None)
    comparison = compare_run(project, run)
    sheet, kept_at = Sheet(project_prompts(project, settings), comparison.models), None
    kept = last_answers(run_store.run_dir(run.id)) if run is not None else None
    if kept is not None:
        sheet.take_over(sheet_from_json(kept))
        at = kept.get("at")
        kept_at = at if sheet.complete and isinstance(at, float) else None
    measured = measurements.last(run_store.run_dir(run.id)) if run is not None else None
    return Opening(candidates, run, settings, comparison, sheet, kept_at, measured)


# -- what they are asked


def project_prompts(project: Project, settings: EvaluationSettings) -> list[Prompt]:
    """The prompts of the project's file; those of the course without one.

    Raises:
        InputError: the file cannot be read, or has no prompts.
    """
    path = project.resolve(settings.prompts)
    try:
        prompts = read_prompts(read_small_text(path))
    except FileNotFoundError:
        return prompts_of(COURSE_PROMPTS)
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a NUL in its name
        raise InputError(
            f"The prompts cannot be read as text: {path}", "Write one prompt per line, in UTF-8."
        ) from error
    if not prompts:
        raise InputError(f"This file has no prompts: {path}", "Write one prompt per line (e opens your editor).")
    return prompts_of(prompts[:MAX_PROMPTS])


def write_prompts_once(path: Path) -> None:
    """Creates the prompts file with those of the course if missing, so that an editor does not open an empty file.

    Raises:
        InputError: it cannot be written.
    """
    if path.exists():
        return
    try:
        path.write_text("# One prompt per line.\n" + "\n".join(COURSE_PROMPTS) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"The prompts cannot be written ({error.strerror}): {path}") from error


# -- asking


async def ask(
    comparison: Comparison,
    prompts: Sequence[Prompt],
    settings: EvaluationSettings,
    folder: Path,
) -> AsyncGenerator[Event, None]:
    """The events of both models' answers to `prompts`, streaming; ends after `Finished`. Close it to stop the child.

    Answers count from 0 in the order of `prompts`. `folder` is the project's.

    Raises:
        InputError: a prompt contains bytes that are not UTF-8.
        MissingExtraError: torch or transformers is not installed.
        RunFailedError: a model could not be loaded, or the child ended early; the message says why.
    """
    for prompt in prompts:
        try:
            prompt.text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"This prompt is not UTF-8 text: {prompt.text}", "Save it as UTF-8.") from error
    request = {"prompts": [prompt.asked for prompt in prompts], "pairs": [], "stream": True, "date": today()}
    async with aclosing(_generate(comparison, request, settings, folder)) as events:
        async for event in events:
            yield event


def today() -> str:
    """The current date on this machine, such as 2026-11-29."""
    return time.strftime("%Y-%m-%d")


async def measure(
    comparison: Comparison,
    pairs: Sequence[Mapping[str, Any]],
    settings: EvaluationSettings,
    folder: Path,
    *,
    date: str | None = None,
) -> AsyncGenerator[Event, None]:
    """The events of scoring `pairs` under both models, and of one sampled answer to each of their prompts.

    `date` (2026-11-29) is what templates take for today's; None: today. SmolLM3's writes it into every prompt.

    Raises:
        as `ask`.
    """
    prompts = [pair["prompt"] for pair in pairs]
    request = {"prompts": prompts, "pairs": list(pairs), "stream": False, "date": date or today()}
    async with aclosing(_generate(comparison, request, settings, folder)) as events:
        async for event in events:
            yield event


async def _generate(
    comparison: Comparison, request: Mapping[str, object], settings: EvaluationSettings, folder: Path
) -> AsyncGenerator[Event, None]:
    require_train_extra()
    whole = {
        "models": [
            {
                key: value
                for key, value in (
                    ("name", model.name),
                    ("path", model.path),
                    ("revision", model.revision),
                    ("adapter", model.adapter),
                )
                if value is not None
            }
            for model in comparison.models
        ],
        **request,
        **sampling_as_json(settings),
        "batch_size": comparison.batch_size,
        "max_length": comparison.max_length,
        "keep_end": comparison.values.get("truncation_mode") == "keep_end",
        "ld_alpha": alpha if isinstance(alpha := comparison.values.get("ld_alpha"), int | float) else None,
    }

    with tempfile.TemporaryDirectory(prefix="smoltui-") as work:
        path = Path(work) / "request.json"
        path.write_text(sound(json.dumps(whole, ensure_ascii=False)), encoding="utf-8")
        reader, last, finished = Reader(), "", False
        async with running(leashed(str(GENERATE), "--request", str(path)), folder) as child:
            async with aclosing(child.lines()) as lines:
                async for line in lines:
                    for event in reader.feed(line):
                        if isinstance(event, Failed):
                            raise RunFailedError(redact(event.cause), redact(event.hint))
                        if isinstance(event, LogLine):
                            last = redact(event.text.strip()) or last
                        finished = finished or isinstance(event, Finished)
                        yield event
            if not finished:
                said = f"; its last line: {last[:300]}" if last else ""
                raise RunFailedError(f"The models stopped answering, {exit_in_words(child.exit_code or 0)}{said}")


# -- answers stored with the run


def save_answers(folder: Path, sheet: Sheet, models: Mapping[str, str], settings: EvaluationSettings) -> Path:
    """Stores the answers as `answers-<time>.json` in a run's folder and returns the file.

    Raises:
        InputError: the folder cannot be written, or the answers cannot be written as UTF-8.
    """
    now = time.time()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now)) + f"{int(now % 1 * 1e6):06d}Z"
    path = folder / f"answers-{stamp}.json"
    try:
        data_folder.private_folder(folder)
        data_folder.write_json(path, without_tokens({"at": now, **sheet.as_json(models, settings)}))
    except (OSError, UnicodeEncodeError) as error:
        said = error.strerror or type(error).__name__ if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(
            f"The answers could not be saved ({said}): {path}",
            "Free some space there, make it writable, or set SMOLTUI_HOME to another data folder.",
        ) from error
    return path


def last_answers(folder: Path) -> dict[str, Any] | None:
    """The newest answers stored in a run's folder by `save_answers`; None without any."""
    try:
        paths = sorted(folder.glob("answers-*.json"), reverse=True)
    except OSError:
        return None
    return next((data for path in paths if (data := data_folder.read_json(path)) is not None), None)
