"""The part of the Evaluate room that says what loading the models takes, and asks before it is much."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from textual.app import App
from textual.screen import Screen

from smoltui.backends.evaluation.loading import load_plan
from smoltui.backends.machine.train_extra import require_train_extra
from smoltui.backends.runs.elsewhere import around_of
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.loading import Key, LoadPlan
from smoltui.errors import InputError
from smoltui.screens.dialogs import Confirm
from smoltui.screens.evaluate.base import EvaluateBase

NOT_LOADED = "Nothing was loaded."


async def agreed(app: App[Any], plan: LoadPlan, before: Collection[Key] = ()) -> bool:
    """Whether these models may be loaded: a person is asked if it is much. Only in a worker.

    `before`: what was agreed to already.
    """
    if not plan.asks(before):
        return True
    downloads = plan.download != 0
    question = "Download and load these models?" if downloads else "Load these models?"
    dialog: Screen[Any] = Confirm(
        question, "\n".join(plan.words), "download and load" if downloads else "load", "cancel"
    )
    return bool(await app.push_screen_wait(dialog))


class Agreeing(EvaluateBase):
    """Asks before models are downloaded, or large ones loaded."""

    def __init__(self) -> None:
        super().__init__()
        self._agreed: set[Key] = set()
        """Weights that were agreed to in this room."""
        self._resident: frozenset[tuple[str, str | None, str | None]] = frozenset()
        """Weights of the columns that were loaded last."""

    def _around(self, step: str) -> tuple[str, ...]:
        """The command that starts the models where the run's engine has its GPUs; empty: they are loaded here."""
        opening = self._loaded
        return around_of(self.workspace.services.engines, opening.run if opening is not None else None, step)

    async def _agreed_plan(self, columns: Sequence[Column]) -> LoadPlan | None:
        """What loading these takes; None if a person does not want it. Only in a worker.

        Raises:
            InputError: it cannot work, or a model does not exist. ServiceError: the Hub did not answer.
            MissingExtraError: torch or transformers is not installed.
        """
        if self._models is not None and self._models.alive and {one.weights for one in columns} <= self._resident:
            return LoadPlan(())
        require_train_extra()
        here = not self._around("ask")
        plan = await load_plan(columns, self.workspace.project.folder, here=here)
        if plan.problem is not None:
            raise InputError(*plan.problem)
        if not await agreed(self.app, plan, self._agreed):
            return None
        self._agreed |= {load.key for load in plan.loads}
        return plan
