"""Secrets that are recognized by their shape: `hf_…`, `ghp_…`, a private key, an authorization header."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from smoltui.redaction.patterns import Pattern
from smoltui.redaction.view import MASK, Span

HF_TOKEN = "a Hugging Face token"


class Shape(NamedTuple):
    """A secret that is recognized by its look."""

    kind: str
    """With its article."""
    words: tuple[str, ...]
    """One of them is in every such text, in lower case: searching for it is far faster than for the pattern."""
    certain: bool
    """Nothing else looks like it: a reason to stop, not only to remove it from a log."""
    source: str
    """A pattern, linear in the text. Its group `secret` is removed; the prefix stays, so that one sees what it was."""


SHAPES = (
    Shape(HF_TOKEN, ("hf_",), True, r"[hH][fF]_(?P<secret>(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{20,})"),
    Shape(HF_TOKEN, ("hf_",), False, r"[hH][fF]_(?P<secret>(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{16,}|[a-z]{24,})"),
    Shape(
        HF_TOKEN,
        ("hf_",),
        True,
        r"[hH][fF]_(?:oauth|jwt)_(?P<secret>(?=[A-Za-z_.-]*[0-9])[A-Za-z0-9_.-]{16,})",
    ),
    Shape(HF_TOKEN, ("hf_job",), True, r"hf_jobs?_(?P<secret>(?=[A-Za-z]*[0-9])[A-Za-z0-9]{10,})"),
    Shape(HF_TOKEN, ("api_org_",), True, r"api_org_(?P<secret>[A-Za-z0-9]{16,})"),
    Shape("a Weights & Biases key", ("wandb_v1_",), True, r"wandb_v1_(?P<secret>[A-Za-z0-9_]{16,})"),
    Shape(
        "a GitHub token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        True,
        r"(?:gh[pousr]_|github_pat_)(?P<secret>[A-Za-z0-9][A-Za-z0-9_]{15,})",
    ),
    Shape("a GitLab token", ("glpat-",), True, r"glpat-(?P<secret>[A-Za-z0-9_-]{16,})"),
    Shape(
        "an API key",
        ("sk-",),
        True,
        r"(?<![A-Za-z0-9])sk-(?P<secret>(?:proj|ant|svcacct|admin|or)-[A-Za-z0-9_-]{12,})",
    ),
    Shape("an API key", ("sk-",), True, r"(?<![A-Za-z0-9])sk-(?P<secret>(?=[A-Za-z]*[0-9])[A-Za-z0-9]{20,})"),
    Shape(
        "an AWS key",
        ("akia", "asia"),
        True,
        r"(?<![A-Za-z0-9+/])A(?:KI|SI)A(?P<secret>[A-Z0-9]{16})(?![A-Za-z0-9])",
    ),
    Shape("a Google key", ("aiza",), True, r"AIza(?P<secret>[A-Za-z0-9_-]{30,})"),
    Shape("a Slack token", ("xox",), True, r"xox[abeoprs]-(?P<secret>[A-Za-z0-9-]{10,})"),
    Shape(
        "a web token",
        ("eyj",),
        True,
        r"(?P<secret>eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?)",
    ),
    Shape("an API key", ("gsk_",), True, r"gsk_(?P<secret>[A-Za-z0-9]{20,})"),
    Shape("an API key", ("nvapi-",), True, r"nvapi-(?P<secret>[A-Za-z0-9_-]{20,})"),
    Shape("an npm token", ("npm_",), True, r"npm_(?P<secret>[A-Za-z0-9]{30,})"),
    Shape("a PyPI token", ("pypi-",), True, r"pypi-(?P<secret>[A-Za-z0-9_-]{40,})"),
    Shape("an API key", ("_live_",), True, r"[sr]k_live_(?P<secret>[A-Za-z0-9]{16,})"),
    Shape(
        "a private key",
        ("private key",),
        True,
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
        r"(?P<secret>(?:(?!-----BEGIN|\*\*\*)[\s\S]){1,8000}?-----END [A-Z0-9 ]{1,40}-----"
        r"|(?:(?:\s|\\+[nr])*[A-Za-z0-9+/]{12,}={0,2})++)",
    ),
    Shape(
        "a credential",
        ("authorization",),
        False,
        r"(?i)authorization(?:\\*[\"'])?[ \t]*[:=,][ \t]*(?:\\*[\"'])?"
        r"(?:(?:basic|bearer|token|digest|negotiate|apikey)[ \t]+(?P<secret>[^\s\"',\\*][^\s\"',\\]{2,})"
        r"|(?P<other>[^\s\"',\\*][^\s\"',\\]{15,}))",
    ),
    Shape(
        "a credential",
        ("bearer",),
        False,
        r"(?i)\bbearer\s+(?P<secret>(?=[A-Za-z._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{6,}|[A-Za-z0-9._~+/=-]{20,})",
    ),
    Shape(
        "a cookie",
        ("cookie",),
        False,
        r"(?i)\b(?:set-)?cookie(?:\\*[\"'])?:[ \t]*(?:\\*[\"'])?[^\s=;,\"'*]{1,60}=(?P<secret>[^\n\"'\\]{4,})",
    ),
)


@lru_cache(maxsize=1)
def _compiled() -> tuple[tuple[Shape, re.Pattern[str]], ...]:
    return tuple((shape, re.compile(shape.source)) for shape in SHAPES)


# -- the quick look

_RUN = b"w" * 11
"""Letters in the classes of any text that holds a secret beginning with one of `_STARTS`."""
_STARTS = (
    "AKIA",
    "ASIA",
    "AIza",
    "eyJ",
    "xox",
    "sk-",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "gsk_",
    "npm_",
    "_live_",
    "nvapi-",
    "pypi-",
    "_pat_",
    "glpat-",
    "api_org_",
    "wandb_v1_",
    "aGZf",
    "hmX",
    "oZl",
)
"""How shapes begin, except for those that `may_hold_shape` looks for in lower case."""
_HF_WORD = Pattern(r"hf_(?:[a-z0-9]{4}|[a-z0-9]{2,3}[\s↵]|jwt_|job_)")


def may_hold_shape(text: str, low: str, classes: bytes) -> bool:
    """Whether `shape_spans` could find anything but a private key (`secret` and `key` are looked for by names.py)."""
    if ("hf_" in low and _HF_WORD.re.search(low)) or "bearer" in low or "authoriz" in low or "cookie" in low:
        return True
    if _RUN in classes:
        for start in _STARTS:
            if start in text:
                return True
    return False


# -- the close look


def shape_spans(text: str, low: str) -> Iterator[Span]:
    """Spans of the secrets with a known shape in a view, in no order; `low` is the view in lower case."""
    for shape, pattern in _compiled():
        for match in pattern.finditer(text) if any(word in low for word in shape.words) else ():
            yield match.span("secret" if match["secret"] else "other")
    if "hf_" in low:
        yield from _short_tokens(text)
        yield from broken_tokens(text)
    yield from encoded_tokens(text)


def certain_shapes(text: str) -> Iterator[tuple[int, int, str]]:
    """Spans and kinds of the secrets in a view that can't be mistaken for anything else."""
    low = text.lower()
    for shape, pattern in _compiled():
        if shape.certain and any(word in low for word in shape.words):
            for match in pattern.finditer(text):
                yield *match.span("secret"), shape.kind
    for start, end in (*encoded_tokens(text), *broken_tokens(text)):
        yield start, end, HF_TOKEN


