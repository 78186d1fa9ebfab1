"""The views of the Submit room, and the run that they are about."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual import events as textual_events
from textual import work
from textual.app import ComposeResult
from textual.widgets import ContentSwitcher, Static

from smoltui.backends.evaluation.answers import has_model
from smoltui.backends.publish import publication as publishing
from smoltui.backends.publish.leaderboard import Board, Prepared
from smoltui.backends.publish.publication import Publication
from smoltui.backends.publish.push import PushPlan
from smoltui.backends.system.threads import in_thread
from smoltui.core.guide.ends import End
from smoltui.core.meanings.shown import CARDS_OF
from smoltui.core.publish.leaderboard import PullRequest, rows_of
from smoltui.core.publish.record import WEIGHTS_IN_WORDS, Weights
from smoltui.core.runs.run import Run
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe_line
from smoltui.screens.room import LOADING_RUNS, Room
from smoltui.screens.submit import drawing
from smoltui.screens.submit.card_reader import CardReader
from smoltui.screens.submit.texts import sentence, submit_text
from smoltui.widgets.actions import in_own_keys
from smoltui.widgets.page import Page
from smoltui.widgets.selectable import DrawnTable

VIEWS: tuple[tuple[str, str], ...] = (("checks", "Checks"), ("card", "Card"), ("change", "Change"), ("board", "Board"))
"""Id and title of each view, in the order of `v`."""
WIDE = 110
"""Columns from which the board has its last column."""


NOT_CHECKED = "Not checked yet. a asks the Hub, and publishes nothing."
NO_RUN = "No finished run of this project has a model. Press t to train one."


class SubmitViews(Room):
    """Loads a run's record without asking the Hub, and shows it in four views. `SubmitRoom` has the keys."""

    def __init__(self) -> None:
        super().__init__()
        self._candidates: list[Run] = []
        self._found: Publication | None = None
        self._missing = NO_RUN
        """Why there is nothing to publish, while `_found` is None."""
        self._prepared: Prepared | None = None
        self._plan: PushPlan | None = None
        self._board: tuple[Board, list[PullRequest], str | None] | None = None
        self._what: Weights | None = None
        """What is uploaded; None: the best for the run."""
        self._wish: str | None = None
        """Id of the run; None: the newest."""
        self._working = ""
        self._end: End | None = None
        """What has just ended here; None for nothing."""
        self._view = "checks"
        self._known: frozenset[str] | None = None
        """Finished runs that were offered last."""
        self._reading = False
        """The status says that runs are still being loaded."""

    def explained(self) -> tuple[str, ...]:
        return CARDS_OF[f"submit.{self._view}"]

    def compose_room(self) -> ComposeResult:
        yield Static(id="submit-head", markup=False)
        yield Static("Loading the project…", id="submit-status", markup=False)
        yield Static(id="submit-views", markup=False)
        with ContentSwitcher(initial="checks", id="submit-body"):
            for name, _ in VIEWS:
                if name == "card":
                    yield CardReader(name)
                else:
                    with Page(id=name):
                        yield DrawnTable(id=f"{name}-text", markup=False)

    def on_mount(self) -> None:
        self.watch(self.app, "runs", self._runs_changed, init=False)
        recalled = self.workspace.remembered.project.get("submit.view", self._view)
        self._show(recalled if recalled in dict(VIEWS) else self._view)
        self._load()

    def on_screen_resume(self) -> None:
        if not self._working:
            self._load()

    def on_resize(self, event: textual_events.Resize) -> None:
        self.set_class(event.size.height < 16, "tiny")
        self.call_after_refresh(self._draw)

    # -- the run

    def _runs_changed(self, runs: dict[str, Run]) -> None:
        known = frozenset(run.id for run in runs.values() if run.is_final)
        if (known != self._known or self._reading) and self.is_current and not self._working:
            self._load()

    @work(group="load", exclusive=True)
    async def _load(self) -> None:
        """Gathers the record, without asking the Hub."""
        runs, services = dict(self.workspace.runs), self.workspace.services
        folder = str(self.workspace.project.folder)
        self._known = frozenset(run.id for run in runs.values() if run.is_final)

        def candidates() -> list[Run]:
            own = [run for run in runs.values() if run.project == folder and run.is_final]
            return [run for run in own if has_model(run, services.here)]

        self._candidates = await in_thread(candidates)
        wish = self._wish or (self._found.gathered.run.id if self._found else None)
        run = next((each for each in self._candidates if each.id == wish), None)
        run = run or (self._candidates[0] if self._candidates else None)
        if run is None:
            self._reading = not self.workspace.knows_runs_here
            self._found = None
            self._missing = NO_RUN
            self._status(LOADING_RUNS if self._reading else NO_RUN)
        else:
            self._reading = False
            await self._open(run)
        self._draw()

    async def _open(self, run: Run, *, ask_hub: bool = False) -> None:
        engine = self.workspace.services.engines[run.engine]
        before = self._found
        try:
            self._found = await publishing.open_publication(
                self.workspace.project, engine, run, ask_hub=ask_hub, before=before
            )
        except SmoltuiError as error:
            self._found = None
            self._missing = error.message
            self._status(sentence(error))
            return
        if before is None or before.gathered.run.id != run.id or before.text != self._found.text:
            self._prepared = self._plan = None
        if not self._prepared and not self._plan:
            self._status("Press a to check everything, P to push card and weights, S to submit. Each asks first.")
        if (reader := self.query_one(CardReader)).is_attached:
            reader.show(drawing.card_preview(self._card()))

    def _uploads(self) -> Weights:
        if self._found is None:
            return Weights.NONE
        choices = self._found.choices
        return self._what if self._what is not None and self._what in choices else choices[0]

    def _card(self) -> str:
        return self._found.card_for(self._uploads()) if self._found else ""

    # -- drawing

    def _show(self, name: str) -> None:
        self._view = name
        self.workspace.remember("submit.view", name)
        self.query_one("#submit-body", ContentSwitcher).current = name
        self._focus_view()
        self._draw()
        self.refresh_bindings()
        if name == "board" and self._board is None:
            self._read_board()

    def _focus_view(self) -> None:
        self.query_one(f"#{self._view}").focus()

    def _status(self, text: str) -> None:
        self.query_one("#submit-status", Static).update(Text(safe_line(redact(in_own_keys(self, text)), 600)))

    def _draw(self) -> None:
        if not self.is_attached:
            return
        views = Text(no_wrap=True, overflow="ellipsis")
        for name, title in VIEWS:
            views.append(f" {title} ", "reverse bold" if name == self._view else "dim").append(" ")
        self.query_one("#submit-views", Static).update(views)
        head = self.query_one("#submit-head", Static)
        head.display = self._found is not None
        head.update(self._head())
        self.query_one("#checks-text", Static).update(self._checks_text())
        self.query_one("#change-text", Static).update(self._change_text())
        if self._board is not None:
            self._draw_board(*self._board)
        self.refresh_bindings()

    def _head(self) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, style="dim", min_width=11)
        table.add_column(no_wrap=True, overflow="ellipsis")
        found = self._found
        if found is not None:
            run = found.gathered.run
            at = next((at for at, each in enumerate(self._candidates, 1) if each.id == run.id), 1)
            switch = in_own_keys(self, "[ and ] switch runs")
            several = f" · {at} of {len(self._candidates)}, {switch}" if len(self._candidates) > 1 else ""
            edited = " · edited by you" if found.is_edited else ""
            rows = [
                ("run", f"{run.name} {run.id} {run.stage}{several}"),
                ("model", f"{found.repo} · {WEIGHTS_IN_WORDS[self._uploads()]}{edited}"),
                ("leaderboard", found.gathered.settings.submit.space),
            ]
            for label, value in rows:
                table.add_row(label, Text(safe_line(redact(value), 300)))
        return table

    def _checks_text(self) -> Text:
        if self._found is None:
            return Text()  # the status says why
        if not self._plan and not self._prepared:
            return Text(in_own_keys(self, NOT_CHECKED), "dim")
        text = Text()
        if self._plan is not None:
            text.append_text(drawing.heading(f"Push to {self._plan.repo}"))
            text.append_text(drawing.checks_text(self._plan.checks)).append("\n")
        if self._prepared is not None:
            text.append_text(drawing.heading(f"Submit to {self._prepared.space}"))
            text.append_text(drawing.pulls_text(self._prepared.pulls))
            text.append_text(drawing.checks_text(self._prepared.checks))
        return text

    def _change_text(self) -> Text:
        found, prepared = self._found, self._prepared
        if found is None:
            return Text()
        if prepared is None:
            return Text(in_own_keys(self, NOT_CHECKED), "dim")
        return submit_text(prepared, publishing.description_of(found, prepared.entry), "")

    def _draw_board(self, board: Board, pulls: list[PullRequest], account: str | None) -> None:
        chapter = self._found.gathered.settings.submit.chapter if self._found else ""
        rows = rows_of(board.file.entries, account, chapter)
        parts = [drawing.place_text(rows, pulls, chapter), drawing.pulls_text(pulls)]
        group = Group(*parts, drawing.board_table(rows, self.size.width >= WIDE))
        self.query_one("#board-text", Static).update(group)

    @work(group="board", exclusive=True)
    async def _read_board(self) -> None:
        found = self._found
        place = self.query_one("#board-text", Static)
        place.update(Text("Reading the leaderboard…", "dim"))
        try:
            settings = found.gathered.settings if found else await in_thread(self.workspace.project.settings)
            self._board = await publishing.board_and_pulls(settings.submit.space)
        except SmoltuiError as error:
            place.update(Text(sentence(error), "red"))
            return
        self._draw()
