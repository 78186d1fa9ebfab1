"""The part of the Evaluate room that measures models on held-out pairs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from textual import on, work

from smoltui.backends.evaluation import answers, measurements
from smoltui.backends.evaluation.held_out import held_out_pairs
from smoltui.backends.evaluation.loading import loaded
from smoltui.backends.evaluation.subject import remember
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.figures import ALIGNED, REFERENCE, Tally
from smoltui.core.evaluation.group_rows import notes
from smoltui.core.evaluation.loading import LoadPlan
from smoltui.core.evaluation.measurement import Measurement, differences
from smoltui.core.guide.ends import Act
from smoltui.core.runs.events import Answered, Event, PairScored, PhaseChanged
from smoltui.errors import SmoltuiError
from smoltui.screens.evaluate.answering import Answering
from smoltui.screens.evaluate.base import HELD_OUT
from smoltui.screens.evaluate.held_out_figures import HeldOutFigures
from smoltui.screens.evaluate.held_out_view import HeldOutView

MEASURED = "being measured"
"""What the models are busy with, as in "The models are busy being measured"."""


class Measuring(Answering):
    """Measures the reference and the run's model, and keeps the figures with the run."""

    def __init__(self) -> None:
        super().__init__()
        self._changed: list[str] = []
        """What makes the newest figures incomparable with those before."""

    @work(group="models", exclusive=True)
    async def _measure(self) -> None:
        opening = self._loaded
        if opening is None or self._working:
            return
        plan = await self._planned(opening.comparison.models, Act.MEASURE)
        if plan is None or self._working or self._loaded is not opening:
            return
        self._tally = Tally(beta=opening.comparison.beta, manner=opening.settings.manner)
        self.switch_view(HELD_OUT)
        self.query_one("#held-out").scroll_home(animate=False)
        await self._listen(MEASURED, self._measured(opening, plan))

    async def _measured(self, opening: answers.Opening, plan: LoadPlan) -> AsyncGenerator[Event, None]:
        project = self.workspace.project
        limit = opening.settings.held_out
        yield PhaseChanged(phase="load_pairs")
        pairs = await in_thread(lambda: held_out_pairs(project, opening.comparison.values, limit))
        if self._models is not None:  # measuring loads models of its own
            await self._models.close()
        date, tally = answers.today(), self._tally or Tally()
        models = answers.measure(
            opening.comparison, pairs, opening.settings, project.folder, date=date, around=self._around("measure")
        )
        async with aclosing(loaded(plan, project.folder, models)) as events:
            async for event in events:
                yield event
        seed = opening.settings.seed
        now = await in_thread(lambda: measurements.measured(tally, pairs, date=date, seed=seed))
        await self._keep_measurement(opening, now)

    async def _keep_measurement(self, opening: answers.Opening, now: Measurement) -> None:
        """Saves the figures with the run, and notes what makes them incomparable with those before."""
        opening.measurement, self._tally, self._changed = now, None, []
        self._draw_head()
        if (subject := self._kept_for(opening)) is None:
            return
        project, aligned = self.workspace.project, opening.comparison.models[-1]

        def keep() -> Measurement | None:
            remember(project, subject, aligned)
            return measurements.keep(subject.folder, now)

        try:
            before = await in_thread(keep)
        except SmoltuiError as error:
            self.say(error)
            return
        self._changed = differences(before, now) if before is not None else []

    @work(group="keep-all")
    async def _keep_all(self, opening: answers.Opening) -> None:
        """Keeps what was measured and answered under the model, after its run was deleted."""
        subject, now = self._kept_for(opening), opening.measurement
        self._keep()
        if subject is None or now is None:
            return
        project, aligned = self.workspace.project, opening.comparison.models[-1]
        try:
            await in_thread(lambda: remember(project, subject, aligned))
            await in_thread(lambda: measurements.keep(subject.folder, now))
        except SmoltuiError as error:
            self.say(error)

    def _take_measured(self, event: Event) -> None:
        if self._tally is not None and isinstance(event, PairScored | Answered):
            self._tally.add(event)

    def _measured_so_far(self) -> str:
        tally = self._tally or Tally()
        return "; ".join(
            f"{model}: {len(tally.scores.get(model, {}))} pairs, {len(tally.answers.get(model, {}))} answers"
            for model in (REFERENCE, ALIGNED)
        )

    def _measured_words(self) -> str:
        pairs = self._loaded.measurement.aligned.pairs if self._loaded and self._loaded.measurement else 0
        return f"Both models measured on {pairs} held-out pairs"

    def _incomparable(self) -> str:
        """What the last figures of the run can't be compared for; empty if they can."""
        return f" Not comparable with the last figures: {'; '.join(self._changed)}." if self._changed else ""

    def _draw_figures(self) -> None:
        """The figures so far while the models are measured; otherwise those that are kept with the run."""
        loaded, tally = self._loaded, self._tally
        if loaded is None:
            return
        place, manner = self.query_one(HeldOutFigures), loaded.settings.manner
        if tally is not None:
            place.show_tally(tally, manner)
        elif (kept := loaded.measurement) is not None:
            place.show(kept, manner, notes(kept, measurements.when))
        else:
            place.show_nothing("Not measured yet. Press m to measure both models on held-out pairs.")

    @on(HeldOutFigures.GroupChosen)
    def _group_chosen(self, chosen: HeldOutFigures.GroupChosen) -> None:
        """Opens the pairs of a group."""
        subject = self._loaded.subject if self._loaded is not None else None
        folder = subject.folder if subject is not None else None
        self.app.push_screen(HeldOutView(partial(measurements.values_of, folder, chosen.measurement), chosen.key))
