"""Takes tokens, keys and passwords out of text, however they are written, and says where one stands.

A secret is recognized in four ways: it is registered (`register_secrets`, whatever its shape), its shape is
unmistakable (`hf_…`, `ghp_…`, a private key), it has a name that says so (`password=…`, `HF_TOKEN: …`), or it stands in
an address (`https://user:password@host`, `?sig=…`).

Colours, zero-width characters, escapes (`\\u005f`, `%5F`) and full-width letters hide a secret from a search but not
from a reader, so the search runs on a view of the text without them; what it finds is taken out of the text itself.
"""

from __future__ import annotations

import binascii
import re
from array import array
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

MASK = "***"
MIN_KNOWN = 6
"""Characters a registered secret has at least: a shorter one would take harmless words out of every text."""
_ROUNDS = 4
"""Passes over one text at most. One is nearly always enough; the next one finds that nothing is left."""

MIN_TOKEN = 8
"""Characters a registered token has at least to be a reason to stop: a shorter one may be a word."""
_known: dict[str, tuple[str, ...]] = {}
_tokens: set[str] = set()
_needles: list[str] = []
"""The forms of all that is known."""


class Secret(NamedTuple):
    """One that stands in a text."""

    start: int
    end: int
    kind: str
    """What it looks like, with its article: "a Hugging Face token"."""


# -- registered secrets


def register_secrets(*values: str | None, is_token: bool = False) -> None:
    """From now on `redact` takes `values` out wherever they stand. None and those below `MIN_KNOWN` are passed over.

    `is_token`: they are nothing but tokens, so `secret_in` finds them too.
    """
    for value in values:
        stripped = (value or "").strip()
        if is_token and len(stripped) >= MIN_TOKEN:
            _tokens.add(stripped)
        _known.update({form: _forms(form) for form in (stripped, _seen(stripped)) if len(form) >= MIN_KNOWN})
    _needles[:] = dict.fromkeys(form for forms in _known.values() for form in forms)


def forget_secrets() -> None:
    """Takes back every `register_secrets`."""
    _known.clear()
    _tokens.clear()
    _needles.clear()


@lru_cache(maxsize=64)
def _forms(secret: str) -> tuple[str, ...]:
    """Texts of which one stands wherever the secret does: its halves (it may be broken once) unless they are
    too short to mean anything, then `_in_base64`."""
    half = len(secret) // 2 if len(secret) >= 2 * MIN_TOKEN else 0
    return (secret[:half] or secret, secret[half:], *_in_base64(secret))


def _in_base64(secret: str) -> tuple[str, ...]:
    """What base64 of a text around the secret holds, whatever stands before and behind it in that text.

    That depends on its place modulo three; the characters at either end also depend on the neighbours and are left off.
    """
    data = secret.encode("utf-8", "surrogatepass")
    found = []
    for before in range(3):
        encoded = binascii.b2a_base64(b"\0" * before + data, newline=False).decode("ascii")
        inside = encoded[(0, 2, 3)[before] : len(encoded) - (0, 3, 2)[(before + len(data)) % 3]]
        found += [inside, inside.translate(str.maketrans("+/", "-_"))]
    return tuple(dict.fromkeys(form for form in found if len(form) >= MIN_KNOWN))


# -- the cheap look

# A log brings 100 000 lines in a second, and each word that is looked for costs. So a text is first made one of
# classes: w for the characters of a token but for _, ! for controls. Every shape has a run of w in it.
_CONTROLS = {*range(0x20), 0x7F} - {9, 10}
_CLASSES = "".join(
    "!" if code in _CONTROLS else "w" if code == 0x2D or (code < 0x80 and chr(code).isalnum()) else " "
    for code in range(256)
).encode("ascii")
_RUN = b"w" * 11
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
"""How shapes begin, but for the most frequent one."""


