"""Pairs: read, search, audit and curate what the model will learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Static

from smoltui.backends.data_files.head import first_rows
from smoltui.backends.data_files.source import PairsSpec, UnknownShapeError, project_pairs
from smoltui.backends.pairs.decisions import Decisions
from smoltui.backends.pairs.opened_set import PairSet, open_set, typed_spec
from smoltui.backends.pairs.session import PairsSession, recipe_values, shown_columns
from smoltui.backends.project.settings_file import set_pair_reading
from smoltui.backends.system.threads import in_thread
from smoltui.core.guide.steps import Act, Next
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe, safe_line
from smoltui.screens.pairs.curation_view import CurationView
from smoltui.screens.pairs.how_pane import HowPane
from smoltui.screens.pairs.mapping_pane import MappingPane, Unmapped
from smoltui.screens.pairs.pane import LOAD_AFTER_SECONDS
from smoltui.screens.pairs.set_view import SetView
from smoltui.screens.room import Room
from smoltui.scripts.curve_remarks import percent
from smoltui.scripts.pair_shapes import SCHEMAS
from smoltui.widgets.actions import bindings, in_own_keys
from smoltui.widgets.ask_line import AskLine, Completing
from smoltui.widgets.unpainted import Unpainted

if TYPE_CHECKING:
    from smoltui.backends.guide.use_pairs import Used

WATCH_SECONDS = 2.0
"""How often files and decisions are checked for changes."""


class Views(Unpainted, ContentSwitcher):
    """The set, the question for its columns, or a sentence if there is no set."""


class PairsRoom(Room):
    """Opens a set and shows it. Without a set it says so; if the shape is unknown, it asks for the columns."""

    MODE = "pairs"
    CSS_PATH = "pairs.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = bindings("pairs-room")

    session: PairsSession | None = None
    """The open set; None without one."""

    def __init__(self) -> None:
        super().__init__()
        self._own: PairsSpec | None = None
        """The project's pairs as last read; the room follows them until another set is opened."""
        self._follows_project = True
        self._values: Mapping[str, object] = {}
        """The recipe's values when the room was last entered."""
        self._said_changed = False
        self._said_unreadable = ""
        """The last message about decisions that cannot be read."""
        self._used: tuple[Used, object] | None = None
        """What making a set the recipe's has written, and the last decision then; None: nothing to undo."""
        self._doing = ""
        """What is happening to the whole set, other than its import."""
        self._where_shown: Text | None = None

    def compose_room(self) -> ComposeResult:
        yield Static(id="pairs-where", markup=False)
        with Views(id="pairs-views", initial="pairs-nothing"):
            yield Static(id="pairs-nothing", markup=False)
            yield CurationView(SetView())
            yield MappingPane(id="pairs-mapping")
        yield Static(id="pairs-status", markup=False)
        yield AskLine()

    def on_mount(self) -> None:
        self.decisions = Decisions(self.workspace.project.folder)
        self._show_nothing("Looking for the project's pairs…")
        self.set_interval(WATCH_SECONDS, self._tick)

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        if action == "reload" and self.session is None and not self._follows_project:
            return "No set is open. Press o to open one"
        if action == "use" and self.session is None:
            return "No set is open. Press o to open one"
        if (
            action == "use"
            and self.session is not None
            and not self.session.is_other
            and self.workspace.project.has_recipe
        ):
            return "These are already the recipe's pairs"
        return super().why_not(action, parameters)

    @property
    def numbered(self) -> str:
        return "pair" if self.session is not None else ""

    def go_to_number(self, number: int) -> None:
        self._set_view.go_to_number(number)

    @property
    def has_view_in_front(self) -> bool:
        return self.session is not None and self._set_view.view != "pair"

    def close_view(self) -> None:
        self._set_view.close_view()

    def explained(self) -> tuple[str, ...]:
        return self._set_view.explained() if self.session is not None else ()

    # -- what is shown

    # Looked up once: they are drawn at every key, and by workers that are still running while the app shuts down.

    @cached_property
    def _set_view(self) -> SetView:
        return self.query_one(SetView)

    @cached_property
    def _curation_view(self) -> CurationView:
        return self.query_one(CurationView)

    @cached_property
    def _where(self) -> Static:
        return self.query_one("#pairs-where", Static)

    @cached_property
    def _status(self) -> Static:
        return self.query_one("#pairs-status", Static)

    def _show(self, view: str, keys_go_to: Widget | None) -> None:
        self.query_one(Views).current = view
        self.hand_keys_to(keys_go_to)

    def _show_nothing(self, sentence: str) -> None:
        """Shows a sentence instead of pairs."""
        self.query_one("#pairs-nothing", Static).update(Text(safe(in_own_keys(self, sentence), 2000)))
        self._show("pairs-nothing", None)
        self.draw_where()

    def hand_keys_to(self, widget: Widget | None) -> None:
        """Focuses a widget, once an open question is answered."""
        self._line.then_focus(widget)
        self.refresh_bindings()

    def on_resize(self) -> None:
        self.draw_where()

    def draw_where(self, doing: str | None = None) -> None:
        """Draws the top line: set and current pair. `doing` says what is happening to the set; None keeps that."""
        self._doing = self._doing if doing is None else doing
        where, session = self._where, self.session
        if session is None:
            self._where_shown = None
            where.update("", layout=False)
            return
        opened, waiting = session.opened, self._curation_view.locked
        total = opened.total
        of = f"{total:,}" if total is not None else f"{len(opened):,}+"
        told = session.loading or self._doing or ("" if opened.complete else "partially loaded")
        if not told and waiting:
            told = f"{waiting} decision{'' if waiting == 1 else 's'} waiting"
        place = f"{told} · pair {session.index + 1:,} of {of}" if told else f"pair {session.index + 1:,} of {of}"
        split = safe_line(opened.split, 30)
        if len(opened.splits) > 1:
            split += f", one of {len(opened.splits)} splits"
        other = f" · {self._offer_to_use()}" if session.is_other else ""
        rest = f" · {split}{other} · {SCHEMAS[opened.schema]}"
        room = self.size.width - 2 - len(place) - 2
        left = Text(safe_line(opened.name, 60), "bold", no_wrap=True).append(rest, "not bold dim")
        left.truncate(max(room, 0), overflow="ellipsis", pad=True)
        left.append("  ").append(place, "bold")
        if left != self._where_shown:
            self._where_shown = left
            where.update(left, layout=False)
            self._remember_row()

    def _offer_to_use(self) -> str:
        """The key that makes another set the recipe's, in words."""
        use = "not the recipe's pairs: U uses them" if self.workspace.project.has_recipe else "press U to train on them"
        return in_own_keys(self, use)

    def show_status(self, line: Text | None) -> None:
        """Draws the line above the keys; None hides it."""
        status = self._status
        status.display = line is not None
        if line is not None:
            status.update(line, layout=False)

    @property
    def train_warning(self) -> str:
        if self.session is None or not self.session.is_other:
            return ""
        name = safe_line(self.session.opened.name, 60)
        said = f"Not on {name}, which is open in Pairs: runs train on the recipe's pairs. Cancel, then U uses it."
        return in_own_keys(self, said)

    # -- asking in one line

    @cached_property
    def _line(self) -> AskLine:
        return self.query_one(AskLine)

    def ask(
        self,
        question: str,
        hint: str,
        answered: Callable[[str], object],
        value: str = "",
        completing: Completing | None = None,
    ) -> None:
        """Asks for one line of text; `answered` receives it stripped of white space. Escape cancels."""
        self.app.clear_notifications()  # they would cover the input
        self._line.ask(question, hint, answered, value, completing)
        self.refresh_bindings()

    def action_back(self) -> None:
        """Cancels the question."""
        self._line.stop()

    @on(events.DescendantFocus)
    def _focus_moved(self) -> None:
        """Closes the input if something else is clicked."""
        if self._line.asking and self.focused is not None and self._line not in self.focused.ancestors:
            focused = self.focused
            self._line.stop()
            self.set_focus(focused)

    async def at_rest(self) -> None:
        """Waits until no key was pressed for `LOAD_AFTER_SECONDS`."""
        await self.workspace.at_rest(LOAD_AFTER_SECONDS)

    # -- opening

    @on(events.ScreenResume)
    def _entered(self) -> None:
        self._read_recipe()

    @work(exclusive=True, group="recipe")
    async def _read_recipe(self) -> None:
        self._values = await in_thread(partial(recipe_values, self.workspace.project))
        if self.session is not None:
            self._set_view.recipe_changed(self._values)
        if self._follows_project:
            self.open_project()

    @work(exclusive=True, group="open")
    async def open_project(self) -> None:
        """Opens the project's pairs, or reopens them if the recipe or the file has changed."""
        project, spec = self.workspace.project, None
        self._follows_project = True
        try:
            spec = await in_thread(partial(project_pairs, project))
            if spec is None:
                self._close()
                where = "its recipe.yaml names none" if project.has_recipe else "it has no recipe.yaml"
                self._show_nothing(
                    f"The project {project.name} has no pairs yet: {where}.\n\n  o  opens a file or a Hub id"
                )
                return
            session = self.session
            if session is None or spec != self._own:
                self._show_nothing(f"Opening {safe_line(spec.shown, 200)} …")
            elif await in_thread(session.opened.changed) is None:
                self._read_decisions()
                return
            row = session.index if session is not None and spec == self._own else self._recalled_row(spec)
            opened = await in_thread(partial(open_set, spec, project.folder))
            shown = await in_thread(partial(shown_columns, project))
        except UnknownShapeError as error:
            self._own = None
            if spec is not None:  # the columns are unknown, not the set
                self._offer_columns(error, Unmapped(spec, project.folder, is_other=False))
            return
        except SmoltuiError as error:
            self._own = None
            self._close()
            self._show_nothing(f"{error}\n\n  r  retries\n  o  opens another file or Hub id")
            return
        self._own = spec
        self._take(opened, row, shown)
        if spec.others:
            self.say(f"The recipe mixes {spec.others + 1} sets; this is the first of them")

    def _recalled_row(self, spec: PairsSpec) -> int:
        """The row of the project's pairs at which they were left; 0 for other pairs than then."""
        known = self.workspace.remembered.project
        return max(known.get("pairs.row", 0), 0) if known.get("pairs.set", "") == spec.shown else 0

    def _remember_row(self) -> None:
        if self._own is not None and self.session is not None and self._follows_project:
            self.workspace.remember("pairs.set", self._own.shown)
            self.workspace.remember("pairs.row", self.session.index)

    @work(exclusive=True, group="open")
    async def open_other(self, asked: Unmapped, *, again: bool = False) -> None:
        """Opens another set; if that fails, the current one stays. With `again`, reloads the current one."""
        self.draw_where("opening")
        try:
            opened = await in_thread(partial(open_set, asked.spec, asked.base, again=again))
            shown = () if asked.is_other else await in_thread(partial(shown_columns, self.workspace.project))
        except UnknownShapeError as error:
            self._offer_columns(error, asked)
            return
        except SmoltuiError as error:
            self.say(error)
            return
        finally:
            self.draw_where("")
        if asked.is_other and not again:
            self._follows_project = False
        row = self.session.index if again and self.session is not None else 0
        self._take(opened, row, shown, again=again, is_other=asked.is_other)

    def _close(self) -> None:
        """Closes the set."""
        self.workers.cancel_group(self, "import")
        self.session = None
        self.show_status(None)
        self.draw_where()

    def _take(
        self, opened: PairSet, row: int, shown: tuple[str, ...], *, again: bool = False, is_other: bool = False
    ) -> None:
        """Shows another set at this row, with the further columns `shown`. `again` imports it even if it is cached."""
        self._close()
        self._said_changed = False
        session = PairsSession(opened, self.decisions, self.workspace.project, self._values, is_other=is_other)
        reads = again or not opened.complete
        session.loading = "loading" if reads else ""  # shown with the first pair, before the import has started
        session.shown = shown
        self.session = session
        self.workspace.other_pairs = opened.spec.source if is_other else ""
        self._set_view.take(session)
        self._show("pairs-set", self._set_view.pane)
        for note in opened.notes if not again else ():
            self.say(note)
        self._read_decisions()
        self._set_view.go(min(row, max(len(opened) - 1, 0)))
        if reads and row >= len(opened):
            session.back_to = row  # once it is loaded; until then, the last available pair
        if reads:
            self._load(session, again)
        else:
            self._set_view.loaded()

    @work(exclusive=True, group="import")
    async def _load(self, session: PairsSession, again: bool) -> None:
        try:
            async with aclosing(session.load(again=again)) as steps:
                async for _ in steps:
                    self.draw_where()
                    self._set_view.grown()
        except SmoltuiError as error:
            self.say(error)
            return
        finally:
            if self.is_attached:  # otherwise the app is exiting
                self.draw_where()
        if self.session is session and self.is_attached:
            self._set_view.grown()
            self._set_view.loaded()

    # -- what changes outside

    def _tick(self) -> None:
        if self.is_current and self.session is not None:
            self.draw_where()
            if not self.decisions.waiting:
                self._read_decisions()
            self._look_outside(self.session)

    @work(group="watch")
    async def _look_outside(self, session: PairsSession) -> None:
        """Checks whether another program changed the files of the set."""
        if self._said_changed:
            return
        sentence = await in_thread(session.opened.changed)
        if sentence and session is self.session and not self._said_changed:
            self._said_changed = True
            self.say(f"{sentence}. Press r to reload", severity="warning")

    @work(group="decisions")
    async def _read_decisions(self) -> None:
        """Reads curation.jsonl if it changed, and shows a message if it cannot be read."""
        before = self.decisions.curation
        try:
            known = await self.decisions.current()
        except SmoltuiError as error:
            if error.message != self._said_unreadable:
                self._said_unreadable = error.message
                self.say(error)
            return
        self._said_unreadable = ""
        if known.unreadable and not before.unreadable:
            lines = "line" if known.unreadable == 1 else "lines"
            self.say(
                f"{known.unreadable} {lines} of {self.decisions.NAME} cannot be read and are kept as they are",
                severity="warning",
            )
        if known is not before and (known.decisions or before.decisions) and self.session is not None:
            self._set_view.draw_decided()

    def action_reload(self) -> None:
        """Reloads the set, ignoring the cache."""
        if self.session is not None:
            opened = self.session.opened
            self.open_other(Unmapped(opened.spec, opened.base, self.session.is_other), again=True)
        elif self._follows_project:
            self.open_project()

    @on(SetView.SplitWanted)
    def _open_split(self, event: SetView.SplitWanted) -> None:
        if self.session is not None:
            opened = self.session.opened
            self._follows_project = False
            self.open_other(Unmapped(replace(opened.spec, split=event.split), opened.base, self.session.is_other))

    def open_source(self, source: str) -> None:
        """Opens a folder or file instead of the project's pairs."""
        self._follows_project = False  # at once: the room may be reading the recipe to open the project's pairs
        self._open_typed(source)

    def action_ask_source(self) -> None:
        self.ask("open pairs:", "file, folder, *.jsonl, owner/name; empty: the recipe's", self._open_typed)

    def _open_typed(self, text: str) -> None:
        if text:
            spec, base = typed_spec(text, self.workspace.project.folder)
            self.open_other(Unmapped(spec, base, is_other=True))
        elif not self._follows_project:
            self._own = None
            self.open_project()

    def action_use(self) -> None:
        """Makes the open set the recipe's pairs; without a recipe, starts a project with it."""
        if self.session is None:
            return
        opened = self.session.opened
        if self.workspace.project.has_recipe:
            self._use(opened)
        else:
            self.workspace.do(Next(Act.WIZARD, "", source=opened.spec.source))

    @work(exclusive=True, group="use")
    async def _use(self, opened: PairSet) -> None:
        from smoltui.backends.guide.use_pairs import use_pairs

        try:
            used = await in_thread(partial(use_pairs, self.workspace.project, opened.spec, opened.base))
            if (decision := used.hold_out) is not None:
                await self.decisions.take(lambda _: [decision])
        except SmoltuiError as error:
            self.say(error)
            return
        self._used = used, self.decisions.last
        held = (
            f" · holds out {percent(decision.share)} of the prompts" if decision is not None and decision.share else ""
        )
        self.say(f"recipe.yaml: {used.said}{held} · u undoes")
        self._own = None
        self.open_project()

    def undo_use(self) -> bool:
        if self._used is None or self._used[1] is not self.decisions.last:
            return False
        (used, _), self._used = self._used, None
        self._undo_use(used)
        return True

    @work(exclusive=True, group="use")
    async def _undo_use(self, used: Used) -> None:
        from smoltui.backends.guide.use_pairs import undo_use

        try:
            await in_thread(partial(undo_use, self.workspace.project, used))
            if used.hold_out is not None:
                await self.decisions.undo()
        except SmoltuiError as error:
            self.say(error)
        else:
            self.say(f"Undone: {used.said}")
        self._own = None
        self.open_project()

    # -- a set whose shape is not recognized

    def _offer_columns(self, error: UnknownShapeError, asked: Unmapped) -> None:
        """Asks which column is which."""
        self._close()
        self._offer_form(asked, error.message, error.rows, error.columns)

    def _offer_form(self, asked: Unmapped, problem: str, rows: Sequence[object], columns: Sequence[str] = ()) -> None:
        pane = self.query_one(MappingPane)
        pane.offer(asked, problem, rows, columns)
        self._show("pairs-mapping", pane.keys_go_to)

    @on(HowPane.ChangeWanted)
    @work(exclusive=True, group="form")
    async def _change_reading(self) -> None:
        """Asks how the open set is to be read."""
        session = self.session
        if session is None:
            return
        opened = session.opened
        try:
            rows = await in_thread(partial(first_rows, opened.spec, opened.base))
        except SmoltuiError as error:
            self.say(error)
            return
        if session is self.session:
            asked = Unmapped(opened.spec, opened.base, session.is_other)
            self._offer_form(asked, f"How this set is read: {safe_line(opened.name, 60)}", rows)

    @on(MappingPane.Left)
    def _columns_unknown(self) -> None:
        if self.session is None:
            self.open_project()
        else:
            self._show("pairs-set", self._set_view.pane)

    @on(MappingPane.Accepted)
    def _columns_known(self, event: MappingPane.Accepted) -> None:
        asked, project, (columns, how) = event.asked, self.workspace.project, event.read
        if asked.is_other:
            self.open_other(replace(asked, spec=replace(asked.spec, columns=columns or None, how=how)))
            return
        self._save_reading(partial(set_pair_reading, project, columns, how))

    @work(exclusive=True, group="form")
    async def _save_reading(self, save: Callable[[], None]) -> None:
        """Stores in smoltui.toml how the project's own set is read, and opens it like this."""
        try:
            await in_thread(save)
        except SmoltuiError as error:
            self.say(error)
            return
        self.say("Saved in smoltui.toml; training reads the set like this too. Press V, then h to see or change it")
        self.open_project()
