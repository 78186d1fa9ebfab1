"""What the parts of the Runs room share: the selected run, its curves so far, and the input line."""

from __future__ import annotations

from collections.abc import Callable

from textual.widgets import ContentSwitcher

from smoltui.backends.runs.engine import Engine
from smoltui.core.guide.endings import end_of
from smoltui.core.guide.ends import End
from smoltui.core.runs.cost import usd_in_short, worst_cost
from smoltui.core.runs.pace import Pace
from smoltui.core.runs.run import Run, Stage
from smoltui.screens.room import Room
from smoltui.screens.runs.run_list import RunList
from smoltui.widgets.ask_line import AskLine

VIEWS = ("curves", "log", "inspect", "stats", "plan")


class RunsBase(Room):
    """Holds the selected run, and gives access to the list, the engines and the input line."""

    def __init__(self) -> None:
        super().__init__()
        self._run: Run | None = None
        """The selected run, with the curve read from its log since it was selected; None without one."""
        self._pace = Pace()
        """Its speed."""

    @property
    def view(self) -> str:
        """The one of `VIEWS` that is in front."""
        return self.query_one(ContentSwitcher).current or "curves"

    @property
    def known(self) -> Run | None:
        """The selected run as the list shows it; None if none is selected."""
        return self.workspace.runs.get(self._run.id, self._run) if self._run is not None else None

    def engine_of(self, run: Run) -> Engine:
        """The engine that a run belongs to."""
        return self.workspace.services.engines[run.engine]

    def chosen(self) -> list[Run]:
        """The runs an action applies to: the marked ones, or else the one under the cursor."""
        listed = self.query_one(RunList)
        marked = [run for run in self.workspace.runs.values() if run.id in listed.marked]
        if marked:
            return marked
        run = listed.highlighted
        return [run] if run is not None and run.id in self.workspace.runs else []  # a step of a chain is not a run

    def worst(self, run: Run) -> float | None:
        """The most that a run like this can cost in USD; None if it is free or unknown."""
        flavor = self.workspace.monitor.flavor(run.engine, run.flavor)
        return None if flavor is None else worst_cost(flavor, run.timeout_seconds, run.attempts)

    def cost_words(self, run: Run, so_far: float | None) -> str:
        """Cost `so_far` (None: unknown) and the most it can reach while active, in USD; empty for a free run."""
        if not run.flavor:
            return ""
        if so_far is None:
            return "–"
        words = usd_in_short(so_far)
        worst = self.worst(run)
        return words if run.is_final or worst is None else f"{words} / {usd_in_short(worst)}"

    def ask(self, question: str, hint: str, answered: Callable[[str], object], value: str = "") -> None:
        """Asks for one line of text; escape cancels."""
        self.app.clear_notifications()  # they would cover the input
        self.query_one(AskLine).ask(question, hint, answered, value)
        self.refresh_bindings()

    # -- implemented by the other parts

    def show_head(self) -> None:
        """Draws the two lines about the selected run."""
        raise NotImplementedError

    def show_run(self, run_id: str) -> None:
        """Moves the cursor to a run, and shows its curves."""
        raise NotImplementedError

    def list_again(self) -> None:
        """Filters, sorts and redraws the list."""
        raise NotImplementedError

    # -- ends

    def end_of(self, run: Run) -> End:
        """How a run in a final stage ended."""
        place = self.engine_of(run).place
        project = str(self.workspace.project.folder)
        return end_of(run, project=project, here=place.here, has_model=self.has_model(run))

    def has_model(self, run: Run) -> bool:
        """Whether a run of this project has left a model that Evaluate can load."""
        ours = run.project == str(self.workspace.project.folder) and run.stage == Stage.COMPLETED
        return ours and (run.engine in self.workspace.services.here or bool(run.pushed_to))
