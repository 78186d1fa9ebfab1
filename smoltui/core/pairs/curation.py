"""A person's decisions about pairs: one JSON object per line, keyed by the pair's content hash; later lines win.

    {"pair": "1f…32 hex digits", "act": "exclude", "why": "empty chosen answer", "shows": "How do I…", "at": "2026-…Z"}
    {"pair": "…", "act": "include" | "swap" | "unswap" | "pin" | "unpin", …}
    {"pair": "…", "act": "note", "note": "what was noted; empty removes it", …}
    {"act": "hold_out", "of": "hh.jsonl train", "share": 0.05, "seed": 42, "at": …}      (share 0 removes it)

The hash is that of the pair in its source (`pair_format.content_hash`), so a swapped pair keeps its key. Lines
are only ever appended: undoing a decision appends the line that restores the previous state (`inverse`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from smoltui.core.foreign import foreign_json
from smoltui.core.pairs.preference import Message, Pair
from smoltui.errors import InputError
from smoltui.safe_text import safe_line

FILE_NAME = "curation.jsonl"
SHOWN = 60
"""Characters of the prompt in a line, so that a diff of the file can be reviewed."""
DEFAULT_SHARE, DEFAULT_SEED = 0.05, 42

MOST_LINE_BYTES = 1 << 20
"""Limit of one decision; a longer line is not one."""
_HASH = re.compile(r"[0-9a-f]{32}")


class Decision(NamedTuple):
    """One line."""

    act: str
    """A key of `ACTS`."""
    pair: str = ""
    """Content hash, 32 hexadecimal digits; empty for hold_out."""
    why: str | None = None
    """Text of a finding or search; None if the person gave no reason."""
    note: str | None = None
    """Only for act note; empty removes the note."""
    shows: str | None = None
    """Start of the prompt, see `shown`."""
    of: str | None = None
    """Of hold_out: the set and split, see `backends.pairs.curated.set_name`."""
    share: float | None = None
    """Of hold_out: from 0 (nothing is held out any longer) to below 1."""
    seed: int | None = None
    """Of hold_out."""
    at: str | None = None
    """ISO 8601 in UTC; None until it is written."""

    @property
    def concerns(self) -> tuple[str, str]:
        """Its subject: of two decisions with the same subject, the later one wins."""
        aspect = ACTS[self.act]
        return aspect, (self.of or "") if aspect == "hold_out" else self.pair


ACTS: Mapping[str, str] = {
    "exclude": "exclude",
    "include": "exclude",
    "swap": "swap",
    "unswap": "swap",
    "note": "note",
    "pin": "pin",
    "unpin": "pin",
    "hold_out": "hold_out",
}
"""Act → subject of the decision."""


class HoldOut(NamedTuple):
    """A held-out split of one set."""

    share: float
    """Of the prompts, more than 0 and less than 1."""
    seed: int


def share_and_seed(text: str) -> tuple[float, int]:
    """`0.05`, `5%`, `0.05 seed 7` → share and seed.

    Raises:
        InputError: anything else.
    """
    words = text.replace("seed", " ").split()
    try:
        share = float(words[0].rstrip("%")) / (100 if words[0].endswith("%") else 1)
        seed = int(words[1]) if len(words) > 1 else DEFAULT_SEED
    except (ValueError, IndexError):
        share, seed = -1.0, 0
    if not 0 <= share < 1 or len(words) > 2:
        raise InputError(f"This is not a share from 0 to 1: {text}", "Write 0.05, 5% or 0.05 seed 7.")
    return share, seed


def _hold_out_of(decision: Decision) -> HoldOut | None:
    """The held-out split that a decision makes; None if it removes it."""
    if not decision.share or decision.seed is None:
        return None
    return HoldOut(decision.share, decision.seed)


V = TypeVar("V")


def _put(members: set[str], key: str, is_member: bool) -> None:
    """Adds or removes a key."""
    if is_member:
        members.add(key)
    else:
        members.discard(key)


def _set(values: dict[str, V], key: str, value: V | None) -> None:
    """Sets a value; None or an empty one removes it."""
    if value:
        values[key] = value
    else:
        values.pop(key, None)


class Curation:
    """The state after a number of lines. A `copy` is cheap: 160 000 decisions in a few milliseconds."""

    def __init__(self) -> None:
        self.excluded: set[str] = set()
        self.swapped: set[str] = set()
        self.pinned: set[str] = set()
        self.notes: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        """Why a pair is excluded, if stated."""
        self.hold_outs: dict[str, HoldOut] = {}
        self.decisions = 0
        """Number of valid lines."""
        self.unreadable = 0
        """Number of other lines: truncated, foreign, or of a newer smoltui. They stay in the file."""

    def hold_out(self, of: str) -> HoldOut | None:
        """The held-out split of the set and split of this name; None without one."""
        return self.hold_outs.get(of)

    def take(self, decision: Decision) -> None:
        """Applies one more decision."""
        self.decisions += 1
        match ACTS[decision.act]:
            case "exclude":
                _put(self.excluded, decision.pair, decision.act == "exclude")
                _set(self.reasons, decision.pair, decision.why if decision.act == "exclude" else None)
            case "swap":
                _put(self.swapped, decision.pair, decision.act == "swap")
            case "pin":
                _put(self.pinned, decision.pair, decision.act == "pin")
            case "note":
                _set(self.notes, decision.pair, decision.note)
            case "hold_out":
                _set(self.hold_outs, decision.of or "", _hold_out_of(decision))

    def take_lines(self, data: bytes) -> None:
        """Applies the lines of a file or of a piece of one; invalid lines are counted."""
        for line in data.split(b"\n"):
            if line and not line.isspace():
                decision = parse(line)
                if decision is None:
                    self.unreadable += 1
                else:
                    self.take(decision)

    def copy(self) -> Curation:
        """An independent copy of this state."""
        other = Curation()
        other.excluded, other.swapped, other.pinned = set(self.excluded), set(self.swapped), set(self.pinned)
        other.notes, other.reasons, other.hold_outs = dict(self.notes), dict(self.reasons), dict(self.hold_outs)
        other.decisions, other.unreadable = self.decisions, self.unreadable
        return other


def parse(line: bytes | str) -> Decision | None:
    """The decision in one line; None for anything else."""
    try:
        data = foreign_json.decode(line, most_bytes=MOST_LINE_BYTES)
    except ValueError:
        return None
    if not isinstance(data, dict) or not isinstance(act := data.get("act"), str) or act not in ACTS:
        return None
    texts = {name: data.get(name) for name in _TEXTS}
    if not all(text is None or isinstance(text, str) for text in texts.values()):
        return None
    if act == "hold_out":
        return _hold_out_decision(data, texts)
    return _pair_decision(act, data.get("pair"), texts)


_TEXTS = ("why", "note", "shows", "at", "of")
"""Fields of a line that are text if present."""


def _pair_decision(act: str, pair: object, texts: Mapping[str, str | None]) -> Decision | None:
    note = texts["note"] if act == "note" else None
    if not isinstance(pair, str) or not _HASH.fullmatch(pair) or (act == "note" and note is None):
        return None
    return Decision(act, pair, texts["why"], note, texts["shows"], at=texts["at"])


def _hold_out_decision(data: Mapping[str, object], texts: Mapping[str, str | None]) -> Decision | None:
    share, seed = data.get("share"), data.get("seed")
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1 or not texts["of"]:
        return None
    if share and (isinstance(seed, bool) or not isinstance(seed, int)):
        return None
    return Decision(
        "hold_out",
        why=texts["why"],
        of=texts["of"],
        share=float(share),
        seed=seed if isinstance(seed, int) else None,
        at=texts["at"],
    )


def line_of(decision: Decision) -> bytes:
    """The line for a decision, which `parse` reads back, with its newline."""
    order = ("pair", "act", "why", "note", "shows", "of", "share", "seed", "at")
    values = {name: getattr(decision, name) for name in order}
    kept = {name: value for name, value in values.items() if value is not None and not (name == "pair" and not value)}
    # Half a surrogate pair becomes \udc80, which is how JSON writes it too.
    return json.dumps(kept, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def inverse(decisions: Sequence[Decision], state: Curation) -> list[Decision]:
    """The decisions that restore `state`, the state before `decisions`.

    Unchanged subjects get no line. Their `at` is None: they are new decisions.
    """
    after: dict[tuple[str, str], Decision] = {}
    for decision in decisions:
        after[decision.concerns] = decision
    back = []
    for (aspect, key), last in reversed(after.items()):
        former = _as_it_is(aspect, key, state, last.shows)
        reached = Curation()
        reached.take(last)
        wanted = Curation()
        wanted.take(former)
        if any(
            getattr(reached, name) != getattr(wanted, name)
            for name in ("excluded", "swapped", "pinned", "notes", "reasons", "hold_outs")
        ):
            back.append(former)
    return back


def _as_it_is(aspect: str, key: str, state: Curation, shows: str | None) -> Decision:
    """The decision that sets one aspect of one pair (or set) to its value in `state`."""
    if aspect == "exclude":
        act = "exclude" if key in state.excluded else "include"
        return Decision(act, key, why=state.reasons.get(key), shows=shows)
    if aspect == "swap":
        return Decision("swap" if key in state.swapped else "unswap", key, shows=shows)
    if aspect == "pin":
        return Decision("pin" if key in state.pinned else "unpin", key, shows=shows)
    if aspect == "note":
        return Decision("note", key, note=state.notes.get(key, ""), shows=shows)
    held = state.hold_out(key)
    return Decision("hold_out", of=key, share=held.share if held else 0.0, seed=held.seed if held else None)


def shown(pair: Pair) -> str:
    """Start of the prompt (without system text), on one line and safe to show; the row if it is not a pair."""
    turns = [turn.content for turn in pair.prompt if turn.role != "system"] or [turn.content for turn in pair.prompt]
    return safe_line((turns[0] if turns else pair.raw).strip(), SHOWN)


# ------------------------------------------------------------------------------------------------------ held-out split


def prompt_hash(prompt: Iterable[Message]) -> int:
    """64 bits (signed) of the SHA-256 of a prompt's roles and texts: the column `prompt_hash` of a store."""
    text = json.dumps([[turn.role, turn.content] for turn in prompt])
    return int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[:8], "little", signed=True)


