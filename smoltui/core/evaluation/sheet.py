"""The answers of up to four models to a list of prompts, while they arrive and as stored with the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smoltui.core.evaluation.column import PAIR, Column, columns_from_json
from smoltui.core.evaluation.prompt import Prompt, prompt_from_json, prompts_of
from smoltui.core.runs.events import Answered, AnswerLeftOut, AnswerPart, Event
from smoltui.core.settings.settings import EvaluationSettings

VERSION = 2
"""Of the stored form. Version 1 had the columns reference and aligned only, and no `columns`; a row holds the answer of
a column under its name in both, so each version reads the other."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One model's answer to one prompt."""

    text: str = ""
    """Partial or complete, thoughts included."""
    answered: Answered | None = None
    """None while it is still growing."""
    left_out: str = ""
    """Why the model gives no answer; empty if it does."""

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self.answered is not None or bool(self.left_out)


class Sheet:
    """Prompts with their available answers, one column per model."""

    def __init__(
        self,
        prompts: Iterable[Prompt | str] = (),
        columns: Iterable[Column] = PAIR,
        *,
        own: Iterable[str] = (),
        prompt_set: str = "",
    ) -> None:
        self.prompts: list[Prompt] = prompts_of(prompts)
        self.columns: tuple[Column, ...] = tuple(columns)
        self.cells: dict[tuple[str, int], Cell] = {}
        """By name of the column and index of the prompt; absent: not asked, or no text yet."""
        self.own: set[str] = set(own)
        """Prompts that were typed in and are in no file."""
        self.prompt_set = prompt_set
        """Name or path of the set that the other prompts are from; empty if unknown."""
        self.sampling: Mapping[str, Any] | None = None
        """Settings that the answers were generated with, as `sampling_as_json`; None without answers."""
        self.date: str | None = None
        """What chat templates took for the day's date, such as 2026-11-29; None if unknown."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    def copy(self) -> Sheet:
        """The same prompts and answers, which another thread can read while this sheet changes."""
        sheet = Sheet(self.prompts, self.columns, own=self.own, prompt_set=self.prompt_set)
        sheet.cells, sheet.sampling, sheet.date = dict(self.cells), self.sampling, self.date
        return sheet

    def cell(self, column: str, index: int) -> Cell | None:
        return self.cells.get((column, index))

    def forget(self, indices: Sequence[int]) -> None:
        """Removes the answers to these prompts before they are asked again."""
        for index in indices:
            for name in self.names:
                self.cells.pop((name, index), None)

    def drop_parts(self) -> None:
        """Removes incomplete answers."""
        self.cells = {key: cell for key, cell in self.cells.items() if cell.done}

    def missing(self) -> list[int]:
        """Indices of prompts that at least one column has not answered completely."""
        names, cells = self.names, self.cells
        return [
            index
            for index in range(len(self.prompts))
            if any((cell := cells.get((name, index))) is None or not cell.done for name in names)
        ]

    def take(self, event: Event, indices: Sequence[int]) -> int | None:
        """Stores an answer or a part of one and returns the index of its prompt; None for any other event.

        `indices` are the prompts of this sheet that were asked: events count from 0.
        """
        if not isinstance(event, AnswerPart | Answered | AnswerLeftOut) or not 0 <= event.index < len(indices):
            return None
        index = indices[event.index]
        key = (event.model, index)
        match event:
            case Answered():
                self.cells[key] = Cell(event.text, event)
            case AnswerLeftOut():
                self.cells[key] = Cell(left_out=event.reason)
            case AnswerPart():
                before = self.cells.get(key, Cell())
                if not before.done:
                    self.cells[key] = Cell(before.text + event.text)
        return index

    def add_own(self, prompt: str) -> int:
        """Adds a typed prompt if it is new, and returns its index."""
        for index, known in enumerate(self.prompts):
            if known.text == prompt and not known.before:
                return index
        self.prompts.append(Prompt(prompt))
        self.own.add(prompt)
        return len(self.prompts) - 1

    def take_over(self, other: Sheet) -> None:
        """Takes over the answers of another sheet, and its typed prompts.

        An answer belongs to a prompt and to a column of the same name and weights; all others are ignored.
        """
        for prompt in other.prompts:
            if prompt.text in other.own and not prompt.before:
                self.add_own(prompt.text)
        places = {prompt.key: index for index, prompt in reversed(list(enumerate(self.prompts)))}
        theirs = {column.name: column for column in other.columns}
        shared = [
            column.name for column in self.columns if (same := theirs.get(column.name)) and _same_weights(column, same)
        ]
        for at, prompt in enumerate(other.prompts):
            index = places.get(prompt.key)
            if index is None:
                continue
            for name in shared:
                if (cell := other.cells.get((name, at))) is not None:
                    self.cells[name, index] = cell
        if other.cells and shared:
            self.sampling, self.date = other.sampling, other.date

    @property
    def complete(self) -> int:
        """Number of complete answers of all columns."""
        return sum(cell.answered is not None for cell in self.cells.values())

    @property
    def all_alike(self) -> bool:
        """Whether several models gave the same complete answer to every prompt."""
        if len(self.columns) < 2 or not self.prompts:
            return False
        for index in range(len(self.prompts)):
            cells = [self.cells.get((name, index)) for name in self.names]
            if any(cell is None or cell.answered is None for cell in cells):
                return False
            if len({cell.text for cell in cells if cell is not None}) > 1:
                return False
        return True

    def as_json(
        self, models: Mapping[str, str], sampling: EvaluationSettings | Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The stored form: columns, model locations by name, sampling settings, and complete answers only."""
        if isinstance(sampling, EvaluationSettings):
            sampling = sampling_as_json(sampling)
        return {
            "v": VERSION,
            "set": self.prompt_set or None,
            "date": self.date,
            "columns": [column.as_json() for column in self.columns],
            "models": dict(models),
            "sampling": dict(sampling or self.sampling or {}),
            "answers": [
                {
                    **prompt.as_json(),
                    **({"own": True} if prompt.text in self.own and not prompt.before else {}),
                    **{
                        name: cell_as_json(cell)
                        for name in self.names
                        if (cell := self.cells.get((name, index))) is not None and cell.done
                    },
                }
                for index, prompt in enumerate(self.prompts)
            ],
        }


