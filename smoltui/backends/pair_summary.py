"""What an imported set holds, counted from the facts of its rows: quick, and without what only the audit finds."""

from __future__ import annotations

from collections import Counter
from typing import Any

from smoltui.backends.pair_store import FACTS, PART_ROWS, PairStore, gone
from smoltui.core.preference import FINDINGS

_FLAGS = {
    "empty_chosen": "empty_chosen", "empty_rejected": "empty_rejected", "prompt_differs": "prompt_differs",
    "roles_wrong": "roles_do_not_alternate", "identical": "identical", "cut_inside_answer": "trl_cut_inside_answer",
}  # fmt: skip
_REASONS = {"broken": "broken", "no_prompt": "no_prompt", "no_answer": "no_answer"}


def summary(store: PairStore) -> dict[str, Any]:
    """`rows`, `clean` ({"count"}), `left_out` (reason → rows, only where there are any) and each of
    `core.preference.FINDINGS` as a list of its rows.

    Raises:
        PairsError: the cache was deleted meanwhile.
    """
    found: dict[str, list[int]] = {name: [] for name in FINDINGS}
    reasons: Counter[str] = Counter()
    clean = 0
    pairs: set[bytes] = set()
    prompts: set[int] = set()
    columns = ["hash", "prompt_hash", "reason", "chosen_chars", *_FLAGS]
    for part in range(store.parts):
        try:
            table = store.table(FACTS, part, columns)
        except FileNotFoundError as error:
            raise gone(store.folder) from error
        for index, row in enumerate(table.to_pylist(), part * PART_ROWS):
            reason = row["reason"]
            readable = row["chosen_chars"] is not None
            if reason is not None:
                reasons[reason] += 1
                if name := _REASONS.get(reason, "" if readable else "not_pairs"):
                    found[name].append(index)
            for flag, name in _FLAGS.items():
                if row[flag]:
                    found[name].append(index)
            clean += reason is None and not row["identical"]
            if readable:
                for seen, key, name in (
                    (prompts, row["prompt_hash"], "repeated_prompts"), (pairs, row["hash"], "duplicates"),
                ):  # fmt: skip
                    if key in seen:
                        found[name].append(index)
                    seen.add(key)
    return {"rows": len(store), "clean": clean, "findings": found, "left_out": dict(sorted(reasons.items()))}
