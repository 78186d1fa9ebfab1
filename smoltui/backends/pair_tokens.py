"""Counts the tokens of an imported set, as a process: `python -m smoltui.backends.pair_tokens FOLDER PROJECT`.

Prints `{"key", "rows"}` while it goes on; what whole parts hold stays when it is ended.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from smoltui.backends.launch import load_project_recipe
from smoltui.backends.pair_import import TELL_SECONDS
from smoltui.backends.pair_store import (
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
from smoltui.backends.project import open_project
from smoltui.backends.tokenizing import PairTokenizer, load_tokenizer
from smoltui.errors import SmoltuiError


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
        tokenizer = load_tokenizer(opened, load_project_recipe(opened).values)
        rows = count_tokens(PairStore(folder), tokenizer, progress=progress)
    except SmoltuiError as error:
        _tell({"error": error.message, "hint": error.hint})
        return 2
    except OSError as error:
        _tell({"error": f"The tokens cannot be kept, {error.strerror or error}: {folder}", "hint": "Free some space."})
        return 2
    _tell({"key": tokenizer.key, "rows": rows})
    return 0


def count_tokens(
    store: PairStore, tokenizer: PairTokenizer, *, progress: Callable[[int], object] = lambda rows: None
) -> int:
    """Counts what is not counted yet; gives the rows of the set.

    Raises:
        PairsError: the cache was deleted meanwhile.
        InputError: there is no chat template for conversations.
        OSError: the cache cannot be written.
    """
    import pyarrow as pa

    kind, schema = tokens_kind(tokenizer.key), schema_for(TOKENS_FIELDS)
    thinking = False if store.meta.thinking_off else None
    for part in range(store.parts):
        if part_path(store.folder, kind, part).is_file():
            continue
        try:
            rows = store.table(TEXT, part).to_pylist()
        except FileNotFoundError as error:
            raise gone(store.folder) from error
        pairs = [pair_of_columns(index, row, store.meta.schema) for index, row in enumerate(rows, part * PART_ROWS)]
        counts: list[Any] = []
        for begin in range(0, len(pairs), 256):
            counts += tokenizer.count_many(pairs[begin : begin + 256], thinking)
            progress(part * PART_ROWS + len(counts))
        columns = zip(*((found or (None, None, None)) for found in counts), strict=True)
        write_part(store.folder, kind, part, pa.table([pa.array(list(c), pa.int32()) for c in columns], schema=schema))
    return len(store)


def _tell(line: dict[str, Any]) -> None:
    print(json.dumps(line, ensure_ascii=True), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
