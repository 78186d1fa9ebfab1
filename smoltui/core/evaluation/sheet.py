"""The answers of both models to a list of prompts, while they arrive and as stored with the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from smoltui.core.evaluation.figures import ALIGNED, REFERENCE
from smoltui.core.runs.events import Answered, AnswerPart, Event
from smoltui.core.settings.settings import EvaluationSettings

MODELS = (REFERENCE, ALIGNED)


@dataclass(frozen=True, slots=True)
class Cell:
    """One model's answer to one prompt."""

    text: str = ""
    """Partial or complete."""
    answered: Answered | None = None
    """None while it is still growing."""


@dataclass(slots=True)
class Sheet:
    """Prompts with their available answers."""

    prompts: list[str] = field(default_factory=list)
    cells: dict[tuple[str, int], Cell] = field(default_factory=dict)
    """By model and prompt; absent: not asked, or no text yet."""
    own: set[str] = field(default_factory=set)
    """Prompts that were typed in and are in no file."""

    def cell(self, model: str, index: int) -> Cell | None:
        return self.cells.get((model, index))

    def forget(self, indices: Sequence[int]) -> None:
        """Removes the answers to these prompts before they are asked again."""
        for index in indices:
            for model in MODELS:
                self.cells.pop((model, index), None)

    def drop_parts(self) -> None:
        """Removes incomplete answers."""
        self.cells = {key: cell for key, cell in self.cells.items() if cell.answered is not None}

    def take(self, event: Event, indices: Sequence[int]) -> int | None:
        """Stores an answer or a part of one and returns the index of its prompt; None for any other event.

        `indices` are the prompts of this sheet that were asked: events count from 0.
        """
        if not isinstance(event, AnswerPart | Answered) or not 0 <= event.index < len(indices):
            return None
        index = indices[event.index]
        key = (event.model, index)
        if isinstance(event, Answered):
            self.cells[key] = Cell(event.text, event)
        else:
            before = self.cells.get(key, Cell())
            if before.answered is None:
                self.cells[key] = Cell(before.text + event.text)
        return index

    def add_own(self, prompt: str) -> int:
        """Adds a typed prompt if it is new, and returns its index."""
        if prompt not in self.prompts:
            self.prompts.append(prompt)
            self.own.add(prompt)
        return self.prompts.index(prompt)

    def take_over(self, other: Sheet) -> None:
        """Takes over the answers of another sheet by prompt, and its typed prompts; its other prompts are ignored."""
        for at, prompt in enumerate(other.prompts):
            if prompt in other.own:
                self.add_own(prompt)
            if prompt not in self.prompts:
                continue
            index = self.prompts.index(prompt)
            for model in MODELS:
                if (cell := other.cell(model, at)) is not None:
                    self.cells[model, index] = cell

    @property
    def complete(self) -> int:
        """Number of complete answers of both models."""
        return sum(cell.answered is not None for cell in self.cells.values())

    def as_json(self, models: Mapping[str, str], sampling: EvaluationSettings) -> dict[str, Any]:
        """The stored form: model locations by name, sampling settings, and complete answers only."""
        return {
            "v": 1,
            "models": dict(models),
            "sampling": sampling_as_json(sampling),
            "answers": [
                {
                    "prompt": prompt,
                    **({"own": True} if prompt in self.own else {}),
                    **{
                        model: {"text": answer.text, "ended": answer.ended, "tokens": answer.tokens}
                        for model in MODELS
                        if (cell := self.cell(model, index)) is not None and (answer := cell.answered) is not None
                    },
                }
                for index, prompt in enumerate(self.prompts)
            ],
        }


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
    """A stored sheet; anything not written by `as_json` is ignored."""
    sheet = Sheet()
    rows = data.get("answers")
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, Mapping) or not isinstance(row.get("prompt"), str):
            continue
        index = len(sheet.prompts)
        sheet.prompts.append(row["prompt"])
        if row.get("own") is True:
            sheet.own.add(row["prompt"])
        for model in MODELS:
            answer = row.get(model)
            if isinstance(answer, Mapping) and isinstance(answer.get("text"), str):
                tokens = answer.get("tokens")
                sheet.cells[model, index] = Cell(
                    answer["text"],
                    Answered(
                        model=model,
                        index=index,
                        text=answer["text"],
                        ended=answer.get("ended") is True,
                        tokens=tokens if isinstance(tokens, int) else 0,
                    ),
                )
    return sheet
