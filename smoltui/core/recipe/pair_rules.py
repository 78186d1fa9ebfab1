"""Rules for the pairs: where they come from, how they are selected and cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from smoltui.core.recipe.changes import ABSENT
from smoltui.core.recipe.finding import Finding, Recipe, rule, stop, warn
from smoltui.core.recipe.fix import Fix, deletes, edits, writes
from smoltui.core.recipe.values import file_kind

_SOURCE_KEYS = {"path", "name", "data_dir", "data_files", "split", "columns", "fraction"}
"""Keys of one entry of datasets (TRL 1.16 DatasetConfig)."""


@rule
def _pairs(recipe: Recipe) -> Iterator[Finding]:
    sources, name = recipe.given("datasets"), recipe.given("dataset_name")
    if not sources and not name:
        yield stop(
            "datasets",
            "The recipe has no pairs",
            "Write datasets with a path and a split, for example {path: Anthropic/hh-rlhf, split: train}",
        )
    if sources and name:
        yield warn(
            "dataset_name",
            "datasets and dataset_name are both set; TRL uses datasets",
            "Delete one.",
            deletes("dataset_name"),
        )
    if isinstance(name, str) and (kind := file_kind(name)) and not sources:
        yield stop(
            "dataset_name",
            f"dataset_name takes a Hub id or a folder, not a file: {name}",
            f"Write datasets: [{{path: {kind}, data_files: {name}, split: train}}]",
            Fix(recipe={"datasets": [{"path": kind, "data_files": name, "split": "train"}], "dataset_name": ABSENT}),
        )


@rule
def _sources(recipe: Recipe) -> Iterator[Finding]:
    for number, source in enumerate(recipe.given("datasets") or [], 1):
        where = f"source {number} of datasets"
        if not isinstance(source, Mapping) or not source.get("path"):
            yield stop("datasets", f"{where} has no path", "Write - path: OWNER/NAME", Fix(file="recipe.yaml"))
        elif unknown := sorted(set(source) - _SOURCE_KEYS):
            yield stop(
                "datasets",
                f"{where} has a key that TRL does not know: {unknown[0]}",
                f"Known: {', '.join(sorted(_SOURCE_KEYS))}.",
                _source(recipe, number, {key: part for key, part in source.items() if key in _SOURCE_KEYS}),
            )
        elif kind := file_kind(str(source["path"])):
            yield stop(
                "datasets",
                f"{where} is a file: {source['path']}",
                f"Write path: {kind} and data_files: {source['path']}",
                _source(recipe, number, {**source, "path": kind, "data_files": source["path"]}),
            )


def _source(recipe: Recipe, number: int, source: Mapping[str, Any]) -> Fix:
    """Replaces one source of datasets; `number` counts from 1."""
    sources = list(recipe.given("datasets"))
    sources[number - 1] = dict(source)
    return writes(datasets=sources)


@rule
def _selection(recipe: Recipe) -> Iterator[Finding]:
    if recipe.given("test_split_size"):
        yield warn(
            "test_split_size",
            "TRL splits without a seed: every run, even a resumed one, measures different pairs",
            "Set a held-out split instead.",
            deletes("test_split_size") if recipe.get("eval_strategy") == "no" else edits("dataset_test_split"),
        )
    if (recipe.get("streaming") or recipe.get("dataset_streaming")) and recipe.get("max_steps") < 1:
        yield stop("max_steps", "A stream of pairs has no length, so epochs have no meaning", "Set max_steps.")
    if recipe.get("train_sampling_strategy") == "group_by_length" and recipe.get("remove_unused_columns"):
        yield stop(
            "train_sampling_strategy",
            "Grouping by length needs the length column, which TRL removes first",
            "Write remove_unused_columns: false, and give the pairs a length column.",
            deletes("train_sampling_strategy"),
        )


@rule
def _truncation(recipe: Recipe) -> Iterator[Finding]:
    if "max_length" in recipe.values and recipe.given("max_length") is None:
        yield warn(
            "max_length",
            "Without a limit, one long pair determines the memory needed",
            "Write max_length: 1024",
            writes(max_length=1024),
        )
    if recipe.get("truncation_mode") == "keep_end":
        said = "keep_end is deprecated"
        yield warn("truncation_mode", said, "Delete the line: the start is kept.", deletes("truncation_mode"))
    if recipe.get("padding_free"):
        said = "This TRL disables padding_free; the run is padded"
        yield warn("padding_free", said, "Delete the line.", deletes("padding_free"))


@rule
def _evaluation(recipe: Recipe) -> Iterator[Finding]:
    if recipe.get("eval_strategy") != "no" and recipe.given("datasets") and not recipe.given("test_split_size"):
        yield stop(
            "eval_strategy",
            "Evaluation is on, but datasets has no held-out split: trl dpo fails after loading",
            'Write eval_strategy: "no", or set the pairs with dataset_name and dataset_test_split.',
            writes(eval_strategy="no"),
        )
