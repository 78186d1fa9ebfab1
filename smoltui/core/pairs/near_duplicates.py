"""Finds near duplicates among many texts without comparing all pairs: sketches give candidates, texts decide.

A sketch is a one-permutation MinHash (Li, Owen and Zhang, 2012) whose empty bins are filled from the next one
(Shrivastava and Li, 2014): a text's adjacent word pairs are hashed once, and the smallest hash in each of `BINS` ranges
is kept. The share of equal bins of two texts estimates the share of word pairs that they have in common
(Jaccard similarity). Texts that agree in a whole band of bins are candidates; `nearly_same` then compares them.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from zlib import crc32

from rapidfuzz.distance import Indel

BINS = 32
BANDS = 8
"""Of `BINS // BANDS` bins each: two texts with 80 % of their word pairs in common agree in at least one band with a
probability of 98 %, those with 67 % in 83 % (1 - (1 - share⁴)⁸). One changed word in 20 leaves 82 % of the pairs."""
SIMILAR = 0.9
"""Share of common characters in the same order (Indel similarity) from which texts are near duplicates."""
WORDS = 300
"""Words at the start, and as many at the end, of a text used for its sketch."""
CHARACTERS = 2_000
"""Characters compared at the start, and as many at the end, of a text."""

# Word separators beyond ASCII: punctuation, signs and arrows of the General Punctuation to Arrows and Symbols
# blocks, CJK and full-width punctuation, and the full stops and commas of Arabic and Devanagari.
_BETWEEN = re.compile(
    "[\u0080-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u060c\u061b\u061f\u0964\u0965\u2000-\u206f\u2190-\u2bff"
    "\u3000-\u303f\uff00-\uff0f\uff1a-\uff20]+"
)
# Chinese, Japanese, Thai, Lao, Burmese and Khmer put no spaces between words: each character is one.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)
_LETTERS = bytes(code if code > 127 or chr(code).isalnum() or code == ord("_") else ord(" ") for code in range(256))
_BOUNDS = [(place << 32) // BINS for place in range(BINS)]
"""First hash of each bin."""

Words = list[bytes]


def words_of(text: str) -> Words:
    """The words in lower case, without punctuation and white space; for a long text, those at its two ends."""
    if not text.isascii():
        text = _BETWEEN.sub(" ", text)
        if _UNSPACED.search(text):
            text = _UNSPACED.sub(r" \1 ", text)
    words = text.lower().encode("utf-8", "replace").translate(_LETTERS).split()
    return words if len(words) <= 2 * WORDS else [*words[:WORDS], *words[-WORDS:]]


def normalised(text: str) -> bytes:
    """Text without case, punctuation and white space differences."""
    return b" ".join(words_of(text))


def keys_of(words: Words) -> list[int]:
    """`BANDS` + 1 signed 64-bit numbers, the same on every machine: texts that share one of them are candidates.

    The first is of all words, so texts that share it differ only in case, punctuation and white space.

    Raises:
        ValueError: there are no words.
    """
    if not words:
        raise ValueError("a text without words has no keys")
    hashes = list(map(crc32, words))
    # A checksum continued from that of the previous word covers both.
    values = sorted(set(map(crc32, words[1:], hashes)) or hashes)
    last = len(values)
    values.append(values[0])  # the last bin is followed by the first
    bins = [values[bisect_left(values, bound, 0, last)] for bound in _BOUNDS]
    step = BINS // BANDS
    return [hash(tuple(hashes)), *(hash((first, *bins[first : first + step])) for first in range(0, BINS, step))]


def comparable(text: str) -> str:
    """What `nearly_same` compares: lower case, and only the two ends of a long text."""
    text = text.lower()
    return text if len(text) <= 2 * CHARACTERS else text[:CHARACTERS] + text[-CHARACTERS:]


def nearly_same(left: str, right: str) -> bool:
    """Whether at least `SIMILAR` of the characters of two `comparable` texts are common, in the same order."""
    return bool(Indel.normalized_similarity(left, right, score_cutoff=SIMILAR) >= SIMILAR)
