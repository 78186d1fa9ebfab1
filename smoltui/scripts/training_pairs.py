"""The pairs of a training: loaded as TRL does, judged as the app does, in a form that DPOTrainer takes as meant.

Beside `dpo.py`; torch is not imported.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pair_choices import unfold
from pair_format import Reading, content_hash, examine, hash_of, is_trl_form
from pair_turns import NotAPairError
from script_events import WrongInputError


def prepare_pairs(
    rows: Any,
    left_out: Counter[str],
    *,
    excluded: frozenset[str] = frozenset(),
    thinking_off: Callable[[], bool] = lambda: False,
) -> Any:
    """A `datasets.Dataset` that DPOTrainer trains on as meant, every row that is not used counted in `left_out`.

    Each row is judged by `pair_format`, as in the app. Where all usable rows are in TRL's own form, they stay as they
    are. Otherwise all become conversations, with the row's own arguments for the template; where it has none, thinking
    is turned off if the template knows it (`thinking_off`, only asked if it matters).

    Raises:
        WrongInputError: no row is left.
    """
    if len(rows) == 0:
        raise WrongInputError("The data has no pairs", "Choose another file, data set or split.")
    kept: list[int] = []
    pairs: list[Reading] = []
    as_it_is = True
    for index, row in enumerate(rows):
        for pair, reading in _usable(row, left_out):
            if excluded and hash_of(reading, pair) in excluded:
                left_out["excluded"] += 1
                continue
            as_it_is = as_it_is and pair is row and is_trl_form(reading, row)
            kept.append(index)
            pairs.append(reading)
    if not pairs:
        raise _nothing_left(len(rows), left_out)
    if as_it_is:
        return _with_arguments(rows if len(kept) == len(rows) else rows.select(kept), pairs)
    silent = any(not pair.kwargs for pair in pairs)
    return _as_conversations(pairs, silent and thinking_off())


def _with_arguments(rows: Any, pairs: Sequence[Reading]) -> Any:
    """The rows, with `{}` for the template's arguments where a row has none: DPOTrainer fails on null, which is what
    `datasets` makes of a column that other rows have.
    """
    name = "chat_template_kwargs"
    if name not in rows.column_names or None not in rows[name][:]:
        return rows
    from datasets import Dataset, Features, Json, concatenate_datasets

    values = [pair.kwargs or {} for pair in pairs]
    column = Dataset.from_dict({name: values}, features=Features({name: Json()}))
    return concatenate_datasets([rows.remove_columns(name), column], axis=1)


def _usable(row: Any, left_out: Counter[str]) -> Iterator[tuple[Any, Reading]]:
    """The pairs that a row stands for, each with its reading; those that are none are counted in `left_out`."""
    try:
        found = unfold(row)
    except NotAPairError as error:
        left_out[error.reason.replace("_", " ")] += 1
        return
    for pair in found:
        try:
            reading = examine(pair)
        except NotAPairError as error:
            left_out[error.reason.replace("_", " ")] += 1
            continue
        if reading.problems:
            left_out[reading.problems[0].reason.replace("_", " ")] += 1
        else:
            yield pair, reading


def _as_conversations(pairs: Sequence[Reading], thinking_off: bool) -> Any:
    """The pairs as a `datasets.Dataset` in TRL's conversational form."""
    from datasets import Dataset, Features, Json, Value

    columns: dict[str, list[Any]] = {
        "prompt": [pair.prompt for pair in pairs],
        "chosen": [pair.chosen_turns for pair in pairs],
        "rejected": [pair.rejected_turns for pair in pairs],
    }
    more = sorted(set().union(*map(_keys_of, columns.values())) - {"role", "content"})
    # Json keeps the arguments of each call as they are; a struct would give every call those of all others, as nulls.
    turn = {key: Json() if key == "tool_calls" else Value("string") for key in ("role", "content", *more)}
    features: dict[str, Any] = {name: [turn] for name in columns}
    if more:
        columns = {name: [_filled(turns, turn) for turns in side] for name, side in columns.items()}
    for name, values in _beside_the_turns(pairs, thinking_off).items():
        columns[name], features[name] = values, Json()
    return Dataset.from_dict(columns, features=Features(features))


def _beside_the_turns(pairs: Sequence[Reading], thinking_off: bool) -> dict[str, list[Any]]:
    """Arguments for the chat template and tools, for each pair, where at least one has them."""
    found: dict[str, list[Any]] = {}
    if thinking_off or any(pair.kwargs for pair in pairs):
        silent = {"enable_thinking": False} if thinking_off else {}
        found["chat_template_kwargs"] = [pair.kwargs or silent for pair in pairs]
    if any(pair.tools for pair in pairs):
        found["tools"] = [pair.tools for pair in pairs]
    return found


def _keys_of(side: Sequence[Sequence[Mapping[str, Any]]]) -> set[str]:
    return {key for turns in side for message in turns for key in message}


def _filled(turns: Sequence[Mapping[str, Any]], keys: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The turns with every key, null where they have none: a struct of Arrow has the same fields in all rows."""
    return [{**dict.fromkeys(keys), **message} for message in turns]


def _nothing_left(total: int, left_out: Counter[str]) -> WrongInputError:
    reasons = ", ".join(f"{reason} ({count:,})" for reason, count in left_out.most_common(3))
    return WrongInputError(
        f"None of the {total:,} rows is a usable preference pair: {reasons}",
        "A pair has chosen and rejected, with a separate prompt or the prompt at the start of both.",
    )


def pairs_hash(train_rows: Any, test_rows: Any) -> str | None:
    """Hash of the pairs and their order: the first 32 hexadecimal digits of SHA-256 over the content hashes of the
    training rows, one per line, a line `--`, and those of the held-out rows. None for streams, which are read only
    once."""
    digest = hashlib.sha256()
    for rows in (train_rows, test_rows):
        if rows is not None and not hasattr(rows, "__len__"):
            return None
        for row in rows or ():
            digest.update(f"{content_hash(row)}\n".encode("ascii"))
        if rows is train_rows:
            digest.update(b"--\n")
    return digest.hexdigest()[:32]


def load_pairs(script: Any, training: Any, mixture: Any) -> tuple[Any, Any]:
    """Training rows and held-out rows (None without evaluation), loaded as in TRL's own script."""
    from datasets import load_dataset
    from trl import get_dataset

    if mixture.datasets:
        source = get_dataset(mixture)
    elif script.dataset_name:
        source = load_dataset(script.dataset_name, name=script.dataset_config, streaming=script.dataset_streaming)
    else:
        raise WrongInputError("The recipe has no pairs", "Set dataset_name or datasets.")
    wanted = [script.dataset_train_split] + ([script.dataset_test_split] if training.eval_strategy != "no" else [])
    for split in wanted:
        if split not in source:
            raise WrongInputError(
                f"The pairs have no such split: {split}",
                f"Splits: {', '.join(source)}. Set dataset_train_split and dataset_test_split, or eval_strategy.",
            )
    return source[wanted[0]], source[wanted[1]] if len(wanted) > 1 else None


def is_dataset(rows: Any) -> bool:
    """Whether the rows are in memory or on disk; a stream is trained on as it is."""
    from datasets import Dataset

    return isinstance(rows, Dataset)
