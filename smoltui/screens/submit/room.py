"""Submit: the card of a run, checks, what is published where, and the leaderboard. Nothing is sent without a dialog."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual import events as textual_events
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import ContentSwitcher, Static

from smoltui.backends.evaluation.answers import has_model
from smoltui.backends.publish import publication as publishing
from smoltui.backends.publish.leaderboard import Board, Prepared
from smoltui.backends.publish.publication import Publication
from smoltui.backends.publish.push import PushPlan
from smoltui.backends.system.threads import in_thread
from smoltui.core.preflight.preflight import Check
from smoltui.core.publish.leaderboard import PullRequest, State, rows_of
from smoltui.core.publish.record import WEIGHTS_IN_WORDS, Weights
from smoltui.core.runs.run import Run
from smoltui.core.settings.settings import FILE_NAME
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.dialogs import Confirm
from smoltui.screens.room import LOADING_RUNS, Room
from smoltui.screens.submit import drawing
from smoltui.screens.submit.card_reader import CardReader
from smoltui.screens.submit.publish_dialog import PublishDialog
from smoltui.widgets.page import Page

VIEWS: tuple[tuple[str, str], ...] = (("checks", "Checks"), ("card", "Card"), ("change", "Change"), ("board", "Board"))
"""Id and title of each view, in the order of `v`."""
WIDE = 110
"""Columns from which the board has its last column."""
NOTHING_SENT = "Nothing was published."


class SubmitRoom(Room):
    """Shows what would be published, and publishes it after a question."""

    MODE = "submit"
    CSS_PATH = "submit.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "check", "Check"),
        Binding("v", "view", "View"),
        Binding("e", "edit", "Edit card"),
        Binding("w", "upload", "Upload"),
        Binding("P", "push", "Push", key_display="P"),
        Binding("S", "submit", "Submit entry", key_display="S"),
        Binding("C", "reopen", "Close and open again", key_display="C", show=False),
        Binding("u", "undo", "Undo edits of the card", show=False),
        Binding("r", "reload", "Reload", show=False),
        Binding("x", "stop", "Stop", show=False),
        Binding("left_square_bracket", "other(1)", "Older run", key_display="[", show=False),
        Binding("right_square_bracket", "other(-1)", "Newer run", key_display="]", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._candidates: list[Run] = []
        self._found: Publication | None = None
        self._prepared: Prepared | None = None
        self._plan: PushPlan | None = None
        self._board: tuple[Board, list[PullRequest], str | None] | None = None
        self._what: Weights | None = None
        """What is uploaded; None: the best for the run."""
        self._wish: str | None = None
        """Id of the run; None: the newest."""
        self._working = ""
        self._view = "checks"
        self._known: frozenset[str] | None = None
        """Finished runs that were offered last."""

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
                        yield Static(id=f"{name}-text", markup=False)

    def on_mount(self) -> None:
        self.watch(self.app, "runs", self._runs_changed, init=False)
        self._draw()
        self._focus_view()
        self._load()

    def on_screen_resume(self) -> None:
        if not self._working:
            self._load()

    def on_resize(self, event: textual_events.Resize) -> None:
        self.set_class(event.size.height < 16, "tiny")
        self.call_after_refresh(self._draw)

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disables the actions that are not available now."""
        found, idle = self._found, not self._working
        can = {
            "check": idle and found is not None,
            "edit": idle and found is not None,
            "upload": idle and found is not None and len(found.choices) > 1,
            "push": idle and found is not None,
            "submit": idle and found is not None,
            "reopen": idle and self._prepared is not None and self._prepared.conflicting is not None,
            "undo": idle and found is not None and found.is_edited,
            "reload": idle,
            "stop": not idle,
            "other": idle and len(self._candidates) > 1,
        }.get(action, True)
        return True if can else None

    def action_view(self) -> None:
        names = [name for name, _ in VIEWS]
        self._show(names[(names.index(self._view) + 1) % len(names)])

    def action_stop(self) -> None:
        self.workers.cancel_group(self, "hub")

    def action_reload(self) -> None:
        self._board = None
        self._load()
        if self._view == "board":
            self._read_board()

    def action_other(self, step: int) -> None:
        ids = [run.id for run in self._candidates]
        now = self._found.gathered.run.id if self._found else ""
        at = ids.index(now) if now in ids else 0
        self._wish = ids[(at + step) % len(ids)]
        self._what = None
        self._load()

    def action_upload(self) -> None:
        """Switches to the next thing that can be uploaded."""
        if self._found is not None:
            choices = self._found.choices
            self._what = choices[(choices.index(self._uploads()) + 1) % len(choices)]
            self._plan = None
            self.query_one(CardReader).show(drawing.card_preview(self._card()))
            self._draw()

    def action_edit(self) -> None:
        """Opens the card in the user's editor; in the other views smoltui.toml, which has the fields of the entry."""
        from smoltui.screens.editing import edit_file

        if self._found is None:  # the key is disabled
            return
        try:
            if self._view == "card":
                edit_file(self, publishing.write_card_to_edit(self._found))
                publishing.drop_edited(self._found, only_if_same=True)
            else:
                edit_file(self, self.workspace.project.folder / FILE_NAME)
        except SmoltuiError as error:
            self.say(error)
        self._load()

    def action_undo(self) -> None:
        """Replaces the edited card with the generated one."""
        found = self._found

        def answered(yes: bool | None) -> None:
            if yes and found is not None:
                publishing.drop_edited(found)
                self._load()

        question = "Discard your edits of the card?"
        self.app.push_screen(Confirm(question, "It is generated from the record again.", "discard", "keep"), answered)

    def action_check(self) -> None:
        self._busy("Checking", self._check)

    def action_push(self) -> None:
        self._busy("Preparing the push", self._ask_push)

    def action_submit(self) -> None:
        self._busy("Checking the entry", self._ask_submit)

    def action_reopen(self) -> None:
        pull = self._prepared.conflicting if self._prepared else None
        if pull is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._busy("Opening it again", lambda: self._submit(reopen=True))

        consequence = (
            "The file has changed in the same place, which cannot be repaired in it. The new one has the same entry."
        )
        question = f"Close pull request #{pull.number} and open a new one on today's file?"
        self.app.push_screen(Confirm(question, consequence, "close and open again", "cancel"), answered)

    # -- the run

    def _runs_changed(self, runs: dict[str, Run]) -> None:
        known = frozenset(run.id for run in runs.values() if run.is_final)
        if known != self._known and self.is_current and not self._working:
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
            knows = all(self.workspace.monitor.knows(name) for name in services.here)
            self._found = None
            self._status(
                "No finished run of this project has a model. Press t to train one." if knows else LOADING_RUNS
            )
        else:
            await self._open(run)
        self._draw()

    async def _open(self, run: Run, *, ask_hub: bool = False) -> None:
        engine = self.workspace.services.engines[run.engine]
        before = self._found
        try:
            self._found = await publishing.open_publication(self.workspace.project, engine, run, ask_hub=ask_hub)
        except SmoltuiError as error:
            self._found = None
            self._status(_sentence(error))
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

    # -- work that asks the Hub

    @work(group="hub", exclusive=True)
    async def _busy(self, doing: str, act: Callable[[], Coroutine[Any, Any, str]]) -> None:
        """Runs work that returns what the status says; an error or a stop is said there too."""
        self._working = doing
        self._status(f"{doing}… (x stops it)")
        self._draw()
        said = ""
        try:
            said = await act()
        except SmoltuiError as error:
            said = _sentence(error)
            self.say(error)
        except asyncio.CancelledError:
            said = "Stopped. See the Hub before you try again, if something was being sent."
            raise
        finally:
            self._working = ""
            if self.is_attached:
                self._status(said)
                self._draw()

    async def _refreshed(self) -> Publication:
        """The publication with what the Hub knows."""
        if self._found is not None:
            await self._open(self._found.gathered.run, ask_hub=True)
        if self._found is None:
            raise SmoltuiError("There is no run to publish", "Press t to train one.")
        return self._found

    async def _check(self) -> str:
        found = await self._refreshed()
        self._prepared = await publishing.prepare_submission(found)
        if self._uploads() is not Weights.MERGED:  # merging takes long: P does it
            self._plan = await publishing.plan_push(found, self._uploads())
        self._show("checks")
        if sent := [pull for pull in self._prepared.pulls if pull.has_entry and pull.state is State.OPEN]:
            return f"Submitted: pull request #{sent[0].number} is open. P pushes again. {NOTHING_SENT}"
        stops = [check for check in self._checks() if check.level == "stop"]
        if stops:
            return f"{len(stops)} to fix. {NOTHING_SENT}"
        return f"Everything is ready: P pushes, S submits. {NOTHING_SENT}"

    def _checks(self) -> list[Check]:
        plan = list(self._plan.checks) if self._plan else []
        return plan + (list(self._prepared.checks) if self._prepared else [])

    async def _ask_push(self) -> str:
        found = await self._refreshed()
        self._plan = plan = await publishing.plan_push(found, self._uploads(), lambda words: self._status(f"{words}…"))
        if not await self._agreed(
            PublishDialog("Push to the Hub", _push_text(plan), _push_yes(plan), may=plan.may_push)
        ):
            return NOTHING_SENT
        self._status("Pushing… (x stops it)")
        made = await publishing.send(found, plan)
        await self._open(found.gathered.run, ask_hub=True)
        said = f"Published: {made.url} at {made.commit[:7]}" if made.changed else f"Nothing has changed: {made.url}"
        return f"{said}. Next: S submits it to the leaderboard."

    async def _ask_submit(self) -> str:
        found = await self._refreshed()
        self._prepared = prepared = await publishing.prepare_submission(found)
        saved = await publishing.save_for_hand(found, prepared) if publishing.needs_hand(prepared) else ""
        body = _submit_text(prepared, publishing.description_of(found, prepared.entry), saved)
        if not await self._agreed(PublishDialog("Submit to the leaderboard", body, "open", may=prepared.may_submit)):
            return saved or NOTHING_SENT
        self._status("Opening the pull request… (x stops it)")
        return await self._submit()

    async def _submit(self, *, reopen: bool = False) -> str:
        if self._found is None or self._prepared is None:
            return NOTHING_SENT
        made = await publishing.submit(self._found, self._prepared, reopen=reopen)
        self._prepared = await publishing.prepare_submission(self._found)
        self._board = None
        return f"Pull request #{made.number} is open: {made.url}"

    def _agreed(self, dialog: PublishDialog) -> Awaitable[bool | None]:
        return self.app.push_screen_wait(dialog)

    @work(group="board", exclusive=True)
    async def _read_board(self) -> None:
        found = self._found
        place = self.query_one("#board-text", Static)
        place.update(Text("Reading the leaderboard…", "dim"))
        try:
            settings = found.gathered.settings if found else await in_thread(self.workspace.project.settings)
            self._board = await publishing.board_and_pulls(settings.submit.space)
        except SmoltuiError as error:
            place.update(Text(_sentence(error), "red"))
            return
        self._draw()

    # -- drawing

    def _show(self, name: str) -> None:
        self._view = name
        self.query_one("#submit-body", ContentSwitcher).current = name
        self._focus_view()
        self._draw()
        if name == "board" and self._board is None:
            self._read_board()

    def _focus_view(self) -> None:
        self.query_one(f"#{self._view}").focus()

    def _status(self, text: str) -> None:
        self.query_one("#submit-status", Static).update(Text(safe_line(redact(text), 600)))

    def _draw(self) -> None:
        if not self.is_attached:
            return
        views = Text(no_wrap=True, overflow="ellipsis")
        for name, title in VIEWS:
            views.append(f" {title} ", "reverse bold" if name == self._view else "dim").append(" ")
        self.query_one("#submit-views", Static).update(views)
        self.query_one("#submit-head", Static).update(self._head())
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
            several = f" · {at} of {len(self._candidates)}, [ and ] switch runs" if len(self._candidates) > 1 else ""
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
        if not self._plan and not self._prepared:
            return Text("Not checked yet. a asks the Hub, and publishes nothing.", "dim")
        text = Text()
        if self._plan is not None:
            text.append_text(drawing.heading(f"Push to {self._plan.repo}"))
            text.append_text(drawing.checks_text(self._plan.checks)).append("\n")
        if self._prepared is not None:
            text.append_text(drawing.heading(f"Submit to {self._prepared.space}"))
            text.append_text(drawing.checks_text(self._prepared.checks)).append("\n")
            text.append_text(drawing.pulls_text(self._prepared.pulls))
        return text

    def _change_text(self) -> Text:
        found, prepared = self._found, self._prepared
        if found is None or prepared is None:
            return Text("Not checked yet. a asks the Hub, and publishes nothing.", "dim")
        return _submit_text(prepared, publishing.description_of(found, prepared.entry), "")

    def _draw_board(self, board: Board, pulls: list[PullRequest], account: str | None) -> None:
        chapter = self._found.gathered.settings.submit.chapter if self._found else ""
        rows = rows_of(board.file.entries, account, chapter)
        parts = [drawing.place_text(rows, pulls, chapter), drawing.pulls_text(pulls)]
        group = Group(*parts, drawing.board_table(rows, self.size.width >= WIDE))
        self.query_one("#board-text", Static).update(group)


