"""What a person sets about how a set is read, field by field, as the form shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from smoltui.core.pairs.column_guess import (
    Guess,
    answer_choices,
    answer_columns,
    guess,
    score_choices,
    winner_choices,
)
from smoltui.core.pairs.how_read import PART_WORDS
from smoltui.scripts.pair_columns import HISTORY, plain
from smoltui.scripts.pair_how import AS_IT_IS, OPTIONAL, PICKS, How

MADE_FROM = {
    "columns": "a chosen and a rejected answer",
    "winner": "answers, of which one won",
    "score": "answers with scores",
    "rank": "answers with ranks",
}
"""Value of the field `pairs from` → what it means."""
_WORDS = {
    **PART_WORDS,
    "pairs from": "",
    "pick": "",
    "seed": "of what is drawn",
    "min margin": "smaller ones are left out",
}
_REQUIRED = ("prompt", "chosen", "rejected", "answers", "winner", "score", "rank")


class Read(NamedTuple):
    """How a set is to be read."""

    columns: Mapping[str, str]
    """Part → column (`core.pairs.mapping`); empty: as the names show."""
    how: How


class ReadingFields:
    """The fields and their values. `asked` is what is set so far; `rows` are the first ones, as in the file."""

    def __init__(self, rows: Sequence[object], asked: Read, columns: Sequence[str] = ()) -> None:
        self._rows = [row for row in rows if isinstance(row, Mapping)]
        self._asked = asked
        self._columns = tuple(columns) or tuple(dict.fromkeys(str(name) for row in self._rows for name in row))
        self._detected = guess(rows)
        """As the rows show, whatever is set."""
        found = guess(rows, asked.columns, asked.how)
        self._auto = _values(self._detected) if self._detected.detected else None
        self.values = _values(found)
        self._first = dict(self.values)
        self._is_read = found.detected
        self._answers = answer_columns(self._rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the set's columns."""
        return self._columns

    @property
    def names(self) -> list[str]:
        """The fields that count with the current values, in order."""
        made = self.values["pairs from"]
        history = self.values["history"] or any(plain(name) in HISTORY for name in self._columns)
        names = ["prompt", "system", *(["history"] if history else []), "pairs from"]
        if made == "columns":
            return [*names, "chosen", "rejected"]
        names += ["answers", made]
        if len(_listed(self.values["answers"])) != 2:
            names += ["pick", *(["seed"] if self.values["pick"] == "best-random" else [])]
        return names if made == "winner" else [*names, "min margin"]

    def words(self, name: str) -> str:
        """What a field, with its value, means."""
        if name == "pairs from":
            return MADE_FROM[self.values[name]]
        return PICKS[self.values[name]] if name == "pick" and self.values[name] in PICKS else _WORDS[name]

    def is_required(self, name: str) -> bool:
        return name in _REQUIRED

    def step(self, name: str, by: int) -> str:
        """The next proposed value of a field (`by` 1; -1: the previous one)."""
        if name == "seed":
            return str(self.how.seed + by)
        if name == "min margin":
            return f"{max(self.how.min_margin + by * 0.5, 0):g}"
        choices = self._choices(name)
        at = choices.index(self.values[name]) if self.values[name] in choices else (-1 if by > 0 else 0)
        return choices[(at + by) % len(choices)] if choices else self.values[name]

    def _choices(self, name: str) -> list[str]:
        answers = _listed(self.values["answers"])
        if name == "pairs from":
            return list(MADE_FROM)
        if name == "pick":
            return list(PICKS)
        if name in ("chosen", "rejected"):
            return ["", *self._answers]
        if name == "answers":
            return answer_choices(self._rows)
        if name in ("score", "rank"):
            return score_choices(self._rows, answers)
        if name == "winner":
            likely = winner_choices(self._rows, answers)
            return [*likely, *(column for column in self._columns if column not in (*likely, *answers))]
        texts = [column for column in self._answers if column not in answers]
        return ["", *texts, *(column for column in self._columns if column not in texts)]

    def fill(self, name: str, value: str) -> None:
        """Sets a field; a change of what pairs are made from proposes the columns that go with it."""
        self.values[name] = value
        if name == "pairs from" and value != "columns" and not self.values["answers"]:
            self.fill("answers", next(iter(self._choices("answers")), ""))
        if name in ("pairs from", "answers") and (made := self.values["pairs from"]) != "columns":
            choices = self._choices(made)
            if name == "answers" or not self.values[made]:
                self.values[made] = next(iter(choices), "") if made != "winner" else self._likely_winner()

    def _likely_winner(self) -> str:
        return next(iter(winner_choices(self._rows, _listed(self.values["answers"]))), "")

    @property
    def problem(self) -> str:
        """What is wrong with a value that was typed; empty if nothing is."""
        for name, kind in (("seed", int), ("min margin", float)):
            if name in self.names:
                try:
                    if not 0 <= kind(self.values[name] or 0) < 1e300:
                        return f"{name} must not be negative: {self.values[name]}"
                except ValueError:
                    return f"{name} must be a number: {self.values[name]}"
        required = (name for name in self.names if self.is_required(name) and name != "prompt")
        empty = next((name for name in required if not self.values[name]), "")
        return f"{empty} needs a column." if empty else ""

    @property
    def how(self) -> How:
        """How pairs are made."""
        made, values = self.values["pairs from"], self.values
        if made == "columns":
            return AS_IT_IS
        shown = set(self.names)
        return How(
            tuple(_listed(values["answers"])),
            winner=(values["winner"] or None) if made == "winner" else None,
            score=(values["score"] or None) if made == "score" else None,
            rank=(values["rank"] or None) if made == "rank" else None,
            pick=values["pick"] if "pick" in shown and values["pick"] in PICKS else AS_IT_IS.pick,
            min_margin=_number(values["min margin"]) if "min margin" in shown else 0.0,
            seed=int(_number(values["seed"])) if "seed" in shown else AS_IT_IS.seed,
        )

    @property
    def read(self) -> Read:
        """What is set; what the rows show by themselves is not."""
        if self.is_unchanged:
            return self._asked
        if self._auto is not None and self._same_columns(self._auto):
            how = self.how
            return Read({}, How(pick=how.pick, min_margin=how.min_margin, seed=how.seed))
        parts = {part: self.values[part] for part in OPTIONAL if self.values[part] or self._detected.columns.get(part)}
        if self.values["pairs from"] == "columns":
            parts |= {side: self.values[side] for side in ("chosen", "rejected") if self.values[side]}
        return Read(parts, self.how)

    def _same_columns(self, values: Mapping[str, str]) -> bool:
        shown = [name for name in self.names if name not in ("pick", "seed", "min margin")]
        return all(self.values[name] == values[name] for name in shown)

    @property
    def is_unchanged(self) -> bool:
        """Whether the set stays as it is read now."""
        return self._is_read and self.values == self._first


def _values(found: Guess) -> dict[str, str]:
    how = found.how
    told = next((kind for kind in ("score", "rank", "winner") if getattr(how, kind)), "winner")
    made = told if how.answers else "columns"
    return {
        **{part: found.columns.get(part, "") for part in ("prompt", "system", "history", "chosen", "rejected")},
        "pairs from": made,
        "answers": ",".join(how.answers),
        **{kind: getattr(how, kind) or "" for kind in ("winner", "score", "rank")},
        "pick": how.pick,
        "min margin": f"{how.min_margin:g}",
        "seed": str(how.seed),
    }


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
