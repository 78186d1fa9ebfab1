"""Which of many texts are nearly the same, without comparing each with each: sketches name candidates, texts decide.

A sketch is a one-permutation MinHash (Li, Owen and Zhang, 2012) whose empty bins are filled from the next one
(Shrivastava and Li, 2014): a text's neighbouring word pairs are hashed once, and of each of `BINS` ranges of hashes the
smallest is kept. The share of bins that two texts have in common estimates the share of word pairs they have in common
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
"""Share of characters that stand in both texts in the same order (Indel similarity) that makes them nearly the same."""
WORDS = 300
"""Words at the beginning and as many at the end of a text that a sketch is made of."""
CHARACTERS = 2_000
"""Characters at the beginning and as many at the end of a text that are compared."""

# What stands between words beyond ASCII: punctuation, signs and arrows of the General Punctuation to Arrows and Symbols
# blocks, CJK and full-width punctuation, and the full stops and commas of Arabic and Devanagari.
_BETWEEN = re.compile(
    "[\u0080-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u060c\u061b\u061f\u0964\u0965\u2000-\u206f\u2190-\u2bff"
    "\u3000-\u303f\uff00-\uff0f\uff1a-\uff20]+"
)
# Chinese, Japanese, Thai, Lao, Burmese and Khmer put no space between words: each character is one.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)
_LETTERS = bytes(code if code > 127 or chr(code).isalnum() or code == ord("_") else ord(" ") for code in range(256))
_BOUNDS = [(place << 32) // BINS for place in range(BINS)]
"""First hash of each bin."""

Words = list[bytes]


def words_of(text: str) -> Words:
    """The words in lower case, without punctuation and white space; of a long text those at its two ends."""
    if not text.isascii():
        text = _BETWEEN.sub(" ", text)
        if _UNSPACED.search(text):
            text = _UNSPACED.sub(r" \1 ", text)
    words = text.lower().encode("utf-8", "replace").translate(_LETTERS).split()
    return words if len(words) <= 2 * WORDS else [*words[:WORDS], *words[-WORDS:]]


def normalised(text: str) -> bytes:
    """Without case, punctuation and differences of white space."""
    return b" ".join(words_of(text))


def keys_of(words: Words) -> list[int]:
    """`BANDS` + 1 signed 64-bit numbers, the same on every machine: texts with one of them in common are candidates.

    The first one is of all words, so texts that have it in common differ in case, punctuation and white space alone.

    Raises:
        ValueError: there are no words.
    """
    if not words:
        raise ValueError("a text without words has no keys")
    hashes = list(map(crc32, words))
    # A checksum that goes on from the one of the word before is that of both.
    values = sorted(set(map(crc32, words[1:], hashes)) or hashes)
    last = len(values)
    values.append(values[0])  # behind the last bin comes the first
    bins = [values[bisect_left(values, bound, 0, last)] for bound in _BOUNDS]
    step = BINS // BANDS
    return [hash(tuple(hashes)), *(hash((first, *bins[first : first + step])) for first in range(0, BINS, step))]


def comparable(text: str) -> str:
    """What `nearly_same` compares: in lower case, and of a long text its two ends."""
    text = text.lower()
    return text if len(text) <= 2 * CHARACTERS else text[:CHARACTERS] + text[-CHARACTERS:]


def nearly_same(left: str, right: str) -> bool:
    """Whether at least `SIMILAR` of the characters of two `comparable` texts stand in both in the same order."""
    return bool(Indel.normalized_similarity(left, right, score_cutoff=SIMILAR) >= SIMILAR)
