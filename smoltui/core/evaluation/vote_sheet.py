"""Questions to vote on, from a sheet of answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smoltui.core.evaluation.sheet import MODELS, Sheet, sheet_from_json
from smoltui.core.evaluation.vote_ballot import Answer, Question, one_turn


@dataclass(frozen=True, slots=True)
class Answers:
    """What can be voted on."""

    questions: tuple[Question, ...]
    places: Mapping[str, str]
    """Model → origin of its weights, in the order of the columns."""
    sampling: Mapping[str, Any]
    """How the answers were generated (`sheet.sampling_as_json`)."""

    @property
    def seed(self) -> int:
        """Of the answers; the draw of sides uses it too."""
        seed = self.sampling.get("seed")
        return seed if isinstance(seed, int) else 0


def answers_of(sheet: Sheet, places: Mapping[str, str], sampling: Mapping[str, Any]) -> Answers:
    """The complete answers of a sheet. `places` and `sampling` as in `Answers`."""
    models = [model for model in MODELS if model in places]
    questions = []
    for index, prompt in enumerate(sheet.prompts):
        cells = {model: sheet.cell(model, index) for model in models}
        complete = {
            model: Answer(done.text, done.tokens, done.ended)
            for model, cell in cells.items()
            if cell is not None and (done := cell.answered) is not None
        }
        questions.append(Question(one_turn(prompt), complete))
    return Answers(tuple(questions), {model: places[model] for model in models}, dict(sampling))


def stored_answers(data: Mapping[str, Any]) -> Answers:
    """The answers in a stored sheet (`Sheet.as_json`)."""
    places, sampling = data.get("models"), data.get("sampling")
    return answers_of(
        sheet_from_json(data),
        places if isinstance(places, Mapping) else {},
        sampling if isinstance(sampling, Mapping) else {},
    )
