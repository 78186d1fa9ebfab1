"""Questions to vote on, from a sheet of answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smoltui.core.evaluation.sheet import Sheet
from smoltui.core.evaluation.vote_ballot import Answer, Question


@dataclass(frozen=True, slots=True)
class Answers:
    """What can be voted on."""

    questions: tuple[Question, ...]
    places: Mapping[str, str]
    """Model → origin of its weights, in the order of the columns."""
    sampling: Mapping[str, Any]
    """How the answers were generated (`sheet.sampling_as_json`); empty if unknown."""
    prompt_set: str = ""
    """Name or path of the set of prompts; empty if unknown."""

    @property
    def seed(self) -> int:
        """Of the answers; the draw of sides uses it too."""
        seed = self.sampling.get("seed")
        return seed if isinstance(seed, int) else 0


def answers_of(sheet: Sheet) -> Answers:
    """The complete answers of a sheet."""
    questions = []
    for index, prompt in enumerate(sheet.prompts):
        cells = {model: sheet.cell(model, index) for model in sheet.names}
        complete = {
            model: Answer(done.text, done.tokens, done.ended)
            for model, cell in cells.items()
            if cell is not None and (done := cell.answered) is not None
        }
        questions.append(Question((*prompt.before, ("user", prompt.text)), complete))
    places = {column.name: column.shown or column.name for column in sheet.columns}
    return Answers(tuple(questions), places, dict(sheet.sampling or {}), sheet.prompt_set)
