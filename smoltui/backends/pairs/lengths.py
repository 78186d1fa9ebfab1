"""Lengths of the answers of an imported set: their distributions, in tokens or characters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from smoltui.backends.pairs.set_columns import column_values
from smoltui.backends.pairs.store import PairStore
from smoltui.core.pairs.histogram import Distribution

if TYPE_CHECKING:
    import pyarrow as pa


class Lengths(NamedTuple):
    """Distributions of the lengths of a set's answers."""

    unit: str
    """tokens, or characters if tokens are not counted."""
    chosen: Distribution
    rejected: Distribution
    gap: Distribution
    """Chosen minus rejected."""
    limit: int | None
    """`max_length`, at which sequences are cut; `chosen` and `rejected` then include the prompt.

    None: nothing is cut, or tokens are not counted.
    """


def lengths_of(store: PairStore, tokens: str | None, max_length: int | None) -> Lengths:
    """The lengths of all readable pairs.

    `tokens`: kind of the files with token counts; None: not counted. `max_length`: of the recipe; None: nothing is cut.

    Raises:
        PairsError: the cache was deleted meanwhile.
    """
    from pyarrow import compute as pc

    unit = "tokens" if tokens is not None else "chars"
    parts = store.parts  # the same for every column, although the set may be growing
    chosen, rejected = (column_values(store, f"{side}_{unit}", tokens, parts) for side in ("chosen", "rejected"))
    gap = _distribution(pc.subtract(chosen, rejected))
    limit = max_length if tokens is not None else None
    if limit is not None:  # prompt and answer count together
        prompt = column_values(store, "prompt_tokens", tokens, parts)
        chosen, rejected = pc.add(prompt, chosen), pc.add(prompt, rejected)
    words = "tokens" if tokens is not None else "characters"
    return Lengths(words, _distribution(chosen), _distribution(rejected), gap, limit)


def _distribution(values: pa.ChunkedArray) -> Distribution:
    from pyarrow import compute as pc

    counted = pc.value_counts(pc.drop_null(values))
    return Distribution(
        dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    )
