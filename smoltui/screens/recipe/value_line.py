"""Typing a value, and searching for a field, on the line at the bottom of the Recipe room."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rich.text import Text
from textual import events, on
from textual.widgets import Input, Static

from smoltui.backends.project.project import RECIPE_NAME
from smoltui.core.recipe import ABSENT, Level
from smoltui.core.recipe.search import found
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.safe_text import redact, safe_line
from smoltui.screens.recipe.effects import effects
from smoltui.screens.recipe.field_list import FieldList
from smoltui.screens.recipe.found_fields import findable, found_rows
from smoltui.screens.recipe.reading import RecipeReading
from smoltui.widgets.actions import in_own_keys


class RecipeTyping(RecipeReading):
    """The input line. What is typed is checked, and the totals follow, before anything is saved."""

    def _begin_line(self, what: str, question: str, text: str) -> None:
        self._editing, self._before = what, self._values.get(what, ABSENT)
        self._typed_before = text if what in self._values else None
        self._came_from = self._key
        self.refresh_bindings()
        self.app.clear_notifications()  # they would cover the input
        self.query_one("#edit-key", Static).update(Text(question, "bold"))
        line = self.query_one(Input)
        line.value = text
        self.add_class("editing")
        line.focus()
        self._check_line(text)

    def _stop_editing(self) -> None:
        searched, self._editing = self._editing == "/", ""
        self.refresh_bindings()
        self.remove_class("editing")
        fields = self.query_one(FieldList)
        fields.focus()
        if searched:
            self._draw()
            fields.select(self._came_from)
            self._draw_about()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._check_line(event.value)

    def _check_line(self, text: str) -> None:
        """Shows whether the typed value is valid, and updates the result of the recipe."""
        if not self._editing:
            return
        said = partial(self.query_one("#edit-said", Static).update, layout=False)
        if self._editing == "/":
            self._show_found(text)
            return
        if self._sheet is None or self._editing == "?":
            said(Text(in_own_keys(self, "enter continues, esc cancels"), "dim"))
            return
        key = self._editing
        if not text.strip():
            whose = "TRL's" if self._view == RECIPE_NAME else "the"
            said(Text(in_own_keys(self, f"enter removes the line, so {whose} default applies"), "dim"))
            self._draw_typed({name: value for name, value in self._values.items() if name != key})
            return
        try:
            value = self._sheet.parsed(key, text)
        except ValueError as error:
            said(Text(f"✗ {safe_line(redact(str(error)), 300)}", "red"))
            return
        values = {**self._values, key: value}
        self._draw_typed(values)
        stops = [item.sentence for item in self._items if item.level is Level.STOP and item.name == key]
        saves = in_own_keys(self, "✓ enter saves")
        line = Text(f"! {safe_line(redact(stops[0]), 300)}", "yellow") if stops else Text(saves, "green")
        line.append(f"  {self._sheet.unit(key)}".rstrip(), "dim")
        if self._view == RECIPE_NAME and (what := effects(self._values, values, self._around, self._target)):
            line.append(f"{chr(10) if self.has_class('narrow') else '  '}{what}", "cyan")
        said(line)

    @on(Input.Submitted)
    def _entered_line(self, event: Input.Submitted) -> None:
        what, text = self._editing, event.value.strip()
        if what == "/":
            self._chose(text)
            return
        if what == "?":
            self._stop_editing()
            if text:
                self._answered(text)
            return
        if not what or self._sheet is None:
            return
        if text == self._typed_before:
            self._stop_editing()  # nothing was changed
            return
        try:
            value = self._sheet.parsed(what, text) if text else ABSENT
        except ValueError:
            return  # the line below the input says why
        now = self._values.get(what, ABSENT)
        if now != self._before and now != value:
            self._before = now
            word = self._sheet.word(what, now)
            warning = f"! another program {safe_line(word, 200)} in the meantime; press enter again to save yours"
            self.query_one("#edit-said", Static).update(Text(warning, "yellow"))
            return
        self._stop_editing()
        if value is ABSENT:
            if what in self._values:
                self._change(what, ABSENT)
        elif what not in self._values or value != self._values[what] or type(value) is not type(self._values[what]):
            self._change(what, value)

    def _ask(self, question: str, answered: Callable[[str], None]) -> None:
        """Asks for something else than a value; `answered` is called with what was typed, unless that is empty."""
        self._answered = answered
        self._begin_line("?", question, "")

    # -- searching for a field

    def _show_found(self, text: str) -> None:
        """Shows the fields that match what is typed, the best first; all of them for an empty line."""
        if self._sheet is None:
            return
        rows = self._sheet.rows(self._values, self._items, self._around)
        fields, said = self.query_one(FieldList), self.query_one("#edit-said", Static)
        if not text.strip():
            fields.show(rows)
            fields.select(self._came_from)
            said.update(Text("a name, or words of a description; of any field of both files", "dim"), layout=False)
            return
        self._matches = found(text, findable(self._values))
        fields.show_found(found_rows(self._matches, rows))
        count = len(self._matches)
        words = in_own_keys(
            self, f"{count} field{'' if count == 1 else 's'} · ↑ ↓ select · enter goes there · esc cancels"
        )
        said.update(Text(words if count else f"No field matches “{safe_line(text, 60)}”", "dim"), layout=False)
        self._draw_about()

    def _chose(self, text: str) -> None:
        """Goes to the selected search result."""
        key = self._key if text else ""
        if text and not self._matches:
            return  # the line below the input says that there is none
        self._came_from = key or self._came_from
        self._stop_editing()
        if key:
            self._go_to(key)

    def _go_to(self, key: str) -> None:
        """Selects a field of either file."""
        view = FILE_NAME if "." in key else RECIPE_NAME
        if view == self._view:
            self.query_one(FieldList).select(key)
        else:
            self._show_view(view)
            self._field_of[view] = key

    def on_key(self, event: events.Key) -> None:
        """While a field is searched for, the arrows move in the list."""
        if self._editing == "/" and event.key in ("up", "down"):
            event.stop()
            self.query_one(FieldList).action_move(1 if event.key == "down" else -1)

    def _show_view(self, view: str) -> None:
        """Opens the other file."""
        raise NotImplementedError
