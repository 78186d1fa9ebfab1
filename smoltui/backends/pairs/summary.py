"""Summary of an imported set, counted from the facts of its rows: fast, without the findings of the audit."""

from __future__ import annotations

from collections import Counter
from typing import TypedDict

from smoltui.backends.pairs.across import Across
from smoltui.backends.pairs.set_columns import holding
from smoltui.backends.pairs.store import FACTS, PairStore, gone
from smoltui.core.pairs.preference import FINDINGS

_FLAGS = {
    "empty_chosen": "empty_chosen",
    "empty_rejected": "empty_rejected",
    "prompt_differs": "prompt_differs",
    "roles_wrong": "roles_do_not_alternate",
    "identical": "identical",
    "cut_inside_answer": "trl_cut_inside_answer",
}
_REASONS = ("broken", "no_prompt", "no_answer")
_TIES = ("tie", "too_close")
_CONDITIONS = {
    **{name: flag for flag, name in _FLAGS.items()},
    **{name: f"reason = '{name}'" for name in _REASONS},
    "ties": f"reason IN {_TIES}",
    "not_pairs": f"reason IS NOT NULL AND chosen_chars IS NULL AND reason NOT IN {(*_REASONS, *_TIES)}",
    "clean": "reason IS NULL AND NOT identical",
}


class Summary(TypedDict):
    """Counts of a set."""

    rows: int
    clean: int
    """Usable rows whose answers differ."""
    findings: dict[str, list[int]]
    """Each of `core.pairs.preference.FINDINGS` → its rows."""
    left_out: dict[str, int]
    """Reason → number of unusable rows."""


def summary(store: PairStore) -> Summary:
    """Counts the rows of a set.

    Raises:
        PairsError: the cache was deleted meanwhile; or the set cannot be compared, as on a full disk.
    """
    from pyarrow import compute as pc

    found: dict[str, list[int]] = {name: [] for name in FINDINGS}
    clean = 0
    try:
        for name, rows in holding(store, _CONDITIONS):
            if name == "clean":
                clean += len(rows)
            else:
                found[name] += rows.to_pylist()
        with Across(store) as across:
            found["repeated_prompts"] = pc.indices_nonzero(across.repeated_prompts()).to_pylist()
            found["duplicates"] = pc.indices_nonzero(across.duplicates()).to_pylist()
    except FileNotFoundError as error:
        raise gone(store.folder) from error
    left_out = {reason: count for reason, count in sorted(reasons_of(store).items(), key=str) if reason is not None}
    return {"rows": len(store), "clean": clean, "findings": found, "left_out": left_out}


def reasons_of(store: PairStore) -> Counter[str | None]:
    """Reason (None for a usable pair) → number of rows. Raises PairsError: the cache was deleted meanwhile."""
    reasons = Counter[str | None]()
    try:
        for part in range(store.parts):
            for found in store.table(FACTS, part, ["reason"]).column("reason").value_counts().to_pylist():
                reasons[found["values"]] += found["counts"]
    except FileNotFoundError as error:
        raise gone(store.folder) from error
    return reasons
