"""Checks of the pairs by their sizes: what TRL cuts and drops, and what teaches nothing."""

from __future__ import annotations

from collections.abc import Iterator

from smoltui.core.pairs.sizes import PairSizes
from smoltui.core.preflight.check import Check
from smoltui.core.recipe import Act, Fix, Level
from smoltui.core.recipe.fix import writes
from smoltui.scripts.curve_remarks import percent

MANY = 0.5
"""Share of pairs from which something is wrong with the set rather than with some pairs."""
SOME = 0.02
"""Share of pairs that is worth a line."""
LONG = 4
"""Longest sequence ÷ the usual one (median) from which it decides the memory that is needed."""


def size_checks(sizes: PairSizes | None) -> list[Check]:
    """The checks; none if nothing was looked at."""
    return [] if sizes is None else [*identical_checks(sizes), *_cut(sizes), *_long(sizes)]


def identical_checks(sizes: PairSizes, *, of_first: bool = False) -> Iterator[Check]:
    """The check of answers that don't differ; none if few are. `of_first`: only the first pairs were looked at."""
    looked_at = f"{'the first ' if of_first else ''}{_number(sizes.pairs)} pairs"
    if sizes.identical == sizes.pairs:
        all_of = f"All of {looked_at}" if of_first else f"All {looked_at}"
        said = f"{all_of} have identical answers: the gradient is 0, and nothing is learned"
        step = "Check which columns are chosen and rejected."
        yield Check("identical", Level.STOP, said, step, Fix(act=Act.PAIRS), estimated=of_first)
    elif sizes.identical > SOME * sizes.pairs:
        said = f"{_number(sizes.identical)} of {looked_at} have identical answers and teach nothing"
        yield Check("identical", Level.WARN, said, "Exclude them in Pairs: a audits, A x excludes.", Fix(act=Act.PAIRS))


def _cut(sizes: PairSizes) -> Iterator[Check]:
    limit = sizes.max_length
    if limit is None or not sizes.measured:
        return
    longer = writes(max_length=_enough(sizes))
    step = f"Write max_length: {_enough(sizes)}, or exclude long pairs."
    if sizes.dropped == sizes.measured:
        said = f"Every prompt is at least as long as max_length ({limit}): TRL drops all pairs"
        yield Check("dropped", Level.STOP, said, step, longer)
        return
    if sizes.dropped:
        said = f"{_of(sizes, sizes.dropped)} are dropped: the prompt is at least as long as max_length ({limit})"
        yield Check("dropped", Level.WARN, said, step, longer)
    if sizes.share(sizes.same) > MANY:
        said = f"{_of(sizes, sizes.same)} are cut at max_length ({limit}) before the answers differ: nothing is learned"
        yield Check("cut", Level.STOP, said, step, longer, estimated=True)
    elif sizes.share(sizes.cut) > SOME:
        same = f"; of {_number(sizes.same)}, only what is cut differs" if sizes.same else ""
        said = f"{_of(sizes, sizes.cut)} have an answer cut at max_length ({limit}){same}: no end is learned there"
        yield Check("cut", Level.WARN, said, step, longer)


def _long(sizes: PairSizes) -> Iterator[Check]:
    if sizes.max_length is not None or not sizes.longest or not sizes.lengths:
        return
    usual = sizes.lengths[len(sizes.lengths) // 2]
    if sizes.longest > LONG * usual:
        limit = _round_up(sizes.lengths[-1 - len(sizes.lengths) // 50])
        said = (
            f"max_length is off, and the longest pair has {_number(sizes.longest)} tokens (half of them have {usual} "
            "or fewer): its batch decides the memory that is needed"
        )
        yield Check("longest", Level.WARN, said, f"Write max_length: {limit}", writes(max_length=limit))


def _enough(sizes: PairSizes) -> int:
    """A max_length that cuts 2 % of the pairs at most."""
    return _round_up(sizes.lengths[-1 - len(sizes.lengths) // 50])


def _round_up(length: int) -> int:
    return -(-length // 64) * 64


def _of(sizes: PairSizes, count: int) -> str:
    if sizes.is_sample:
        return f"About {percent(sizes.share(count))} of the pairs ({_number(sizes.measured)} measured)"
    return f"{_number(count)} of {_number(sizes.pairs)} pairs"


def _number(value: int) -> str:
    return f"{value:,}"
