"""What can be copied of the answers: the prompt at the top of the view, and what each model said to it."""

from __future__ import annotations

from string import digits

from smoltui.screens.copying import Copied, choose_what_to_copy, copy
from smoltui.screens.evaluate.answer_sheet import AnswerSheet
from smoltui.screens.evaluate.base import EvaluateBase


class Copying(EvaluateBase):
    """Copies by key."""

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        if action in ("copy", "copy_what") and not self._sheet.prompts:
            return "There is no prompt to copy"
        return super().why_not(action, parameters)

    def action_copy(self) -> None:
        copy(self, "the prompt with its answers", self._with_answers(self._at_top))

    def action_copy_what(self) -> None:
        at, sheet = self._at_top, self._sheet
        answers = [
            Copied(digit, f"the answer of {name}", self._answer(name, at))
            for digit, name in zip(digits[1:], sheet.names, strict=False)
        ]
        loaded = self._loaded
        choose_what_to_copy(
            self,
            [
                Copied("p", "the prompt", sheet.prompts[at].text),
                *answers,
                Copied("t", "the prompt with its answers", self._with_answers(at)),
                Copied("i", "the run's id", loaded.run_id or "" if loaded is not None else ""),
            ],
        )

    @property
    def _at_top(self) -> int:
        """Index of the prompt at the top of the view, or of the last one below it."""
        return min(self.query_one(AnswerSheet).in_view.start, len(self._sheet.prompts) - 1)

    def _answer(self, name: str, at: int) -> str:
        cell = self._sheet.cell(name, at)
        return cell.text if cell is not None else ""

    def _with_answers(self, at: int) -> str:
        said = [(name, self._answer(name, at)) for name in self._sheet.names]
        return "\n\n".join([self._sheet.prompts[at].text, *(f"--- {name} ---\n{text}" for name, text in said if text)])