def _sentence(error: SmoltuiError) -> str:
    return " → ".join(filter(None, (error.message, error.hint)))


def _push_yes(plan: PushPlan) -> str:
    return "publish for everybody" if not plan.private else "upload, private"


def _push_text(plan: PushPlan) -> Text:
    """Exactly what is published, and where."""
    state = "an existing repository gets one commit" if plan.exists else "a new repository is created"
    text = Text()
    for label, value in (
        ("to", plan.repo),
        ("visible to", "you and your organization" if plan.private else "everybody"),
        ("how", state),
        ("commit", plan.title),
    ):
        text.append(f"{label:<12}", "dim").append(f"{safe_line(redact(value), 200)}\n")
    text.append("\n").append_text(drawing.heading("Files")).append_text(drawing.sizes_text(plan.sizes)).append("\n")
    return text.append_text(drawing.checks_text(plan.checks))


def _submit_text(prepared: Prepared, description: str, saved: str) -> Text:
    """The entry's pull request: where it goes, the change of the file, its text, and the checks that stop it."""
    text = Text()
    parent = prepared.board.commit[:12] if prepared.board else "–"
    for label, value in (("to", prepared.space), ("title", prepared.entry.title), ("based on", parent)):
        text.append(f"{label:<12}", "dim").append(f"{safe_line(redact(value), 200)}\n")
    stops = [check for check in prepared.checks if check.level != "pass"]
    if stops:
        text.append("\n").append_text(drawing.checks_text(stops))
    if saved:
        text.append(f"\n{safe_line(redact(saved), 1000)}\n", "yellow")
    if prepared.diff:
        text.append("\n").append_text(drawing.diff_text(prepared.diff))
    text.append("\n").append_text(drawing.heading("Text of the pull request"))
    return text.append(safe(redact(description), None))
