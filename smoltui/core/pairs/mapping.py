"""What each column of a set means, as a person set it, and the pairs that come of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from smoltui.core.pairs.preference import Pair, pair_of
from smoltui.scripts.pair_choices import LeftOut, unfold
from smoltui.scripts.pair_columns import HISTORY, SYSTEM, MappedRow, at_path, layout_of, plain
from smoltui.scripts.pair_how import AS_IT_IS, PICKS, How
from smoltui.scripts.pair_turns import NotAPairError

SHOWN_ROWS = 5
"""Rows of a preview that are shown."""


def mapped(row: object, columns: Mapping[str, str], how: How = AS_IT_IS) -> object:
    """`row` with the columns of a pair; other columns are kept. A path without a value gives null.

    `columns`: part → column or dotted path (`answers.0.text`); an empty one: no column is it, whatever its name.
    The columns that `how` names stay as well.
    """
    if not isinstance(row, Mapping) or not columns:
        return row
    left_out = _replaced(row, columns) - _named(how)
    others = {name: value for name, value in row.items() if name not in left_out}
    return MappedRow({**others, **{part: at_path(row, path) for part, path in columns.items() if path}})


def _replaced(row: Mapping[str, object], columns: Mapping[str, str]) -> set[str]:
    """The row's own columns that must not count beside those that were set."""
    layout = layout_of(tuple(row))
    names = {path.split(".")[0] for path in columns.values()}
    if "chosen" in columns or "rejected" in columns:
        names.update(*([layout.answers] if layout.answers else []), *layout.others)
    if "prompt" in columns:
        given = bool(columns["prompt"]) and at_path(row, columns["prompt"]) is not None
        names.update(name for name in layout.prompts if not given or plain(name) == "conversations")
    for part, words in (("system", SYSTEM), ("history", HISTORY)):
        if part in columns:
            names.update(name for name in row if plain(name) in words)
    return names


def _named(how: How) -> set[str]:
    listed = [*how.answers, *(name for text in (how.winner, how.score, how.rank) for name in (text or "").split(","))]
    return {name.split(".")[0] for name in listed} | set(listed)


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of a set as they would be read."""

    rows: int
    """Rows that were looked at."""
    shown: tuple[Pair, ...]
    """The first pairs, and rows of which none is made; at most `SHOWN_ROWS`."""
    made: int
    """Usable pairs of all these rows."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Reason (`NotAPairError`) → rows and pairs that are not usable; `tie` for answers that are equally good,
    `too_close` for those that differ by less than the margin."""
    margins: tuple[float, float, float] | None = None
    """Least, median and largest difference of scores or ranks; None without scores."""

    @property
    def readable(self) -> bool:
        """Whether at least one of the rows shown is a pair."""
        return any(pair.readable for pair in self.shown)

    @property
    def sentence(self) -> str:
        """The counts in words."""
        rows = "1 row" if self.rows == 1 else f"First {self.rows:,} rows"
        said = [f"{rows}: {self.made:,} pair{'' if self.made == 1 else 's'}"]
        if ties := self.left_out.get("tie"):
            said.append(f"{ties:,} tie{'' if ties == 1 else 's'} dropped")
        if others := {reason: count for reason, count in self.left_out.items() if reason != "tie"}:
            said.append(f"left out: {reasons_in_words(others)}")
        if self.margins is not None:
            said.append(margins_in_words(self.margins))
        return " · ".join(said)


def reasons_in_words(left_out: Mapping[str, int]) -> str:
    """Reasons with their numbers."""
    return ", ".join(f"{reason.replace('_', ' ')} ({count:,})" for reason, count in left_out.items())


def margins_in_words(margins: Sequence[float]) -> str:
    """Least, median and largest difference of scores."""
    least, middle, most = margins
    return f"margin {least:g}" if least == most else f"margins {least:g} to {most:g}, median {middle:g}"


def preview(rows: Sequence[object], columns: Mapping[str, str], how: How = AS_IT_IS) -> Preview:
    """What comes of these rows, as in the file, with these columns."""
    shown, made, looked_at = list[Pair](), 0, 0
    left_out, margins = Counter[str](), list[float]()
    for row in rows:
        looked_at += 1
        row = mapped(row, columns, how)
        if how.min_margin:
            left_out["too_close"] += _too_close(row, how)
        for found in pairs_in(row, how):
            pair = pair_of(len(shown), found)
            if len(shown) < SHOWN_ROWS:
                shown.append(pair)
            if pair.problem is not None:
                if pair.reason != "too_close":  # counted pair by pair
                    left_out[pair.reason or "unusable"] += 1
                continue
            made += 1
            if isinstance(found, Mapping) and isinstance(margin := found.get("margin"), float):
                margins.append(margin)
    margins.sort()
    spread = (margins[0], margins[len(margins) // 2], margins[-1]) if margins else None
    counted = {reason: count for reason, count in left_out.most_common() if count}
    return Preview(looked_at, tuple(shown), made, counted, spread)


def _too_close(row: object, how: How) -> int:
    """How many pairs of a row are left out by the margin."""
    with suppress(NotAPairError):
        every = unfold(row, replace(how, min_margin=0.0))
        with suppress(NotAPairError):
            return len(every) - len(unfold(row, how))
        return len(every)
    return 0


def pairs_in(row: object, how: How = AS_IT_IS) -> Iterator[object]:
    """The rows of pairs that `row` stands for; the row itself if it is one. A `LeftOut` if none can be made of it."""
    try:
        yield from unfold(row, how)
    except NotAPairError as error:
        yield LeftOut(row, error) if isinstance(row, Mapping) else row


def how_in_words(columns: Mapping[str, str], how: How, schema: str = "") -> str:
    """How pairs are made of a set, one sentence without a full stop; empty if the rows are pairs and nothing was set.

    `schema` is its shape (`pair_shapes.SCHEMAS`).
    """
    said = [f"{part} from {column}" if column else f"no {part}" for part, column in columns.items()]
    if how.answers:
        said.append(f"answers in {', '.join(how.answers)}")
    said += [f"{kind} in {name}" for kind in ("winner", "score", "rank") if (name := getattr(how, kind))]
    said += [words] if (words := pick_in_words(how, schema)) else []
    return "; ".join(said)


def pick_in_words(how: How, schema: str = "") -> str:
    """Which answers are paired; empty for a set whose rows are pairs."""
    if schema == "several-rejected" and how.pick != "best-random":
        return "one pair for each rejected answer"
    if how == AS_IT_IS and schema != "several-rejected":
        return ""
    if len(how.answers) == 2:
        return f"the better answer against the other{_margin(how)}"
    drawn = f" (seed {how.seed})" if how.pick == "best-random" else ""
    return f"{PICKS[how.pick]}{drawn}{_margin(how)}"


def _margin(how: How) -> str:
    return f"; a margin of {how.min_margin:g} at least" if how.min_margin else ""
