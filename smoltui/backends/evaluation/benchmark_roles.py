"""Whose results these are: of the reference, or of the aligned model of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from smoltui.backends.evaluation.answers import Comparison
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.published import pushed_repos
from smoltui.core.evaluation.benchmark_result import BenchmarkResult
from smoltui.core.evaluation.figures import ALIGNED, REFERENCE
from smoltui.core.runs.run import Run
from smoltui.errors import InputError


def role_of(
    result: BenchmarkResult, comparison: Comparison, run: Run | None, hub_model: str | None = None
) -> BenchmarkResult:
    """The result with its role among the models that are compared.

    `hub_model`: where the aligned model is on the Hub, if a person says so.

    Raises:
        InputError: it is of another model.
    """
    aligned = comparison.aligned
    names = {
        _plain(name)
        for name in (
            aligned.path if aligned is not None and aligned.adapter is None else None,
            run.pushed_to if run is not None else None,
            comparison.values.get("hub_model_id"),
            hub_model,
            *(pushed_repos(run_store.run_dir(run.id)) if run is not None else ()),
        )
        if isinstance(name, str)
    }
    adapter = aligned.adapter if aligned is not None else None
    if result.adapter is not None:
        if adapter is not None and _plain(result.adapter) == _plain(adapter):
            return replace(result, role=ALIGNED)
    elif _plain(result.model) in names:
        return replace(result, role=ALIGNED)
    elif _plain(result.model) == _plain(comparison.reference.path):
        return replace(result, role=REFERENCE)
    raise InputError(
        f"These results are of another model: {result.adapter or result.model}",
        "Leave out FOLDER to only show them, choose the run with --run, or name the model with --hub-model.",
    )


def _plain(name: str) -> str:
    """A folder by its absolute path, a Hub id as it is."""
    return str(Path(name).absolute()) if name.startswith((".", "/", "~")) else name
