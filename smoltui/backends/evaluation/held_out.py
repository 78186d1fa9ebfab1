"""The held-out pairs of a recipe, as the trainer saw them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from smoltui.backends.data_files.source import PairSource, PairsSpec, open_spec, pairs_of
from smoltui.backends.pairs.curated import folder as curated_folder
from smoltui.backends.pairs.curated import reading_of
from smoltui.backends.project.project import Project
from smoltui.errors import PairsError, RecipeError
from smoltui.scripts.pair_format import Reading, conversation_of, examine, is_trl_form
from smoltui.scripts.pair_turns import NotAPairError

THINKING_OFF: Mapping[str, Any] = {"enable_thinking": False}
"""Arguments for the chat template of a converted row that has none (`scripts/dpo.py`); other templates ignore it."""


def held_out_pairs(project: Project, values: Mapping[str, Any], limit: int) -> list[dict[str, Any]]:
    """The first `limit` usable held-out pairs of a recipe. Blocks: files, or the Hub.

    The held-out pairs are the split `dataset_test_split` (TRL's default: test) of the recipe's set. Each is in the form
    in which `scripts/dpo.py` gives it to DPOTrainer: {"prompt", "chosen", "rejected"}, all texts or all lists of
    messages, with `chat_template_kwargs` and `tools` where the trainer has them.

    Raises:
        RecipeError: the recipe has no pairs, or none are held out.
        PairsError: they cannot be read, the split does not exist, or has no usable pair.
        ServiceError: the Hub does not provide them.
    """
    split = str(values.get("dataset_test_split") or "test")
    spec = _spec(values, split)
    if spec is None:
        raise RecipeError("The recipe has no pairs", "Set dataset_name in the Recipe room.")
    if spec.source and project.resolve(spec.source).is_file():
        raise RecipeError(
            f"These pairs are a single file without a held-out split: {spec.source}",
            f"Put train.jsonl and {split}.jsonl into a folder and set dataset_name to it.",
        )
    if not Path(spec.source).is_relative_to(curated_folder()):  # what a run trained on is read as it is
        columns, how = reading_of(project, spec, project.settings())
        spec = replace(spec, columns=columns, how=how)
    found = as_trained(open_spec(spec, project.folder), limit)
    if not found:
        raise PairsError(f"This split has no usable pairs: {split}", "Review the pairs in the Pairs room.")
    return found


def _spec(values: Mapping[str, Any], split: str) -> PairsSpec | None:
    if name := values.get("dataset_name"):
        config = values.get("dataset_config")
        return PairsSpec(str(name), str(config) if config else None, split)
    mixed = pairs_of(values)
    return replace(mixed, split=split) if mixed else None


def as_trained(source: PairSource, limit: int) -> list[dict[str, Any]]:
    """The first `limit` usable pairs of a split, in the trainer's form.

    One row that TRL can't take as it is makes the trainer convert all of them, so the whole split may be read.
    """
    usable = _usable(source)
    first = list(islice(usable, limit))
    as_it_is = not source.is_converted and all(is_trl_form(reading, row) for row, reading in chain(first, usable))
    return [_pair(row, reading, as_it_is) for row, reading in first]


def _usable(source: PairSource) -> Iterator[tuple[Mapping[str, Any], Reading]]:
    for row in source.rows(0):
        try:
            reading = examine(row)
        except NotAPairError:
            continue
        if isinstance(row, Mapping) and not reading.problems:
            yield row, reading


def _pair(row: Mapping[str, Any], reading: Reading, as_it_is: bool) -> dict[str, Any]:
    if as_it_is and reading.schema == "standard":
        return {side: row[side] for side in ("prompt", "chosen", "rejected")}
    kwargs = reading.kwargs or (None if as_it_is else THINKING_OFF)
    more = {"chat_template_kwargs": kwargs, "tools": reading.tools}
    return {**conversation_of(reading), **{key: value for key, value in more.items() if value}}