def may_hold_secret(text: str) -> bool:
    """Whether `redact` could find anything. Many times faster than to look, for one line or a thousand at once."""
    bare = _look().colour.sub("", text) if "\x1b" in text else text
    classes = bare.encode("utf-8", "surrogatepass").translate(_CLASSES)
    if _may(bare, classes):
        return True
    if not _hides(bare, classes):
        return False
    seen = _look().hidden.sub(_shown, bare)
    return _may(seen, seen.encode("utf-8", "surrogatepass").translate(_CLASSES))


def _may(text: str, classes: bytes) -> bool:
    low = text.lower()
    if (
        ("hf_" in low and _look().hf_word.search(low))
        or "secret" in low
        or "pwd" in low
        or "bearer" in low
        or "authoriz" in low
        or "cookie" in low
        or ("token" in low and _look().token_word.search(low))
        or ("key" in low and _look().key_word.search(low))
        or ("pass" in low and _look().pass_word.search(low))
        or ("://" in text and (_look().userinfo.search(text) or _look().query.search(text)))
    ):
        return True
    if _RUN in classes:
        for start in _STARTS:
            if start in text:
                return True
    return bool(_needles) and any(form in text for form in _needles)


_KEY = r"(?:api|access|secret|private|account|auth|encryption|signing|hmac|license)[ _-]?key"


class _Look(NamedTuple):
    """The patterns of the cheap look. Those for words read lower case."""

    colour: re.Pattern[str]
    hidden: re.Pattern[str]
    percent: re.Pattern[str]
    backslash: re.Pattern[str]
    invisible: re.Pattern[str]
    hf_word: re.Pattern[str]
    token_word: re.Pattern[str]
    key_word: re.Pattern[str]
    pass_word: re.Pattern[str]
    userinfo: re.Pattern[str]
    query: re.Pattern[str]


@lru_cache(maxsize=1)
def _look() -> _Look:
    # What `safe` puts in place of a control character (pictures, ⟨names⟩) hides no less than the character did.
    wide = "\uff01-\uff5e\U0001d400-\U0001d7ff"
    invisible = (
        "\x80-\x9f\u2400-\u2421\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
        "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f"
    )
    percent = "%(?:25)*(?P<percent>[2-7][0-9a-fA-F])"
    backslash = r"\\(?:u00|x)(?P<escape>[2-7][0-9a-fA-F])"
    hidden = (
        rf"[\x1b␛]\[[0-?]*[ -/]*[@-~]|\\*{backslash}|{percent}|&\#x(?P<html>[2-7][0-9a-fA-F]);"
        rf"|&\#(?P<decimal>[0-9]{{2,3}});|(?P<wide>[{wide}])|⟨[0-9A-Z]{{1,6}}⟩|[\x00-\x08\x0b-\x1f\x7f{invisible}]"
    )
    token = (
        r"token(?:\\*[\"'\]]?[ \t]{0,8}[:=]|(?<=[_.-]token)[, \t\"'\\]+[^\s,\"'\\-]"
        r"|[^\w\n]{1,4}(?:(?:is|was|value)[^\w\n]{1,3})?[0-9a-f]{32})"
    )
    return _Look(
        colour=re.compile(r"\x1b\[[0-9;:]*m"),
        hidden=re.compile(hidden),
        percent=re.compile(percent),
        backslash=re.compile(backslash),
        invisible=re.compile(f"[{wide}{invisible}⟨]"),
        hf_word=re.compile(r"hf_(?:[a-z0-9]{4}|[a-z0-9]{2,3}[\s↵]|jwt_|job_)"),
        token_word=re.compile(token),
        key_word=re.compile(rf"{_KEY}(?![a-z0-9])"),
        pass_word=re.compile(r"passw(?:or)?d(?![a-z0-9])|passphrase(?![a-z0-9])"),
        userinfo=re.compile(r"://(?P<who>[^\s/?#\"'<>\\]{1,2000})@"),
        query=re.compile(
            r"(?i)[?&;](?:x-amz-|x-goog-)?(?:sig|signature|security-token)=(?P<secret>[^\s&\"'<>*\\]{6,})"
        ),
    )