def held_out(prompt: int, seed: int, share: float) -> bool:
    """Whether the pairs with this `prompt_hash` are held out.

    A prompt is held out when the first 64 bits of SHA-256("<seed> <prompt_hash>"), as a share of 2⁶⁴, are below
    `share`. So all pairs of a prompt are on one side, neither the order of the set nor added rows move any pair, a
    larger share only adds prompts, and anyone can reproduce the split. The resulting share is close to `share`, but not
    exact: prompts are drawn, and some have several pairs.
    """
    digest = hashlib.sha256(b"%d %d" % (seed, prompt)).digest()
    return int.from_bytes(digest[:8], "big") < share * 2.0**64


def marks_of(curation: Curation, of: str) -> Callable[[Sequence[bytes], Sequence[int | None]], dict[str, list[bool]]]:
    """The columns of `pair_columns.CURATED` for some rows of the set and split `of`.

    The function takes their content hashes and prompt hashes (None if a row is not a readable pair).
    """
    sets = {
        "excluded": curation.excluded,
        "swapped": curation.swapped,
        "pinned": curation.pinned,
        "noted": curation.notes,
    }
    held = curation.hold_out(of)

    def marks(hashes: Sequence[bytes], prompts: Sequence[int | None]) -> dict[str, list[bool]]:
        keys = [value.hex() for value in hashes]
        columns = {name: [key in known for key in keys] for name, known in sets.items()}
        columns["held_out"] = [
            held is not None and prompt is not None and held_out(prompt, held.seed, held.share) for prompt in prompts
        ]
        return columns

    return marks
