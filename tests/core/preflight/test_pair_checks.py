"""What is said of the pairs before they are trained on, from their sizes."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from smoltui.core.pairs.sizes import PairSizes, differ_at, quantiles
from smoltui.core.preflight.pair_checks import identical_checks, size_checks
from smoltui.core.recipe import Level

GOOD = PairSizes(96, 0, measured=96, max_length=64, longest=60, lengths=quantiles(range(20, 61)))


@pytest.mark.parametrize(
    ("sizes", "name", "level", "words"),
    [
        (replace(GOOD, identical=96), "identical", Level.STOP, "All 96 pairs have identical answers"),
        (replace(GOOD, identical=48), "identical", Level.WARN, "48 of 96 pairs"),
        (replace(GOOD, dropped=96), "dropped", Level.STOP, "TRL drops all pairs"),
        (replace(GOOD, dropped=32), "dropped", Level.WARN, "32 of 96 pairs are dropped"),
        (replace(GOOD, cut=96, same=96), "cut", Level.STOP, "before the answers differ"),
        (
            replace(GOOD, cut=20, same=3),
            "cut",
            Level.WARN,
            "have an answer cut at max_length (64); of 3, only",
        ),
        (replace(GOOD, max_length=None, longest=8085), "longest", Level.WARN, "8,085 tokens"),
        (replace(GOOD, pairs=20_000, cut=24), "cut", Level.WARN, "About 25 % of the pairs (96 measured)"),
    ],
)
def test_each_size_gets_one_sentence(sizes: PairSizes, name: str, level: Level, words: str) -> None:
    (check,) = size_checks(sizes)
    assert (check.name, check.level) == (name, level) and words in check.sentence and check.next_step and check.fix


def test_the_first_pairs_are_an_estimate_of_all() -> None:
    sizes = PairSizes(64, 64)
    (whole,), (first,) = identical_checks(sizes), identical_checks(sizes, of_first=True)
    assert (whole.estimated, first.estimated) == (False, True) and first.sentence.startswith(
        "All of the first 64 pairs"
    )
    (some,) = identical_checks(replace(sizes, identical=9), of_first=True)
    assert some.level is Level.WARN and some.sentence.startswith("9 of the first 64 pairs have identical answers")


def test_good_pairs_and_unknown_ones_say_nothing() -> None:
    assert size_checks(GOOD) == size_checks(None) == size_checks(replace(GOOD, measured=0)) == []
    assert size_checks(replace(GOOD, cut=1, identical=1)) == []  # under 2 %


def test_a_batch_is_padded_to_its_longest_pair() -> None:
    """The expected maximum, against batches that were really drawn."""
    drawn = random.Random(1)
    lengths = [min(round(drawn.lognormvariate(4, 0.6)), 400) for _ in range(2000)]
    sizes = replace(GOOD, max_length=256, longest=max(lengths), lengths=quantiles(lengths))
    for pairs in (1, 4, 16):
        means = [max(min(drawn.choice(lengths), 256) for _ in range(pairs)) for _ in range(4000)]
        assert sizes.padded(pairs) == pytest.approx(sum(means) / len(means), rel=0.04)
    assert sizes.padded_to == 256 and replace(sizes, max_length=None).padded_to == sizes.longest
    assert replace(GOOD, lengths=()).padded(4) is None and replace(GOOD, longest=None).padded_to == 64


def test_where_two_answers_begin_to_differ() -> None:
    assert [differ_at("abcd", "abxd"), differ_at("", "x"), differ_at("ab", "abc")] == [2, 0, 2]
    assert quantiles([]) == () and quantiles([3, 1, 2]) == (1, 2, 3) and quantiles(range(6400))[-1] == 6399
