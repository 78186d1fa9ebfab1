"""A new project, step by step: pairs, how they are read, model, method and place, first recipe, checks, start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from smoltui.backends.guide.draft import Draft, draft_checks, free_folder, typed_model
from smoltui.backends.guide.found_files import found_files
from smoltui.backends.guide.pairs_seen import PairsSeen, look_at
from smoltui.backends.pairs.opened_set import typed_spec
from smoltui.backends.project.new_project import PRESETS
from smoltui.backends.system.paths import expanded, shown_path
from smoltui.backends.system.threads import in_thread
from smoltui.core.pairs.reading_fields import Read
from smoltui.core.preflight.check import Check
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.modal import Modal
from smoltui.screens.wizard import pages
from smoltui.screens.wizard.reading_dialog import ReadingDialog
from smoltui.widgets.actions import bindings
from smoltui.widgets.ask_line import AskLine
from smoltui.widgets.key_bar import KeyBar
from smoltui.workspace import workspace_of

PAIRS, READING, MODEL, METHOD, RECIPE, CHECKS = range(len(pages.TITLES))


class Wizard(Modal[tuple[Path, bool] | None]):
    """Returns the folder of the project that was made, and whether its start dialog is wanted; None: nothing was made.

    Nothing is written before the last step.
    """

    AUTO_FOCUS = "#wizard-body"
    BINDINGS: ClassVar[list[BindingType]] = bindings("wizard")
    DEFAULT_CSS = """
    Wizard { background: $background; align: left top; }
    #wizard-head { height: 2; padding: 0 1; background: $panel; }
    #wizard-body { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    #wizard-text { width: 1fr; height: auto; }
    #wizard-said { height: auto; padding: 0 1; color: $warning; display: none; }
    """

    def __init__(self, source: str = "", folder: Path | None = None) -> None:
        """`source`: pairs to start with; empty to ask. `folder`: of the new project; None to propose one."""
        super().__init__()
        self._source, self._wanted_folder = source, folder
        self._step = PAIRS
        self._cursor = dict.fromkeys(range(len(pages.TITLES)), 0)
        self._moved: set[int] = set()
        """Steps whose cursor was moved by hand, so that it stays where it is."""
        self._found: tuple[str, ...] = ()
        self._doing = ""
        """What is being read, in words; empty if nothing is."""
        self._checks: list[Check] | None = None
        self._draft: Draft | None = None

    @property
    def draft(self) -> Draft:
        """What was chosen so far."""
        if self._draft is None:
            workspace = workspace_of(self.app)
            folder = self._wanted_folder or workspace.project.folder
            self._draft = Draft(folder, workspace.services.places)
        return self._draft

    def compose(self) -> ComposeResult:
        yield Static(id="wizard-head", markup=False)
        with VerticalScroll(id="wizard-body"):
            yield Static(id="wizard-text", markup=False)
        yield Static(id="wizard-said", markup=False)
        yield AskLine()
        yield KeyBar()

    def on_mount(self) -> None:
        self._look_around()
        self._ask_hub()
        if self._source:
            self._read(self._source)
        self._draw()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    # -- gathering facts

    @work(group="around")
    async def _look_around(self) -> None:
        """The pair files here, where the project can go, and what this machine has."""
        project = workspace_of(self.app).project
        if self._wanted_folder is None:
            self.draft.folder = await in_thread(partial(free_folder, project, self._source))
        self._found = await in_thread(partial(found_files, project.folder))
        self._draw()
        from smoltui.backends.machine.devices import device_report

        self.draft.report = await in_thread(partial(device_report, self.draft.folder))
        self._draw()

    @work(group="hub")
    async def _ask_hub(self) -> None:
        """Prices and account; both stay unknown if nobody answers."""
        for name, engine in workspace_of(self.app).services.engines.items():
            if engine.place.pays and "hardware" in engine.place.can:
                try:
                    self.draft.flavors[name] = await engine.hardware()
                    self._draw()
                    self.draft.account = (await engine.account()).name
                except SmoltuiError:
                    continue
                self._draw()

    @work(group="read", exclusive=True)
    async def _read(self, source: str, read: Read | None = None) -> None:
        """Opens a set, then shows how it is read."""
        self._doing = f"Reading {safe_line(source, 100)}…"
        self._step = READING
        self.draft.seen = None
        self._draw()
        spec, base = typed_spec(source, workspace_of(self.app).project.folder)
        if read is not None:
            spec = replace(spec, columns=read.columns or None, how=read.how)
        try:
            self.draft.seen = await in_thread(partial(look_at, spec, base))
        except SmoltuiError as error:
            self._step = PAIRS
            self._say(error)
        self._source, self._doing = source, ""
        if self._wanted_folder is None:
            self.draft.folder = await in_thread(partial(free_folder, workspace_of(self.app).project, source))
        self._draw()

    @work(group="checks", exclusive=True)
    async def _check(self) -> None:
        self._checks = None
        self._draw()
        engine = workspace_of(self.app).services.named(self.draft.chosen_way().place.name)
        try:
            self._checks = await draft_checks(self.draft, engine)
        except SmoltuiError as error:
            self._checks = []
            self._say(error)
        self._draw()

    # -- drawing

    def _draw(self) -> None:
        if not (self.query("#wizard-head") and self.query("#wizard-text")):
            return  # it is not there yet, or is being closed: one of them may still be there
        width = self.size.width - 3
        self.query_one("#wizard-head", Static).update(
            pages.head(self._step, shown_path(self.draft.folder), self.size.width - 2)
        )
        self.query_one("#wizard-text", Static).update(Text("\n").join(self._page(width)))
        self.refresh_bindings()

    def _page(self, width: int) -> list[Text]:
        draft, at = self.draft, self._at
        if self._doing:
            return [Text(self._doing, "dim")]
        match self._step:
            case 0:
                return pages.pairs_page(self._found, at, width)
            case 1:
                if draft.seen is None:
                    return [Text("No pairs chosen: the recipe won't name any yet.", "dim")]
                return pages.reading_page(draft.seen, width)
            case 2:
                return pages.model_page(draft, at, width)
            case 3:
                return pages.method_page(draft.ways(), at, width)
            case 4:
                return pages.recipe_page(draft, width)
        return pages.checks_page(self._checks, str(draft.folder), width)

    @property
    def _at(self) -> int:
        """Place of the cursor; until it is moved, on what is suggested."""
        if self._step not in self._moved:
            if self._step == MODEL:
                return self.draft.suggested_model()
            if self._step == METHOD:
                return self.draft.suggested_way()
        return min(self._cursor[self._step], max(self._rows - 1, 0))

    @property
    def _rows(self) -> int:
        return {
            PAIRS: len(self._found) + 2,
            MODEL: len(self.draft.models) + 1,
            METHOD: len(self.draft.ways()),
        }.get(self._step, 0)

    def _say(self, error: SmoltuiError | None) -> None:
        """Shows an error above the keys; None hides it."""
        line = self.query_one("#wizard-said", Static)
        line.display = error is not None
        line.update(Text(safe(redact(str(error)), 600)) if error is not None else "")

    # -- keys

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        if bool(self.query(AskLine)) and self.query_one(AskLine).asking and action not in ("back", "leave"):
            return "Answer the question first, or press esc"
        if action == "other" and self._step not in (PAIRS, MODEL):
            return "Pairs and model are chosen in steps 1 and 3; esc leads back"
        if action == "columns" and (self._step != READING or self.draft.seen is None):
            return "Columns are chosen in step 2, once there are pairs"
        if action == "folder" and self._step not in (RECIPE, CHECKS):
            return "The folder is chosen in steps 5 and 6"
        return super().why_not(action, parameters)

    def action_move(self, by: int) -> None:
        if self._rows:
            self._cursor[self._step] = max(0, min(self._at + by, self._rows - 1))
            self._moved.add(self._step)
            self._draw()
        else:
            self.query_one("#wizard-body", VerticalScroll).scroll_relative(y=by, animate=False)

    def action_page(self, by: int) -> None:
        body = self.query_one("#wizard-body", VerticalScroll)
        body.scroll_relative(y=by * max(body.size.height - 1, 1), animate=False)

    def action_accept(self) -> None:
        if self._doing:
            return
        self._say(None)
        at, draft = self._at, self.draft
        match self._step:
            case 0:
                self._accept_pairs(at)
            case 1:
                if draft.seen is not None and draft.seen.problem:
                    self.action_columns()
                else:
                    self._go(MODEL)
            case 2:
                if at < len(draft.models):
                    draft.model = draft.models[at]
                    self._cursor[MODEL] = at
                    self._moved.add(MODEL)
                    self._go(METHOD)
                else:
                    self.action_other()
            case 3:
                draft.way = draft.ways()[at]
                self._cursor[METHOD] = at
                self._go(RECIPE)
            case 4:
                self._go(CHECKS)
            case _:
                self._make(starts=True)

    def _accept_pairs(self, at: int) -> None:
        if at < len(self._found):
            self._read(self._found[at])
        elif at == len(self._found):
            self._read(str(PRESETS["demo"] / "pairs"))
        else:
            self.action_other()

    def action_skip(self) -> None:
        """Takes what is suggested, or leaves it for later."""
        self._say(None)
        draft = self.draft
        match self._step:
            case 0:
                self.workers.cancel_group(self, "read")
                self._doing, draft.seen = "", None
                self._go(MODEL)
            case 1:
                if draft.seen is not None and draft.seen.problem:
                    draft.seen = None
                self._go(MODEL)
            case 2:
                draft.model = None
                self._go(METHOD)
            case 3:
                draft.way = None
                self._go(RECIPE)
            case 4:
                self._go(CHECKS)
            case _:
                self._make(starts=False)

    def _go(self, step: int) -> None:
        self._step = step
        self.query_one("#wizard-body", VerticalScroll).scroll_home(animate=False)
        if step == METHOD:
            self._moved.discard(METHOD)  # what is suggested depends on the model
        if step == CHECKS:
            self._check()
        self._draw()

    def action_back(self) -> None:
        """One step back; from the first one, out of the wizard."""
        line = self.query_one(AskLine)
        if line.asking:
            line.stop()
            return
        self._say(None)
        if self._doing:
            self.workers.cancel_group(self, "read")
            self._doing = ""
            self._go(PAIRS)
        elif self._step == PAIRS:
            self.dismiss(None)
        elif self._step == MODEL and self.draft.seen is None:
            self._go(PAIRS)
        else:
            self._go(self._step - 1)

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_other(self) -> None:
        """Asks for pairs or a model that is not listed."""
        self._say(None)
        if self._step == PAIRS:
            self._ask("pairs:", "file, folder, *.jsonl, owner/name", self._typed_pairs)
        elif self._step == MODEL:
            self._ask("model:", "owner/name on the Hub, or a folder", self._typed_model)

    def _ask(self, question: str, hint: str, answered: Callable[[str], object], value: str = "") -> None:
        self.query_one(AskLine).ask(question, hint, answered, value)
        self.refresh_bindings()

    def _typed_pairs(self, text: str) -> None:
        if text:
            self._read(text)

    def _typed_model(self, text: str) -> None:
        if not text:
            return
        try:
            model = typed_model(text, workspace_of(self.app).project.folder, self.draft.folder)
        except SmoltuiError as error:
            self._say(error)
            return
        self.draft.models = [model, *(one for one in self.draft.models if one.name != model.name)]
        self._cursor[MODEL] = 0
        self._moved.add(MODEL)
        self.action_accept()

    def action_columns(self) -> None:
        """Asks which column is which."""
        seen = self.draft.seen
        if seen is not None:
            self.app.push_screen(ReadingDialog(seen), partial(self._read_like, seen))

    def _read_like(self, seen: PairsSeen, read: Read | None) -> None:
        if read is not None:
            self._read(seen.spec.source, read)

    def action_folder(self) -> None:
        self._ask("project folder:", "a new or empty one", self._typed_folder, str(shown_path(self.draft.folder)))

    def _typed_folder(self, text: str) -> None:
        if text:
            here = workspace_of(self.app).project.folder
            self._wanted_folder = self.draft.folder = (here / expanded(text)).absolute()
            self._go(self._step)

    # -- the end

    @work(group="make", exclusive=True)
    async def _make(self, *, starts: bool) -> None:
        """Writes the project."""
        from smoltui.backends.guide.first_project import make_project

        self._doing = "Writing the project…"
        self._draw()
        try:
            project = await in_thread(partial(make_project, self.draft.new()))
        except SmoltuiError as error:
            self._doing = ""
            self._say(error)
            self._draw()
            return
        ready = self.draft.seen is not None and self.draft.model is not None
        self.dismiss((project.folder, starts and ready))
