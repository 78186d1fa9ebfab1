"""Sketches of texts that tell which are nearly the same, without comparing each with each.

One-permutation MinHash (Li, Owen and Zhang, 2012): a text's words and neighbouring word pairs are hashed once, each
hash falls into one of `BINS` bins, and of each bin the smallest is kept. The share of bins that two texts have in
common estimates the share of words and word pairs they have in common (Jaccard similarity). Texts that agree in a whole
band of bins are candidates; those that agree in `SIMILAR` of all bins count as nearly the same.
"""

from __future__ import annotations

import re
from itertools import pairwise
from zlib import crc32

BINS = 16
BANDS = 4
"""Of `BINS // BANDS` bins each: two texts with 90 % in common agree in at least one with a probability of 98.7 %."""
SIMILAR = 0.8
"""Share of bins from which two texts count as nearly the same."""
WORDS = 200
"""Words at the beginning of a text that are looked at."""
EMPTY = -1
"""Value of a bin into which nothing fell."""

_MIX = 0x9E3779B97F4A7C15
"""2⁶⁴ divided by the golden ratio (Knuth's multiplicative hashing): its top bits depend on all bits of a factor."""
_ALL = (1 << 64) - 1
_NONE = 1 << 62
_WORD = re.compile(r"\w+")


def sketch(text: str) -> list[int]:
    """`BINS` numbers from 0 to 2³¹ - 1, `EMPTY` where a bin holds nothing; the same on every machine."""
    words = [crc32(word.encode("utf-8", "replace")) for word in _WORD.findall(text[: WORDS * 12].lower())[:WORDS]]
    smallest = [_NONE] * BINS
    pairs = [(first * _MIX ^ second) & _ALL for first, second in pairwise(words)]
    for element in {*words, *pairs}:
        value = element * _MIX & _ALL  # spreads what the checksum leaves close together
        place, value = value >> 60, value >> 28 & 0x7FFFFFFF
        if value < smallest[place]:
            smallest[place] = value
    return [EMPTY if value == _NONE else value for value in smallest]


def band_keys(bins: list[int]) -> list[int]:
    """`BANDS` signed 64-bit numbers: texts with one of them in common are candidates."""
    size = BINS // BANDS
    return [hash((band, *bins[band * size : (band + 1) * size])) for band in range(BANDS)]


def normalised(text: str) -> str:
    """Without case, punctuation and differences of white space."""
    return " ".join(_WORD.findall(text.lower()))
