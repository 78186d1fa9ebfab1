"""Counts the tokens of an imported set, as a process: `python -m smoltui.backends.pairs.count_tokens FOLDER PROJECT`.

Prints JSON lines `{"key", "rows"}` as progress. If the process is killed, the counts of complete parts are kept.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

from smoltui.backends.pairs.child_output import Line, Progress, run_child
from smoltui.backends.pairs.store import (
    PART_ROWS,
    TEXT,
    TOKENS_FIELDS,
    PairStore,
    gone,
    pair_of_columns,
    part_path,
    schema_for,
    tokens_kind,
    write_part,
)
from smoltui.backends.pairs.template_limits import Patience
from smoltui.backends.pairs.token_service import TokenService, open_tokenizer
from smoltui.backends.pairs.tokenizer import BATCH_PAIRS, Counts
from smoltui.backends.project.project import open_project
from smoltui.backends.project.recipe_file import load_project_recipe
from smoltui.core.pairs.preference import Pair
from smoltui.errors import InputError

AHEAD = 2
"""Batches that are requested before the first of them is answered."""
BATCH_CHARACTERS = 1 << 21


def main(arguments: list[str]) -> int:
    folder, project = Path(arguments[0]), arguments[1]

    def unwritable(error: OSError) -> InputError:
        return InputError(f"The token counts cannot be saved ({error.strerror or error}): {folder}", "Free some space.")

    return run_child(lambda: _counted(folder, project), unwritable)


def _counted(folder: Path, project_folder: str) -> Line:
    project, progress = open_project(project_folder), Progress()
    tokenizer = open_tokenizer(project, load_project_recipe(project).values)
    key = tokenizer.key
    return {
        "key": key,
        "rows": count_tokens(PairStore(folder), tokenizer, progress=lambda rows: progress({"key": key, "rows": rows})),
    }


def count_tokens(
    store: PairStore, tokenizer: TokenService, *, progress: Callable[[int], object] = lambda rows: None
) -> int:
    """Counts the parts that are not counted yet. Returns the number of rows of the set.

    Raises:
        PairsError: the cache was deleted meanwhile.
        InputError: the pairs are conversations, and there is no chat template.
        StuckError: the chat template took too much time or memory for several pairs.
        RunFailedError: the tokenizer's process ended.
        OSError: the cache cannot be written.
    """
    import pyarrow as pa

    kind, schema, patience = tokens_kind(tokenizer.key), schema_for(TOKENS_FIELDS), Patience()
    thinking = False if store.meta.thinking_off else None
    for part in range(store.parts):
        if part_path(store.folder, kind, part).is_file():
            continue
        counts: list[Counts | None] = []
        for batch in _answers(tokenizer, _pairs_of(store, part), thinking, patience):
            counts += batch
            progress(part * PART_ROWS + len(counts))
        columns = zip(*((found or (None, None, None)) for found in counts), strict=True)
        write_part(store.folder, kind, part, pa.table([pa.array(list(c), pa.int32()) for c in columns], schema=schema))
    return len(store)


def _pairs_of(store: PairStore, part: int) -> list[Pair]:
    try:
        rows = store.table(TEXT, part).to_pylist()
    except FileNotFoundError as error:
        raise gone(store.folder) from error
    return [pair_of_columns(index, row, store.meta.schema) for index, row in enumerate(rows, part * PART_ROWS)]


def _answers(
    tokenizer: TokenService, pairs: Sequence[Pair], thinking: bool | None, patience: Patience
) -> Iterator[list[Counts | None]]:
    """The counts of each batch in order, with up to `AHEAD` further batches requested."""
    asked: deque[Future[list[Counts | None]]] = deque()
    for batch in _batches(pairs):
        asked.append(tokenizer.ask_counts(batch, thinking, patience))
        if len(asked) > AHEAD:
            yield asked.popleft().result()
    while asked:
        yield asked.popleft().result()


def _batches(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    """Pairs that are counted in one request: at most `BATCH_PAIRS`, fewer if they are long."""
    begin = size = 0
    for place, pair in enumerate(pairs):
        size += sum(len(turn.content) for turn in (*pair.prompt, *pair.chosen, *pair.rejected))
        if place + 1 - begin == BATCH_PAIRS or size > BATCH_CHARACTERS:
            yield pairs[begin : place + 1]
            begin, size = place + 1, 0
    if begin < len(pairs):
        yield pairs[begin:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