_SHORT = Pattern(r"(?<![A-Za-z0-9])[hH][fF]_(?P<secret>[A-Za-z0-9]{4,15})(?P<cut>…|\.\.\.)?(?![A-Za-z0-9_])")


def _short_tokens(text: str) -> Iterator[Span]:
    """Hugging Face tokens of which only the beginning is there."""
    for match in _SHORT.re.finditer(text):
        secret = match["secret"]
        if match["cut"] or (len(secret) >= 8 and _switches(secret) * 2 >= len(secret)):
            yield match.span("secret")


def _switches(text: str) -> int:
    """How often `text` changes between lower case, upper case and digits: words rarely do."""
    kinds = [char.isdigit() * 2 + char.isupper() for char in text]
    return sum(one != other for one, other in pairwise(kinds))


_BROKEN = Pattern(
    r"[hH][fF]_(?P<secret>(?P<head>[A-Za-z0-9]{2,33})(?:[ \t]*[\n↵][ \t]*|[ \t])(?P<tail>[A-Za-z0-9]{2,80}))"
    r"(?![A-Za-z0-9])"
)


def broken_tokens(text: str) -> Iterator[Span]:
    """Hugging Face tokens (34 characters behind the prefix) that are broken by a line end or a space."""
    for match in _BROKEN.re.finditer(text):
        head, tail = match["head"], match["tail"]
        # A word (`hf_transformers`) with a commit hash behind it is no token: tokens mix letters of both cases.
        is_word = head.islower() and head.isalpha() and len(head) > 3
        is_mixed = len(tail) < 12 or not (tail.islower() or tail.isupper() or tail.isdigit())
        if len(head + tail) >= 30 and not is_word and is_mixed:
            yield match.span("secret")


