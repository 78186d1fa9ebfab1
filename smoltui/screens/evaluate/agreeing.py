"""The part of the Evaluate room that says what loading the models takes, and asks before it is much."""

from __future__ import annotations

from collections.abc import Sequence

from smoltui.backends.evaluation.loading import load_plan
from smoltui.backends.machine.train_extra import require_train_extra
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.loading import Key, LoadPlan
from smoltui.errors import InputError
from smoltui.screens.dialogs import Confirm
from smoltui.screens.evaluate.base import EvaluateBase

NOT_LOADED = "Nothing was loaded."


class Agreeing(EvaluateBase):
    """Asks before models are downloaded, or large ones loaded."""

    def __init__(self) -> None:
        super().__init__()
        self._agreed: set[Key] = set()
        """Weights that were agreed to in this room."""
        self._resident: frozenset[tuple[str, str | None, str | None]] = frozenset()
        """Weights of the columns that were loaded last."""

    async def _agreed_plan(self, columns: Sequence[Column]) -> LoadPlan | None:
        """What loading these takes; None if a person does not want it. Only in a worker.

        Raises:
            InputError: it cannot work, or a model does not exist. ServiceError: the Hub did not answer.
            MissingExtraError: torch or transformers is not installed.
        """
        if self._models is not None and self._models.alive and {one.weights for one in columns} <= self._resident:
            return LoadPlan(())
        require_train_extra()
        plan = await load_plan(columns, self.workspace.project.folder)
        if plan.problem is not None:
            raise InputError(*plan.problem)
        if plan.asks(self._agreed):
            question = "Download and load these models?" if plan.download != 0 else "Load these models?"
            yes = "download and load" if plan.download != 0 else "load"
            if not await self.app.push_screen_wait(Confirm(question, "\n".join(plan.words), yes, "cancel")):
                return None
        self._agreed |= {load.key for load in plan.loads}
        return plan
