"""Counts the tokens of an imported set, as a process: `python -m smoltui.backends.pairs.count_tokens FOLDER PROJECT`.

Prints `{"key", "rows"}` while it goes on; what whole parts hold stays when it is ended.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from smoltui.backends.pairs.import_set import TELL_SECONDS
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
from smoltui.backends.pairs.token_service import TokenService, open_tokenizer
from smoltui.backends.pairs.tokenizer import BATCH_PAIRS, Counts, Patience
from smoltui.backends.project.project import open_project
from smoltui.backends.project.recipe_file import load_project_recipe
from smoltui.core.pairs.preference import Pair
from smoltui.errors import SmoltuiError

AHEAD = 2
"""Batches that are asked for before the first of them is back."""
BATCH_CHARACTERS = 1 << 21


def main(arguments: list[str]) -> int:
    folder, project = Path(arguments[0]), arguments[1]
    with suppress(OSError):
        os.nice(5)
    told = 0.0

    def progress(rows: int) -> None:
        nonlocal told
        if (now := time.monotonic()) - told > TELL_SECONDS:
            told = now
            _tell({"key": tokenizer.key, "rows": rows})

    try:
        opened = open_project(project)
        tokenizer = open_tokenizer(opened, load_project_recipe(opened).values)
        rows = count_tokens(PairStore(folder), tokenizer, progress=progress)
    except SmoltuiError as error:
        _tell({"error": error.message, "hint": error.hint})
        return 2
    except OSError as error:
        _tell(
            {
                "error": f"The token counts cannot be saved ({error.strerror or error}): {folder}",
                "hint": "Free some space.",
            }
        )
        return 2
    _tell({"key": tokenizer.key, "rows": rows})
    return 0


def count_tokens(
    store: PairStore, tokenizer: TokenService, *, progress: Callable[[int], object] = lambda rows: None
) -> int:
    """Counts what is not counted yet; gives the rows of the set.

    Raises:
        PairsError: the cache was deleted meanwhile.
        InputError: there is no chat template for conversations.
        StuckError: the chat template took too much time or memory for several pairs.
        RunFailedError: what counts has ended.
        OSError: the cache cannot be written.
    """
    import pyarrow as pa

    kind, schema, patience = tokens_kind(tokenizer.key), schema_for(TOKENS_FIELDS), Patience()
    thinking = False if store.meta.thinking_off else None
    for part in range(store.parts):
        if part_path(store.folder, kind, part).is_file():
            continue
        try:
            rows = store.table(TEXT, part).to_pylist()
        except FileNotFoundError as error:
            raise gone(store.folder) from error
        pairs = [pair_of_columns(index, row, store.meta.schema) for index, row in enumerate(rows, part * PART_ROWS)]
        counts: list[Counts | None] = []
        asked: deque[Future[list[Counts | None]]] = deque()
        for batch in (*_batches(pairs), None):
            if batch is not None:
                asked.append(tokenizer.ask_counts(batch, thinking, patience))
            while asked and (batch is None or len(asked) > AHEAD):
                counts += asked.popleft().result()
                progress(part * PART_ROWS + len(counts))
        columns = zip(*((found or (None, None, None)) for found in counts), strict=True)
        write_part(store.folder, kind, part, pa.table([pa.array(list(c), pa.int32()) for c in columns], schema=schema))
    return len(store)


def _batches(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    """What is counted at once: at most `BATCH_PAIRS`, and fewer of long ones."""
    begin = size = 0
    for place, pair in enumerate(pairs):
        size += sum(len(turn.content) for turn in (*pair.prompt, *pair.chosen, *pair.rejected))
        if place + 1 - begin == BATCH_PAIRS or size > BATCH_CHARACTERS:
            yield pairs[begin : place + 1]
            begin, size = place + 1, 0
    if begin < len(pairs):
        yield pairs[begin:]


def _tell(line: dict[str, Any]) -> None:
    print(json.dumps(line, ensure_ascii=True), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