def _same_weights(left: Column, right: Column) -> bool:
    """Whether two columns of one name can be the same model; what was stored before may not name its weights."""
    return not left.path or not right.path or left.shown == right.shown


def cell_as_json(cell: Cell) -> dict[str, Any]:
    """A complete answer, or the reason why there is none."""
    if cell.answered is None:
        return {"left_out": cell.left_out}
    answer = cell.answered
    thoughts = {"thought_tokens": answer.thought_tokens} if answer.thought_tokens else {}
    return {"text": answer.text, "ended": answer.ended, "tokens": answer.tokens, **thoughts}


def cell_from_json(column: str, index: int, value: Any) -> Cell | None:
    """A cell from its stored form; None if it is not one."""
    if not isinstance(value, Mapping):
        return None
    text, reason = value.get("text"), value.get("left_out")
    if isinstance(text, str):
        tokens, thoughts = (
            found if isinstance(found := value.get(key), int) else 0 for key in ("tokens", "thought_tokens")
        )
        ended = value.get("ended") is True
        return Cell(
            text,
            Answered(model=column, index=index, text=text, ended=ended, tokens=tokens, thought_tokens=thoughts),
        )
    return Cell(left_out=reason) if isinstance(reason, str) and reason else None


def sampling_as_json(sampling: EvaluationSettings) -> dict[str, Any]:
    """Sampling settings, named as in smoltui.toml."""
    return {
        "max_new_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "thinking": sampling.thinking,
    }


def sampling_in_words(sampling: Mapping[str, Any]) -> str:
    """The same for display; `greedy` for temperature 0."""
    heat = sampling.get("temperature")
    how = "greedy" if heat == 0 else f"temperature {heat} · top p {sampling.get('top_p')}"
    thinking = "on" if sampling.get("thinking") else "off"
    return f"{how} · ≤ {sampling.get('max_new_tokens')} tokens · seed {sampling.get('seed')} · thinking {thinking}"


def sheet_from_json(data: Mapping[str, Any]) -> Sheet:
    """A stored sheet of any version; anything not written by `as_json` is ignored."""
    prompt_set, date, sampling = data.get("set"), data.get("date"), data.get("sampling")
    sheet = Sheet(columns=columns_from_json(data), prompt_set=prompt_set if isinstance(prompt_set, str) else "")
    sheet.date = date if isinstance(date, str) else None
    sheet.sampling = sampling if isinstance(sampling, Mapping) else None
    rows = data.get("answers")
    for row in rows if isinstance(rows, list) else []:
        prompt = prompt_from_json(row) if isinstance(row, Mapping) else None
        if prompt is None:
            continue
        index = len(sheet.prompts)
        sheet.prompts.append(prompt)
        if row.get("own") is True:
            sheet.own.add(prompt.text)
        for name in sheet.names:
            if (cell := cell_from_json(name, index, row.get(name))) is not None:
                sheet.cells[name, index] = cell
    return sheet
