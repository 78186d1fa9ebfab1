"""Values whose name says that they are secret: `password=…`, `HF_TOKEN: …`, `--token …`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from smoltui.redaction.known import MIN_KNOWN
from smoltui.redaction.patterns import Pattern
from smoltui.redaction.view import MASK, Span

KEY = r"(?:api|access|secret|private|account|auth|encryption|signing|hmac|license)[ _-]?key"
"""A key that opens something, as opposed to that of a table."""

_SPECIAL = (
    "pad|eos|bos|unk|mask|sep|cls|image|video|audio|boi|eoi|start|end|stop|special|think|next|prev|previous|first|"
    "last|per|added|new|each|input|output|prompt|completion|generated|chosen|rejected|sample|text|sink|draft|"
    "im_start|im_end|eot|eom|fim|prefix|suffix|middle|tool|tool_call|system|assistant|word|sub|ignore|label"
)
"""Tokens of a language model, which are not secrets."""
_OWNERS = (
    "hf|hub|hugging_?face|hugging_?face_hub|access|auth|api|session|refresh|bearer|secret|security|tracking|oauth|"
    "private|personal|github|gh|gitlab|wandb|job|bot|csrf|xsrf|jwt|login|service|account|deploy|registry|id|x"
)
"""Tokens that open something."""

_NAME = Pattern(rf"(?i)(?:token|{KEY}|secret|passw(?:or)?d|passphrase|pwd)(?![A-Za-z0-9]|[_-]+[A-Za-z0-9])")
_SPECIAL_TOKEN = Pattern(rf"(?i)(?:^|[_.-])(?:{_SPECIAL})[_-]?token$")
_SECRET_TOKEN = Pattern(rf"(?i)(?:^|[_.-])(?:{_OWNERS})[_-]?token$")
_VALUE = Pattern(
    r"(?:\\*[\"']|\])?[ \t]{0,8}(?P<sep>=>|:=|==?|:)[ \t]{0,8}b?(?:"
    r"\\+(?P<quote>[\"'])(?P<escaped>[^\n]{0,2000}?)\\+(?P=quote)"
    r"|\"(?P<double>(?:[^\"\\\n]|\\[^\n])*)|'(?P<single>(?:[^'\\\n]|\\[^\n])*)"
    r"|(?P<bare>[^\s\"',;\\][^\s\"',;\\]{0,2000}))"
)
_REST = Pattern(r"[^\s\"',;\\&]*")
"""Where a value without quotes is longer than `_VALUE` looks at."""
_ARGUMENT = Pattern(r"[ \t]+[\"']?(?P<secret>[^\s\"'-][^\s\"']{5,})")
"""Behind `--token`."""
# A path behind the name, as in `--secrets HF_TOKEN scripts/dpo.py`, is not a secret.
_LISTED = Pattern(
    r"[\"']?[, \t]{1,4}[\"']?(?![/~.])"
    r"(?P<secret>(?=[A-Za-z+/=]*[0-9])[A-Za-z0-9+/=]{12,}+|[A-Za-z0-9+/=]{16,}+)(?![\w-]|\.\w)"
)
"""Behind `HF_TOKEN` in a list."""
_DIGEST = Pattern(r"(?i)[^\w\n]{1,4}(?:(?:is|was|value)[^\w\n]{1,3})?(?P<secret>[0-9a-f]{32,64})(?![A-Za-z0-9])")
"""Behind any name: `wandb: API key 0123…`."""
_PLACEHOLDER = Pattern(
    r"(?i)none|null|nil|true|false|yes|no|undefined|missing|required|invalid|expired|unset|empty|optional|"
    r"unknown|not|set|\*+|~|\.{3}|…|<[^>]*>?|\{[^}]*\}?|\$\{?\w+\}?|%\w+%|-+|\[?redacted\]?|"
    r"(?:self|args|cls|os|config|kwargs|settings|get|getpass)[.(\[].*"
)
_TOKEN_LIKE = Pattern(r"(?a)[\w.+/=~:-]+")

_TOKEN_WORD = Pattern(
    r"token(?:\\*[\"'\]]?[ \t]{0,8}[:=]|(?<=[_.-]token)[, \t\"'\\]+[^\s,\"'\\-]"
    r"|[^\w\n]{1,4}(?:(?:is|was|value)[^\w\n]{1,3})?[0-9a-f]{32})"
)
_KEY_WORD = Pattern(rf"{KEY}(?![a-z0-9])")
_PASS_WORD = Pattern(r"passw(?:or)?d(?![a-z0-9])|passphrase(?![a-z0-9])")


def may_hold_named(low: str) -> bool:
    """Whether `named_spans` could find anything in a text with these lower-case letters."""
    return bool(
        "secret" in low
        or "pwd" in low
        or ("token" in low and _TOKEN_WORD.re.search(low))
        or ("key" in low and _KEY_WORD.re.search(low))
        or ("pass" in low and _PASS_WORD.re.search(low))
    )


def may_be_name(low: str) -> bool:
    """Whether the name of a secret can be in a text with these lower-case letters; faster than `may_hold_named`."""
    return "token" in low or "key" in low or "secret" in low or "pass" in low or "pwd" in low


def is_placeholder(value: str) -> bool:
    """Whether a value only says that there is none, or where it comes from: `None`, `<your token>`, `os.environ[…]`."""
    return _PLACEHOLDER.re.fullmatch(value) is not None


def named_spans(text: str) -> Iterator[Span]:
    """Spans of the values in a view whose name says that they are secret."""
    covered = 0
    for match in _NAME.re.finditer(text):
        if match.start() < covered:
            continue
        name = _Name(text, match)
        if name.is_special:
            continue
        assigned = _VALUE.re.match(text, name.end)
        span = _assigned_span(text, name, assigned) if assigned else _following_span(text, name)
        if span is not None:
            covered = span[1]
            yield span


class _Name:
    """A name that ends in `_NAME`, such as HF_TOKEN or my.api-key."""

    def __init__(self, text: str, match: re.Match[str]) -> None:
        begin = match.start()
        while begin and match.start() - begin < 100 and (text[begin - 1].isalnum() or text[begin - 1] in "_.-"):
            begin -= 1
        self.text = text[begin : match.end()]
        self.end = match.end()
        self.is_token = match[0].lower() == "token"
        self.is_in_query = begin > 0 and text[begin - 1] in "?&"
        self._has_owner = text[match.start() - 1 : match.start()] in ("_", ".", "-")

    @property
    def is_special(self) -> bool:
        """It is a token of a language model, such as pad_token."""
        return self.is_token and _SPECIAL_TOKEN.re.search(self.text) is not None

    @property
    def is_variable(self) -> bool:
        """It is written like an environment variable."""
        return self.text.isupper() and "_" in self.text

    @property
    def is_plain_word(self) -> bool:
        """It is "token" with nothing in front, which is a word of every log."""
        return self.is_token and not self._has_owner

    @cached_property
    def is_sure(self) -> bool:
        """The name alone says that the value is a secret."""
        return not self.is_token or self.is_variable or _SECRET_TOKEN.re.search(self.text) is not None


def _assigned_span(text: str, name: _Name, found: re.Match[str]) -> Span | None:
    """Span of the secret in `name=value` or `name: value`, a match of `_VALUE`; None if the value is not a secret."""
    quoted = next((kind for kind in ("escaped", "double", "single") if found[kind] is not None), None)
    start, end = found.span(quoted or "bare")
    if quoted is None:
        end = _bare_end(text, start, end, in_query=name.is_in_query)
    if not _is_secret(name, text[start:end], quoted=quoted is not None, assigned=found["sep"] != ":"):
        return None
    if quoted is None and end == found.end() and (rest := _REST.re.match(text, end)):
        end = rest.end()
    return start, end


def _bare_end(text: str, start: int, end: int, *, in_query: bool) -> int:
    """Where a value without quotes ends: before the next parameter of an address, or the brackets around the whole."""
    if in_query and (behind := text.find("&", start, end)) >= 0:
        end = behind
    while end > start and text[end - 1] in ")]}>.":
        end -= 1
    return end


def _following_span(text: str, name: _Name) -> Span | None:
    """Span of a secret that follows its name without `=` or `:` between them; None without one."""
    found = None
    if not name.is_plain_word:
        if name.text.startswith("-"):
            found = _ARGUMENT.re.match(text, name.end)
        if found is None and name.is_variable:
            found = _LISTED.re.match(text, name.end)
    found = found or _DIGEST.re.match(text, name.end)
    return None if found is None or is_placeholder(found["secret"]) else found.span("secret")


def _is_secret(name: _Name, value: str, *, quoted: bool, assigned: bool) -> bool:
    """Whether the value of a secret's name is a secret."""
    if _is_harmless(name.text.lower(), value):
        return False
    if name.is_sure:
        return assigned or quoted or len(value) >= MIN_KNOWN
    if not _TOKEN_LIKE.re.fullmatch(value):
        return False
    if assigned or quoted:
        return len(value) >= 10
    return len(value) >= 16 or (len(value) >= 12 and any(map(str.isdigit, value)))


def _is_harmless(low: str, value: str) -> bool:
    """Whether the value of a name with these lower-case letters can't be a secret."""
    return (
        not value
        or is_placeholder(value)
        or value.startswith(MASK)
        or (low.endswith("pwd") and value[0] in "/~.")  # the shell's name of the current folder
        or (low.endswith("token") and value.replace(".", "").replace(",", "").isdigit())  # a count
    )
