"""Recipe: the fields of recipe.yaml and of smoltui.toml, with their help, checks and fixes, and what they come to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import ClassVar

from textual import on, work
from textual.binding import BindingType

from smoltui.backends.project.project import RECIPE_NAME
from smoltui.backends.project.recipe_file import render
from smoltui.backends.services import is_installed, place_listing, places
from smoltui.backends.system.threads import in_thread
from smoltui.core.meanings.shown import CARDS_OF, card_of
from smoltui.core.recipe import ABSENT
from smoltui.core.recipe.fields import FIELDS
from smoltui.core.runs.place import Target
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.safe_text import redact
from smoltui.screens.copying import Copied, choose_what_to_copy
from smoltui.screens.editing import edit_file
from smoltui.screens.fixing import Fixing
from smoltui.screens.recipe.field_list import FieldList
from smoltui.screens.recipe.picker import pick
from smoltui.screens.recipe.value_line import RecipeTyping
from smoltui.screens.undoing import Undoing
from smoltui.widgets.actions import bindings
from smoltui.widgets.check_list import CheckList

OF_THE_RECIPE = ("copy", "target", "compare", "export", "sweep")
"""Actions that smoltui.toml has no use for."""


class RecipeRoom(RecipeTyping):
    """The project's recipe as a form, and its settings as another. Each change is written at once and can be undone;
    the rest of the file is untouched."""

    MODE = "recipe"
    CSS_PATH = "recipe.tcss"
    AUTO_FOCUS = "#fields"
    BINDINGS: ClassVar[list[BindingType]] = bindings("recipe")

    def __init__(self) -> None:
        super().__init__()
        self._undoing = Undoing(self, lambda _: self._read(), self._writing)
        self._fixing = Fixing(self, self._edit_key, self._read, lambda: None, self._writing)

    def on_mount(self) -> None:
        # Watched, rather than handled as a message, so that list and help are drawn in one frame.
        self.watch(self.query_one(FieldList), "cursor", self._moved, init=False)

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        if action == "find" and self._editing:
            return None  # the key then types a character
        if action in ("edit", "cycle", "default", "reset", "find", "again", "pane") and self._sheet is None:
            return "There is no file that can be read here" if self.has_class("nothing") else "The file is being read"
        if action in ("copy", "target", "compare", "export", "sweep") and (
            self._sheet is None or self._view != RECIPE_NAME
        ):
            return "That concerns the recipe: press v" if self._sheet is not None else "There is no recipe to read here"
        if action in ("editor", "text") and self._view == RECIPE_NAME and not self.workspace.project.has_recipe:
            return "There is no recipe in this folder"
        if action == "pane" and not self._items:
            return "No check needs attention"
        return super().why_not(action, parameters)

    def explained(self) -> tuple[str, ...]:
        key = self.query_one(FieldList).key
        return (*(card_of(key) if key else ()), *CARDS_OF["recipe"], *(f"field:{field.key}" for field in FIELDS))

    def go_to_field(self, key: str) -> None:
        """Moves the cursor to a field, once the recipe has been read."""
        self._wanted = key
        self._draw()

    # -- keys

    def action_edit(self) -> None:
        """Edits the field under the cursor; in the checks, fixes the selected one."""
        checks = self.query_one(CheckList)
        if not checks.has_focus:
            self._edit_field(self._key)
        elif (item := checks.selected) is not None and item.fix is not None:
            self._fixing.start(item.fix)

    def _edit_field(self, key: str) -> None:
        if self._sheet is None:
            return
        if why := self._sheet.why_not_typed(key, self._values):
            self.say(why)
            return
        self._begin_line(key, f"{key}: ", self._sheet.shown(key, self._values.get(key, ABSENT)))

    def _edit_key(self, key: str) -> None:
        """Opens the field of a key of either file."""
        view = FILE_NAME if "." in key else RECIPE_NAME
        if view != self._view:
            self._to_edit = key
            self._show_view(view)
        elif self.query_one(FieldList).select(key):
            self._edit_field(key)
        else:
            self.action_editor()

    @property
    def bar_words(self) -> dict[str, str]:
        return {**super().bar_words, **({} if self._view == RECIPE_NAME else {"recipe.view": "Recipe"})}

    def action_view(self) -> None:
        """Switches between the recipe and the settings."""
        self._show_view(FILE_NAME if self._view == RECIPE_NAME else RECIPE_NAME)

    def _show_view(self, view: str) -> None:
        fields = self.query_one(FieldList)
        self._field_of[self._view] = fields.key or ""
        self._view, self._sheet = view, None
        self.set_class(view != RECIPE_NAME, "settings")
        fields.clear()
        fields.focus()
        self._read()
        self.refresh_bindings()

    def action_pane(self) -> None:
        """Moves between the fields and the checks."""
        checks = self.query_one(CheckList)
        if checks.has_focus or not checks.count:
            self.query_one(FieldList).focus()
        else:
            checks.focus()

    @on(CheckList.Chosen)
    def _clicked_check(self) -> None:
        self.query_one(CheckList).focus()
        self.action_edit()

    @on(CheckList.Moved)
    def _at_check(self) -> None:
        """Shows the field that the selected check is about."""
        if (item := self.query_one(CheckList).selected) is not None and self.query_one(CheckList).has_focus:
            self.query_one(FieldList).select(item.name)

    def action_find(self) -> None:
        self._begin_line("/", "find: ", "")

    def action_again(self, by: int) -> None:
        if not self._matches:
            self.say("No field was searched for: press /")
            return
        at = self._matches.index(self._key) + by if self._key in self._matches else 0
        self._go_to(self._matches[at % len(self._matches)])

    def action_cycle(self) -> None:
        """Toggles a boolean, or selects the next choice; lists those of the cluster."""
        if self._sheet is None or not self._key:
            return
        if place_listing(self._key) is not None:
            self._pick(self._key)
            return
        value = self._sheet.next_value(self._key, self._values.get(self._key, ABSENT))
        if value is ABSENT:
            self._edit_field(self._key)
        else:
            self._change(self._key, value)

    @work(group="pick", exclusive=True)
    async def _pick(self, key: str) -> None:
        value = await pick(self, key, self._values)
        if value is not None and value != self._values.get(key):
            self._change(key, value)

    def action_default(self) -> None:
        if self._key in self._values:
            self._change(self._key, ABSENT)
        elif self._key:
            self.say(f"{self._key} is not in {self._view}: its default applies already")

    def action_reset(self) -> None:
        """Offers to put back the field, or all fields."""
        self._later(self._reset)

    async def _reset(self) -> None:
        sheet = self._sheet
        offers = sheet.resets(self._key, self._values, self._around) if sheet is not None else []
        if not offers:
            self.say(f"Nothing in {self._view} differs from the defaults")
            return
        from smoltui.screens.dialogs import Choose

        words = {one.letter: one.words for one in offers}
        chosen = await self.app.push_screen_wait(Choose("Reset", words))
        for one in offers:
            if one.letter == chosen:
                self._fixing.start(one.fix)

    def action_undo(self) -> None:
        self._undoing.undo(self._view)

    def action_redo(self) -> None:
        self._undoing.redo(self._view)

    def action_target(self) -> None:
        offered = [place for place in places() if is_installed(place) or place == self._around.place]
        offered.sort(key=lambda place: (not place.here, not place.pays))
        at = offered.index(self._around.place) if self._around.place in offered else 0
        place = offered[(at + 1) % len(offered)]
        self._around, self._target = replace(self._around, place=place), place.target
        self._draw()
        self._look_further()

    def action_compare(self) -> None:
        """Compares the recipe with TRL's defaults, a preset, a run or a file, and takes over values."""
        self._later(self._compare)

    def action_sweep(self) -> None:
        """Trains with several values, or shows an earlier sweep."""
        self._later(self._sweep)

    def action_export(self) -> None:
        """Writes a script, or copies a command, that does the same without smoltui."""
        self._later(self._export)

    # What these need takes as long to import as the room itself, so it is imported in a thread at the first key press.

    def _later(self, act: Callable[[], Awaitable[None]]) -> None:
        self.run_worker(act(), group="whole recipe", exclusive=True)

    def action_text(self) -> None:
        """Opens the file as text in the app."""
        self._later(self._text)

    async def _text(self) -> None:
        await in_thread(partial(import_module, "smoltui.screens.recipe.opening_text"))
        from smoltui.screens.recipe.opening_text import edit_text

        line = self._sheet.line_of(self._key) if self._sheet is not None and self._key else None
        await edit_text(
            self,
            self._view,
            line=line or 1,
            target=self._target,
            around_of=partial(self._commands, self._around) if self._view == RECIPE_NAME else lambda _: self._around,
            turn=self._writing,
        )

    async def _compare(self) -> None:
        await in_thread(partial(import_module, "smoltui.screens.recipe.comparing"))
        from smoltui.screens.recipe.comparing import Comparing

        Comparing(self, self._ask, self._fixing.start).start(self._values)

    async def _sweep(self) -> None:
        await in_thread(partial(import_module, "smoltui.screens.recipe.sweeping"))
        from smoltui.screens.recipe.sweeping import Sweeping

        Sweeping(self, self._ask).start()

    async def _export(self) -> None:
        await in_thread(partial(import_module, "smoltui.screens.recipe.comparing"))
        from smoltui.screens.recipe.comparing import export

        await export(self)

    def action_reread(self) -> None:
        self._read(said=f"{self._view} has been reloaded")

    def action_copy(self) -> None:
        command = self._around.command_here if self._target == Target.LOCAL else self._around.command_jobs
        self.app.copy_to_clipboard(redact(command))
        self.say(f"Copied: {command}")

    def action_copy_what(self) -> None:
        """Offers the commands, the field under the cursor and the file."""
        path, key = self.workspace.project.folder / self._view, self._key
        line = f"{key}: {render(self._values[key])}" if key in self._values else key
        choose_what_to_copy(
            self,
            [
                Copied("c", "the command for this machine", redact(self._around.command_here)),
                Copied("j", "the command for Jobs", redact(self._around.command_jobs)),
                Copied("f", "the field", redact(line)),
                Copied("p", "the path of the file", str(path)),
            ],
        )

    def action_leave(self) -> None:
        if self._editing:
            self._stop_editing()
        elif self.query_one(CheckList).has_focus:
            self.query_one(FieldList).focus()
        elif self._view != RECIPE_NAME:
            self._show_view(RECIPE_NAME)

    def action_editor(self) -> None:
        """Opens the user's editor, and reloads the file afterwards."""
        edit_file(self, self.workspace.project.folder / self._view)
        self._read()