# `hf_` starts at the first, second or third of three bytes; their four characters start that far before the match.
_ENCODED = Pattern(r"(?P<p0>aGZf)|(?P<p1>[GWm2]hmX[z0-3])|(?P<p2>[BFJNRVZdhlptx159]oZl[89])")
_PLACES = {"p0": 0, "p1": 1, "p2": 2}
_BASE64 = Pattern(r"[A-Za-z0-9+/_-]+={0,2}")
_NOT_URL = str.maketrans("-_", "+/")


def encoded_tokens(text: str) -> Iterator[Span]:
    """Base64 of a text with a Hugging Face token in it, from the token on."""
    if "aGZf" not in text and "hmX" not in text and "oZl" not in text:
        return
    covered = 0
    for match in _ENCODED.re.finditer(text):
        place = _PLACES[match.lastgroup or "p0"]
        start = match.start() - place
        if start < covered or not _encodes_token(text, start, place):
            continue
        if run := _BASE64.re.match(text, start):
            covered = run.end()
            yield run.span()


def _encodes_token(text: str, start: int, place: int) -> bool:
    """Whether base64 begins at `start` whose bytes, from `place` on, begin with a Hugging Face token."""
    run = _BASE64.re.match(text, start, start + 64)
    if run is None:
        return False
    body = run[0].rstrip("=").translate(_NOT_URL)
    decoded = binascii.a2b_base64(body[: len(body) // 4 * 4])
    return re.compile(rb"hf_[A-Za-z0-9]{12,}").match(decoded, place) is not None


# -- lines one by one

_KEY_LINE = Pattern(r"\s*(?:[A-Za-z0-9+/=]+|[A-Za-z-]+: [^\s].*|)\s*")
"""A line inside a private key (RFC 7468, and the headers of RFC 1421)."""


class BrokenTokens:
    """Masks secrets that continue from one line to the next, for lines that arrive one by one.

    `redact` sees only their first part. They are Hugging Face tokens broken by a line end, and private keys.
    """

    def __init__(self) -> None:
        self._head = ""
        self._in_key = False

    @property
    def waits(self) -> bool:
        """Whether a secret in the last line may continue in the next one."""
        return bool(self._head) or self._in_key

    def masked(self, line: str) -> str:
        """`line` without the rest of a secret that began in an earlier line."""
        if self._in_key:
            self._in_key = _KEY_LINE.re.fullmatch(line) is not None
            if self._in_key:
                return MASK
        if "PRIVATE KEY" in line:
            self._in_key = line.rstrip().endswith("PRIVATE KEY-----") and "-----BEGIN" in line
        head, self._head = self._head, ""
        if head:
            line = _without_rest(head, line)
        if "f_" in line[-40:] or "F_" in line[-40:]:
            self._head = _unfinished_token(line[-40:].rstrip("\r"))
        return line


def _without_rest(head: str, line: str) -> str:
    """`line` without the rest of a token that `head`, the end of the previous line, began."""
    both = f"{head}\n{line}"
    for start, end in broken_tokens(both):
        if start < len(head) < end:
            line = MASK + both[end:]
    return line


def _unfinished_token(tail: str) -> str:
    """The beginning of a token at the end of a line; empty without one."""
    at = max(tail.rfind("hf_"), tail.rfind("HF_"))
    return tail[at:] if at >= 0 and tail[at + 3 :].isalnum() else ""