# -- what is seen


def _hides(text: str, classes: bytes) -> bool:
    """Whether the view of `text` is another text."""
    return bool(
        b"!" in classes
        or ("%" in text and _look().percent.search(text))
        or ("\\" in text and _look().backslash.search(text))
        or "&#" in text
        or (not text.isascii() and _look().invisible.search(text))
    )


def _seen(text: str) -> str:
    """The view of `text` that is searched; `text` itself where nothing hides in it."""
    if _hides(text, text.encode("utf-8", "surrogatepass").translate(_CLASSES)):
        return _look().hidden.sub(_shown, text)
    return text


def _shown(match: re.Match[str]) -> str:
    """What a reader, or the program that the text is for, makes of something that hides."""
    group = match.lastgroup
    if group is None:
        return ""
    if group == "wide":
        import unicodedata

        return unicodedata.normalize("NFKC", match[0])
    code = int(match[group], 10 if group == "decimal" else 16)
    return chr(code) if 0x20 <= code < 0x7F else match[0]


class _View:
    """What is seen of a text, and where each of its characters stands in it."""

    def __init__(self, text: str) -> None:
        self.text = _seen(text)
        self._starts: array[int] | None = None
        self._ends = array("I")
        if self.text is text:
            return
        self._starts = array("I")
        at = 0
        for match in _look().hidden.finditer(text):
            self._plain(at, match.start())
            at = match.end()
            shown = len(_shown(match))
            self._starts.extend([match.start()] * shown)
            self._ends.extend([at] * shown)
        self._plain(at, len(text))

    def _plain(self, begin: int, end: int) -> None:
        assert self._starts is not None  # only called while it is filled
        self._starts.extend(range(begin, end))
        self._ends.extend(range(begin + 1, end + 1))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where characters `start` to `end` - 1 of the view, at least one, stand in the text."""
        return (start, end) if self._starts is None else (self._starts[start], self._ends[end - 1])


# -- lines one by one


class BrokenTokens:
    """Masks what goes on from one line to the next, in lines that come one by one: `redact` sees only the first part.

    That is the rest of a Hugging Face token that a line end broke, and the lines of a private key.
    """

    def __init__(self) -> None:
        self._head = ""
        self._in_key = False

    @property
    def waits(self) -> bool:
        """Whether the last line may go on in the next one."""
        return bool(self._head) or self._in_key

    def masked(self, line: str) -> str:
        """`line` without the rest of a secret that began in a line before."""
        if self._in_key:
            self._in_key = _rules().key_line.fullmatch(line) is not None
            if self._in_key:
                return MASK
        if "PRIVATE KEY" in line:
            self._in_key = line.rstrip().endswith("PRIVATE KEY-----") and "-----BEGIN" in line
        head, self._head = self._head, ""
        if head:
            both = f"{head}\n{line}"
            for start, end in _broken(both):
                if start < len(head) < end:
                    line = MASK + both[end:]
        if "f_" in line[-40:] or "F_" in line[-40:]:
            tail = line[-40:].rstrip("\r")
            at = max(tail.rfind("hf_"), tail.rfind("HF_"))
            if at >= 0 and tail[at + 3 :].isalnum():
                self._head = tail[at:]
        return line


# -- the close look


class _Shape(NamedTuple):
    """A secret that is known by its look."""

    kind: str
    pattern: re.Pattern[str]
    """Its group `secret` is what is taken out; the prefix stays, so that one sees what it was."""
    certain: bool
    """Nothing else looks like it: a reason to stop, not only to take it out of a log."""
    words: tuple[str, ...]
    """One of them stands in every such text, in lower case: a pattern takes far longer than that look."""


class _Rules(NamedTuple):
    """The patterns of the close look; each is linear in the text."""

    shapes: tuple[_Shape, ...]
    short: re.Pattern[str]
    broken: re.Pattern[str]
    encoded: re.Pattern[str]
    name: re.Pattern[str]
    value: re.Pattern[str]
    argument: re.Pattern[str]
    listed: re.Pattern[str]
    digest: re.Pattern[str]
    nothing: re.Pattern[str]
    special_token: re.Pattern[str]
    secret_token: re.Pattern[str]
    key_line: re.Pattern[str]
    """A line inside a private key (RFC 7468, and the headers of RFC 1421)."""
    base64: re.Pattern[str]
    token_bytes: re.Pattern[bytes]
    rest: re.Pattern[str]
    """What a value without quotes may be longer than is looked at."""


@lru_cache(maxsize=1)
def _rules() -> _Rules:
    """Compiled when first needed, which at the start of the app they are not."""
    shapes = (
        ("a Hugging Face token", r"[hH][fF]_(?P<secret>(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{20,})", True, "hf_"),
        ("a Hugging Face token", r"[hH][fF]_(?P<secret>(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{16,}|[a-z]{24,})", False, "hf_"),
        (
            "a Hugging Face token",
            r"[hH][fF]_(?:oauth|jwt)_(?P<secret>(?=[A-Za-z_.-]*[0-9])[A-Za-z0-9_.-]{16,})",
            True,
            "hf_",
        ),
        ("a Hugging Face token", r"hf_jobs?_(?P<secret>(?=[A-Za-z]*[0-9])[A-Za-z0-9]{10,})", True, "hf_job"),
        ("a Hugging Face token", r"api_org_(?P<secret>[A-Za-z0-9]{16,})", True, "api_org_"),
        ("a Weights & Biases key", r"wandb_v1_(?P<secret>[A-Za-z0-9_]{16,})", True, "wandb_v1_"),
        (
            "a GitHub token",
            r"(?:gh[pousr]_|github_pat_)(?P<secret>[A-Za-z0-9][A-Za-z0-9_]{15,})",
            True,
            "ghp_|gho_|ghu_|ghs_|ghr_|github_pat_",
        ),
        ("a GitLab token", r"glpat-(?P<secret>[A-Za-z0-9_-]{16,})", True, "glpat-"),
        ("an API key", r"(?<![A-Za-z0-9])sk-(?P<secret>(?:proj|ant|svcacct|admin|or)-[A-Za-z0-9_-]{12,})", True, "sk-"),
        ("an API key", r"(?<![A-Za-z0-9])sk-(?P<secret>(?=[A-Za-z]*[0-9])[A-Za-z0-9]{20,})", True, "sk-"),
        ("an AWS key", r"(?<![A-Za-z0-9+/])A(?:KI|SI)A(?P<secret>[A-Z0-9]{16})(?![A-Za-z0-9])", True, "akia|asia"),
        ("a Google key", r"AIza(?P<secret>[A-Za-z0-9_-]{30,})", True, "aiza"),
        ("a Slack token", r"xox[abeoprs]-(?P<secret>[A-Za-z0-9-]{10,})", True, "xox"),
        ("a web token", r"(?P<secret>eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?)", True, "eyj"),
        ("an API key", r"gsk_(?P<secret>[A-Za-z0-9]{20,})", True, "gsk_"),
        ("an API key", r"nvapi-(?P<secret>[A-Za-z0-9_-]{20,})", True, "nvapi-"),
        ("an npm token", r"npm_(?P<secret>[A-Za-z0-9]{30,})", True, "npm_"),
        ("a PyPI token", r"pypi-(?P<secret>[A-Za-z0-9_-]{40,})", True, "pypi-"),
        ("an API key", r"[sr]k_live_(?P<secret>[A-Za-z0-9]{16,})", True, "_live_"),
        (
            "a private key",
            r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
            r"(?P<secret>(?:(?!-----BEGIN|\*\*\*)[\s\S]){1,8000}?-----END [A-Z0-9 ]{1,40}-----"
            r"|(?:(?:\s|\\+[nr])*[A-Za-z0-9+/]{12,}={0,2})++)",
            True,
            "private key",
        ),
        (
            "a credential",
            r"(?i)authorization(?:\\*[\"'])?[ \t]*[:=,][ \t]*(?:\\*[\"'])?"
            r"(?:(?:basic|bearer|token|digest|negotiate|apikey)[ \t]+(?P<secret>[^\s\"',\\*][^\s\"',\\]{2,})"
            r"|(?P<other>[^\s\"',\\*][^\s\"',\\]{15,}))",
            False,
            "authorization",
        ),
        (
            "a credential",
            r"(?i)\bbearer\s+(?P<secret>(?=[A-Za-z._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{6,}|[A-Za-z0-9._~+/=-]{20,})",
            False,
            "bearer",
        ),
        (
            "a cookie",
            r"(?i)\b(?:set-)?cookie(?:\\*[\"'])?:[ \t]*(?:\\*[\"'])?[^\s=;,\"'*]{1,60}=(?P<secret>[^\n\"'\\]{4,})",
            False,
            "cookie",
        ),
    )
    special = (
        "pad|eos|bos|unk|mask|sep|cls|image|video|audio|boi|eoi|start|end|stop|special|think|next|prev|previous|first|"
        "last|per|added|new|each|input|output|prompt|completion|generated|chosen|rejected|sample|text|sink|draft|"
        "im_start|im_end|eot|eom|fim|prefix|suffix|middle|tool|tool_call|system|assistant|word|sub|ignore|label"
    )
    owner = (
        "hf|hub|hugging_?face|hugging_?face_hub|access|auth|api|session|refresh|bearer|secret|security|tracking|oauth|"
        "private|personal|github|gh|gitlab|wandb|job|bot|csrf|xsrf|jwt|login|service|account|deploy|registry|id|x"
    )
    return _Rules(
        shapes=tuple(
            _Shape(kind, re.compile(pattern), sure, tuple(words.split("|"))) for kind, pattern, sure, words in shapes
        ),
        short=re.compile(r"(?<![A-Za-z0-9])[hH][fF]_(?P<secret>[A-Za-z0-9]{4,15})(?P<cut>…|\.\.\.)?(?![A-Za-z0-9_])"),
        broken=re.compile(
            r"[hH][fF]_(?P<secret>(?P<head>[A-Za-z0-9]{2,33})(?:[ \t]*[\n↵][ \t]*|[ \t])(?P<tail>[A-Za-z0-9]{2,80}))"
            r"(?![A-Za-z0-9_])"
        ),
        encoded=re.compile(r"(?P<p0>aGZf)|(?P<p1>[GWm2]hmX[z0-3])|(?P<p2>[BFJNRVZdhlptx159]oZl[89])"),
        name=re.compile(rf"(?i)(?:token|{_KEY}|secret|passw(?:or)?d|passphrase|pwd)(?![A-Za-z0-9]|[_-]+[A-Za-z0-9])"),
        value=re.compile(
            r"(?:\\*[\"']|\])?[ \t]{0,8}(?P<sep>=>|:=|==?|:)[ \t]{0,8}b?(?:"
            r"\\+(?P<quote>[\"'])(?P<escaped>[^\n]{0,2000}?)\\+(?P=quote)"
            r"|\"(?P<double>(?:[^\"\\\n]|\\[^\n])*)|'(?P<single>(?:[^'\\\n]|\\[^\n])*)"
            r"|(?P<bare>[^\s\"',;\\][^\s\"',;\\]{0,2000}))"
        ),
        argument=re.compile(r"[ \t]+[\"']?(?P<secret>[^\s\"'-][^\s\"']{5,})"),
        listed=re.compile(
            # A path behind the name, as in `--secrets HF_TOKEN scripts/dpo.py`, is none.
            r"[\"']?[, \t]{1,4}[\"']?(?![/~.])"
            r"(?P<secret>(?=[A-Za-z+/=]*[0-9])[A-Za-z0-9+/=]{12,}+|[A-Za-z0-9+/=]{16,}+)(?![\w-]|\.\w)"
        ),
        digest=re.compile(
            r"(?i)[^\w\n]{1,4}(?:(?:is|was|value)[^\w\n]{1,3})?(?P<secret>[0-9a-f]{32,64})(?![A-Za-z0-9])"
        ),
        nothing=re.compile(
            r"(?i)none|null|nil|true|false|yes|no|undefined|missing|required|invalid|expired|unset|empty|optional|"
            r"unknown|not|set|\*+|~|\.{3}|…|<[^>]*>?|\{[^}]*\}?|\$\{?\w+\}?|%\w+%|-+|\[?redacted\]?|"
            r"(?:self|args|cls|os|config|kwargs|settings|get|getpass)[.(\[].*"
        ),
        special_token=re.compile(rf"(?i)(?:^|[_.-])(?:{special})[_-]?token$"),
        secret_token=re.compile(rf"(?i)(?:^|[_.-])(?:{owner})[_-]?token$"),
        key_line=re.compile(r"\s*(?:[A-Za-z0-9+/=]+|[A-Za-z-]+: [^\s].*|)\s*"),
        base64=re.compile(r"[A-Za-z0-9+/_-]+={0,2}"),
        token_bytes=re.compile(rb"hf_[A-Za-z0-9]{12,}"),
        rest=re.compile(r"[^\s\"',;\\&]*"),
    )


def redact(text: str, secrets: tuple[str, ...] = ()) -> str:
    """`text` without secrets: the given and the registered ones, and everything that looks or is called like one.

    Idempotent. Used on every log line, server message and exported file. A secret that a line end breaks in two is
    found when both lines are in `text`.
    """
    forms = {secret: _forms(secret) for secret in secrets if len(secret) >= MIN_KNOWN and secret not in _known}
    for _ in range(_ROUNDS):
        if not (may_hold_secret(text) or (forms and _may_know(text, forms))):
            return text
        view = _View(text)
        known = {**_known, **forms}
        spans = [view.span(start, end) for start, end in _spans(view.text, known)]
        if view.text is not text:  # a sequence such as ESC [ h takes the first letter of what stands behind it
            spans += _spans(text, known)
        if not spans:
            return text
        text = _masked(text, sorted(spans))
    return text


def _may_know(text: str, known: dict[str, tuple[str, ...]]) -> bool:
    seen = _seen(text)
    return any(form in seen for forms in known.values() for form in forms)


def _masked(text: str, spans: list[tuple[int, int]]) -> str:
    parts, at = [], 0
    begin, end = spans[0]
    for start, stop in [*spans[1:], (len(text) + 1, 0)]:
        if start <= end:
            end = max(end, stop)
            continue
        parts += [text[at:begin], MASK]
        at, begin, end = end, start, stop
    return "".join([*parts, text[at:]])


def redact_json(data: Any, name: str = "") -> Any:
    """`data`, as decoded from JSON, with each text redacted, and masked whole where its key says that it is a secret.

    `name` is the key under which `data` stands.
    """
    if isinstance(data, Mapping):
        return {key: redact_json(value, str(key)) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [redact_json(value, name) for value in data]
    if not isinstance(data, str):
        return data
    plain = re.sub(r"[\"\\\n]", " ", data)
    return MASK if name and _may_name(name.lower()) and any(_named(f'{name}="{plain}"')) else redact(data)


def _may_name(low: str) -> bool:
    """Whether a text in lower case can hold the name of a secret."""
    return "token" in low or "key" in low or "secret" in low or "pass" in low or "pwd" in low


def without_tokens(data: Any) -> Any:
    """As `redact_json`, but only what `secret_in` finds is taken out: for what a person or a model wrote."""
    if isinstance(data, Mapping):
        return {key: without_tokens(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [without_tokens(value) for value in data]
    if isinstance(data, str):
        while found := secret_in(data):
            data = f"{data[: found.start]}{MASK}{data[found.end :]}"
    return data


def secret_in(text: str) -> Secret | None:
    """The first secret in `text` that nothing else looks like, or a registered token; None when there is none.

    Stricter than `redact`, which rather takes out too much: this is a reason to stop.
    """
    if not may_hold_secret(text):
        return None
    view = _View(text)
    found = [Secret(*view.span(start, end), kind) for start, end, kind in _certain(view.text)]
    if view.text is not text:
        found += map(Secret._make, _certain(text))
    return min(found, default=None)


def _certain(text: str) -> Iterator[tuple[int, int, str]]:
    """Where secrets that nothing else looks like stand in a view, and what they are."""
    for start, end in _known_spans(text, {token: _forms(token) for token in _tokens}):
        yield start, end, "the token of this machine"
    low = text.lower()
    for shape in _rules().shapes:
        if shape.certain and any(word in low for word in shape.words):
            for match in shape.pattern.finditer(text):
                yield *match.span("secret"), shape.kind
    for start, end in (*_encoded(text), *_broken(text)):
        yield start, end, "a Hugging Face token"


def _spans(text: str, known: dict[str, tuple[str, ...]]) -> Iterator[tuple[int, int]]:
    """Where secrets stand in a view, in no order."""
    rules, low = _rules(), text.lower()
    yield from _known_spans(text, known)
    for shape in rules.shapes:
        for match in shape.pattern.finditer(text) if any(word in low for word in shape.words) else ():
            yield match.span("secret" if match["secret"] else "other")
    for match in rules.short.finditer(text) if "hf_" in low else ():
        if match["cut"] or (len(match["secret"]) >= 8 and _switches(match["secret"]) * 2 >= len(match["secret"])):
            yield match.span("secret")
    if "hf_" in low:
        yield from _broken(text)
    yield from _encoded(text)
    if _may_name(low):
        yield from _named(text)
    yield from _in_addresses(text)


def _known_spans(text: str, known: dict[str, tuple[str, ...]]) -> Iterator[tuple[int, int]]:
    for secret, (first, second, *others) in known.items():
        if first in text or second in text:
            prefix = len("hf_") if secret[:3].lower() == "hf_" else 0  # it stays, as for a token that nobody knows
            for match in _anywhere(secret).finditer(text):
                yield match.start() + prefix, match.end()
        for form in others:
            at = text.find(form)
            while at >= 0:
                start, end = at, at + len(form)
                while start > max(at - 3, 0) and _rules().base64.match(text, start - 1):  # what `_in_base64` left off
                    start -= 1
                while end < min(at + len(form) + 3, len(text)) and _rules().base64.match(text, end):
                    end += 1
                yield start, end
                at = text.find(form, at + len(form))


@lru_cache(maxsize=64)
def _anywhere(secret: str) -> re.Pattern[str]:
    """The secret, also where a line was wrapped inside it."""
    return re.compile(r"(?:[ \t]*[\n↵][ \t]*)?".join(map(re.escape, secret)))


def _switches(text: str) -> int:
    """How often it changes between small letters, capitals and digits: words seldom do."""
    kinds = [char.isdigit() * 2 + char.isupper() for char in text]
    return sum(one != other for one, other in pairwise(kinds))


def _broken(text: str) -> Iterator[tuple[int, int]]:
    """Hugging Face tokens (34 characters behind the prefix) that a line end or a blank breaks."""
    for match in _rules().broken.finditer(text):
        head, tail = match["head"], match["tail"]
        # A word (`hf_transformers`) and a commit's hash behind it are none: letters of both cases are mixed in a token.
        is_word = head.islower() and head.isalpha() and len(head) > 3
        is_mixed = len(tail) < 12 or not (tail.islower() or tail.isupper() or tail.isdigit())
        if len(head + tail) >= 30 and not is_word and is_mixed:
            yield match.span("secret")


def _encoded(text: str) -> Iterator[tuple[int, int]]:
    """Base64 of a text with a Hugging Face token, from the token on."""

    covered = 0
    if "aGZf" not in text and "hmX" not in text and "oZl" not in text:
        return
    for match in _rules().encoded.finditer(text):
        place = {"p0": 0, "p1": 1, "p2": 2}[match.lastgroup or "p0"]
        # `hf_` is first, second or third in its three bytes, whose four characters begin so many before the match.
        start = match.start() - place
        if start < covered or (run := _rules().base64.match(text, start, start + 64)) is None:
            continue
        body = run[0].rstrip("=").translate(_NOT_URL)
        if _rules().token_bytes.match(binascii.a2b_base64(body[: len(body) // 4 * 4]), place):
            run = _rules().base64.match(text, start)
            assert run is not None  # it matched before
            covered = run.end()
            yield run.span()


_NOT_URL = str.maketrans("-_", "+/")


def _named(text: str) -> Iterator[tuple[int, int]]:
    """Values whose name says that they are secret."""
    rules = _rules()
    covered = 0
    for match in rules.name.finditer(text):
        if match.start() < covered:
            continue
        begin = match.start()
        while begin and match.start() - begin < 100 and (text[begin - 1].isalnum() or text[begin - 1] in "_.-"):
            begin -= 1
        name = text[begin : match.end()]
        token = match[0].lower() == "token"
        if token and rules.special_token.search(name):
            continue
        variable = name.isupper() and "_" in name
        word = not token or text[match.start() - 1 : match.start()] in ("_", ".", "-")
        sure = not token or variable or rules.secret_token.search(name) is not None
        if found := rules.value.match(text, match.end()):
            kind = next(kind for kind in ("escaped", "double", "single", "bare") if found[kind] is not None)
            start, end = found.span(kind)
            if kind == "bare":
                end = _bare_end(text, start, end, in_query=begin > 0 and text[begin - 1] in "?&")
            value = text[start:end]
            if _is_value(name, value, sure=sure, quoted=kind != "bare", assigned=found["sep"] != ":"):
                if end == found.end() and kind == "bare":
                    end = _rules().rest.match(text, end).end()  # type: ignore[union-attr]  # it also matches nothing
                covered = end
                yield start, end
        elif (
            (word and name.startswith("-") and (found := rules.argument.match(text, match.end())))
            or (word and variable and (found := rules.listed.match(text, match.end())))
            or (found := rules.digest.match(text, match.end()))
        ) and not rules.nothing.fullmatch(found["secret"]):
            covered = found.end()
            yield found.span("secret")


def _bare_end(text: str, start: int, end: int, *, in_query: bool) -> int:
    """Where a value without quotes ends: before the next parameter of an address, or the brackets around the whole."""
    if in_query and (behind := text.find("&", start, end)) >= 0:
        end = behind
    while end > start and text[end - 1] in ")]}>.":
        end -= 1
    return end


def _is_value(name: str, value: str, *, sure: bool, quoted: bool, assigned: bool) -> bool:
    """Whether what stands behind a secret's name is a secret. `sure`: the name alone says so."""
    if not value or _rules().nothing.fullmatch(value) or value.startswith(MASK):
        return False
    if name.lower().endswith("pwd") and value[0] in "/~.":  # the shell's name of the current folder
        return False
    if name.lower().endswith("token") and value.replace(".", "").replace(",", "").isdigit():
        return False
    if sure:
        return assigned or quoted or len(value) >= MIN_KNOWN
    if not re.fullmatch(r"[\w.+/=~:-]+", value, re.ASCII):
        return False
    if assigned or quoted:
        return len(value) >= 10
    return len(value) >= 16 or (len(value) >= 12 and any(map(str.isdigit, value)))


def _in_addresses(text: str) -> Iterator[tuple[int, int]]:
    """Passwords before a host, and signatures behind it."""
    if "://" not in text:
        return
    for match in _look().userinfo.finditer(text):
        start, end = match.span("who")
        user, colon, password = match["who"].partition(":")
        if colon:
            if password and not _rules().nothing.fullmatch(password):
                yield start + len(user) + 1, end
        elif len(user) >= 12 and user.isalnum() and any(map(str.isdigit, user)):
            yield start, end
    for match in _look().query.finditer(text):
        yield match.span("secret")
