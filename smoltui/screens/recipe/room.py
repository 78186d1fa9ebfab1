"""Recipe: the important fields with their help, the problems found, and the command that will run."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Input, Static

from smoltui.backends.project.project import RECIPE_NAME
from smoltui.backends.project.recipe_file import RecipeFile, load_recipe
from smoltui.backends.runs.callbacks import Severity
from smoltui.backends.services import place_of_setting
from smoltui.backends.system.threads import in_thread
from smoltui.core.meanings.shown import CARDS_OF, card_of
from smoltui.core.recipe import ABSENT, Finding, check, field_for, parse, show
from smoltui.core.recipe.fields import FIELDS
from smoltui.core.runs.place import Target
from smoltui.core.settings.settings import Settings
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.editing import edit_file
from smoltui.screens.recipe.field_list import FieldList
from smoltui.screens.recipe.recipe_text import Surroundings, about, checks, commands, pairs_named, rows, sums
from smoltui.screens.recipe.text_pane import TextPane
from smoltui.screens.room import Room
from smoltui.screens.undoing import Undoing, in_words
from smoltui.widgets.actions import bindings

if TYPE_CHECKING:
    from smoltui.backends.pairs.curation_file import CurationFile

WIDE, TINY = 100, 60
"""Columns from which the help is beside the fields, and below which there are no margins."""
LOOK_SECONDS = 2.0
"""How often the open file is checked for changes by other programs."""
PASSING_SECONDS = 0.12
"""While the cursor moves faster than this, the help is not drawn until it rests."""


class RecipeRoom(Room):
    """The project's recipe as a form. Each change is written to the file at once; the rest of the file is untouched."""

    MODE = "recipe"
    CSS_PATH = "recipe.tcss"
    AUTO_FOCUS = "#fields"
    BINDINGS: ClassVar[list[BindingType]] = bindings("recipe")

    def __init__(self) -> None:
        super().__init__()
        self._file: RecipeFile | None = None
        self._values: dict[str, object] = {}
        """The values shown: those of the file, plus changes that are still being written."""
        self._around = Surroundings(Settings())
        self._decisions: CurationFile | None = None
        """Decisions about the project's pairs; None until they are first needed."""
        self._target = Target.LOCAL
        self._target_known = False
        self._findings: list[Finding] = []
        self._editing = ""
        """Key whose value is being typed; `/` during a search for a field; otherwise empty."""
        self._before: object = ABSENT
        """The value when the input was opened."""
        self._query = ""
        self._moved_at = -math.inf
        self._resting: Timer | None = None
        self._writing = asyncio.Lock()
        self._undoing = Undoing(self, lambda _: self._read(), self._writing)
        self._waiting = 0
        """Changes shown but not yet in the file."""

    # -- widgets

    def compose_room(self) -> ComposeResult:
        yield Static(id="recipe-nothing", markup=False)
        with Container(id="recipe"):
            yield FieldList(id="fields")
            with Vertical(id="beside"):
                yield Static(id="about", markup=False)
                yield TextPane(id="below")
        yield Static(id="commands", markup=False)
        with Vertical(id="edit"):
            with Horizontal(id="edit-line"):
                yield Static(id="edit-key", markup=False)
                line = Input(compact=True)
                line.cursor_blink = False  # a blinking cursor keeps sending bytes
                yield line
            yield Static(id="edit-said", markup=False)

    def on_mount(self) -> None:
        # Watched, rather than handled as a message, so that list and help are drawn in one frame.
        self.watch(self.query_one(FieldList), "cursor", self._moved, init=False)
        self._looking = self.set_interval(LOOK_SECONDS, self._look, pause=True)

    @on(events.ScreenResume)
    def _entered(self) -> None:
        self._looking.resume()
        self._read()

    @on(events.ScreenSuspend)
    def _left(self) -> None:
        self._looking.pause()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < WIDE, "narrow")
        self.set_class(event.size.width < TINY or event.size.height < 16, "tiny")
        if self._file is not None:
            self._draw_commands()

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        if action == "find" and self._editing:
            return None  # the key then types a character
        if action in ("edit", "cycle", "default", "find", "again", "copy", "target") and self._file is None:
            return "There is no recipe that can be read here"
        if action == "editor" and not self.workspace.project.has_recipe:
            return "There is no recipe in this folder"
        return super().why_not(action, parameters)

    def explained(self) -> tuple[str, ...]:
        key = self.query_one(FieldList).key
        return (*(card_of(key) if key else ()), *CARDS_OF["recipe"], *(f"field:{field.key}" for field in FIELDS))

    # -- reading

    @work(exclusive=True, group="read")
    async def _read(self, *, said: str = "") -> None:
        """Reads the file, then the machine; if the file cannot be used, shows the reason instead of the form."""
        project = self.workspace.project
        if not project.has_recipe:
            self._file = None
            self._nothing(
                f"There is no recipe in this folder: {project.folder}\n\n"
                "Create a project: smoltui demo FOLDER, or smoltui new FOLDER --preset course-local"
            )
            return
        try:
            async with self._writing:
                file, around = await in_thread(self._load)
            target = place_of_setting(around.settings.on).target
        except SmoltuiError as error:
            self._file = None
            self._nothing(
                f"{error.message}\n{error.hint}\n\nPress e to open the file in your editor, or r to reload it."
            )
            return
        changed = self._file is not None and self._file.text != file.text
        self._file, self._values = file, dict(file.values)
        self._around = around
        if not self._target_known:
            self._target, self._target_known = target, True
        self.remove_class("nothing")
        self._draw()
        self.refresh_bindings()
        if changed and said:
            self.say(said)
        self._look_at_machine()

    def _load(self) -> tuple[RecipeFile, Surroundings]:
        project = self.workspace.project
        file = load_recipe(project.recipe_path)
        return file, self._commands(replace(self._around, settings=project.settings()), file.values)

    def _commands(self, around: Surroundings, values: Mapping[str, object]) -> Surroundings:
        """`around` with everything that depends on the recipe's values. Reads the disk."""
        from smoltui.backends.pairs.counted import pairs_decided
        from smoltui.backends.pairs.curation_file import CurationFile
        from smoltui.backends.project.recipe_facts import command_by_hand, recipe_shape

        project, counts = self.workspace.project, self.workspace.services.counts
        self._decisions = self._decisions or CurationFile(project.folder)
        here, jobs = (
            command_by_hand(project, values, around.settings, target) for target in (Target.LOCAL, Target.JOB)
        )
        return replace(
            around,
            shape=recipe_shape(project, values),
            command_here=here,
            command_jobs=jobs,
            rows=counts.rows(project, values, around.settings),
            rows_of=pairs_named(values),
            decided=pairs_decided(project, values, self._decisions),
        )

    @work(exclusive=True, group="machine")
    async def _look_at_machine(self) -> None:
        """Finds the training device, and whether it supports bf16 according to the last test of PyTorch."""
        from smoltui.backends.machine.devices import device_report, remembered_torch_report

        if self._around.memory_name:
            return
        report = await in_thread(partial(device_report, self.workspace.project.folder))
        torch = await in_thread(partial(remembered_torch_report, report))
        device = report.accelerators[0] if report.accelerators else None
        has_bf16 = False if device is None else torch.bf16 if torch is not None and torch.kind == device.kind else None
        self._around = replace(
            self._around,
            cuda=device is not None and device.kind == "cuda",
            has_bf16=has_bf16,
            memory=device.free if device else report.ram_available,
            memory_name=device.name if device else "this machine",
        )
        if self._file is not None:
            self._draw()

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        file = self._file
        if self._writing.locked():
            return
        if file is None:
            if self.has_class("nothing") and self.workspace.project.has_recipe:
                self._read()
        elif await in_thread(file.changed_outside) and not self._writing.locked() and file is self._file:
            self._read(said="recipe.yaml was changed by another program and has been reloaded")

    @on(events.AppFocus)
    def _focused(self) -> None:
        self._look()

    def _nothing(self, text: str) -> None:
        self._stop_editing()
        self.query_one("#recipe-nothing", Static).update(Text(safe(redact(text), 2000)))
        self.add_class("nothing")
        self.refresh_bindings()

    # -- writing

    def _change(self, key: str, value: object) -> None:
        """Shows the new value and writes it; `ABSENT` removes the key."""
        if self._file is None:
            return
        before = self._values.get(key, ABSENT)
        if value is ABSENT:
            self._values.pop(key, None)
        else:
            self._values[key] = value
        self._draw()
        self._waiting += 1
        self._write(key, before, value)

    @work(group="write")
    async def _write(self, key: str, before: object, value: object) -> None:
        async with self._writing:
            self._waiting -= 1
            if self._file is None:
                return
            file: RecipeFile = self._file
            try:
                file, said = await in_thread(partial(self._put, file, key, before, value))
                self._around = await in_thread(partial(self._commands, self._around, file.values))
            except SmoltuiError as error:
                said = None
                self.say(error)
                try:
                    file = await in_thread(partial(load_recipe, self.workspace.project.recipe_path))
                except SmoltuiError:
                    self._read()
                    return
            self._file = file
            if not self._waiting:  # otherwise a pending change would briefly disappear
                self._values = dict(file.values)
            self._draw()
        if said:
            self.say(said[0], severity=said[1])

    def _put(
        self, file: RecipeFile, key: str, before: object, value: object
    ) -> tuple[RecipeFile, tuple[str, Severity] | None]:
        """Makes one change in the current file, which may differ from `file`; returns it and what to say. In a
        thread."""
        said = ""
        if file.changed_outside():
            fresh = load_recipe(self.workspace.project.recipe_path)
            now = fresh.values.get(key, ABSENT)
            if now != before and now != value:
                word = "removed it" if now is ABSENT else f"set it to {show(field_for(key), now)}"
                refused = f"{key} was not saved: another program {word} in the meantime."
                return fresh, (f"{refused} Repeat the change to keep yours.", "warning")
            file, said = fresh, "recipe.yaml was changed by another program; your change was added to it\n"
        if value is ABSENT:
            file.remove(key)
        else:
            file.set(key, value)
        made = in_words(file.save())
        return file, (f"{said}{made}", "warning" if said else "information") if made else None

    # -- keys

    @property
    def _key(self) -> str:
        return self.query_one(FieldList).key or ""

    def action_edit(self) -> None:
        field = field_for(self._key)
        if field.kind == "file" or (field.kind == "datasets" and not self._editable_sources()):
            self.say(f"{field.key} can only be edited in the file. Press e to open it.")
            return
        current = self._values.get(field.key, field.default)
        self._begin_line(field.key, f"{field.key}: ", show(field, current))

    def _editable_sources(self) -> bool:
        """Whether the sources are unchanged after being shown in one line and parsed again."""
        field, sources = field_for("datasets"), self._values.get("datasets") or []
        try:
            return not sources or bool(parse(field, show(field, sources)) == sources)
        except ValueError:
            return False

    def action_find(self) -> None:
        self._begin_line("/", "find: ", "")

    def action_again(self, by: int) -> None:
        if self._query and not self.query_one(FieldList).find(self._query, by):
            self.say(f"No field matches “{self._query}”")

    def action_cycle(self) -> None:
        """Toggles a boolean, or selects the next choice."""
        field = field_for(self._key)
        current = self._values.get(field.key, field.default)
        if field.kind == "bool":
            self._change(field.key, not (field.unset if current is None else current))
        elif field.kind == "choice":
            where = field.choices.index(current) if current in field.choices else -1
            self._change(field.key, field.choices[(where + 1) % len(field.choices)])
        else:
            self.action_edit()

    def action_default(self) -> None:
        if self._key in self._values:
            self._change(self._key, ABSENT)

    def action_undo(self) -> None:
        self._undoing.undo(RECIPE_NAME)

    def action_redo(self) -> None:
        self._undoing.redo(RECIPE_NAME)

    def action_scroll(self, by: int) -> None:
        self.query_one(TextPane).scroll_lines(3 * by)

    def action_target(self) -> None:
        self._target = Target.JOB if self._target == Target.LOCAL else Target.LOCAL
        self._draw()

    def action_reread(self) -> None:
        self._read(said="recipe.yaml has been reloaded")

    def action_copy(self) -> None:
        command = self._around.command_here if self._target == Target.LOCAL else self._around.command_jobs
        self.app.copy_to_clipboard(redact(command))
        self.say(f"Copied: {command}")

    def action_leave(self) -> None:
        if self._editing:
            self._stop_editing()

    def action_editor(self) -> None:
        """Opens the user's editor, and reloads the file afterwards."""
        edit_file(self, self.workspace.project.recipe_path)
        self._read()

    # -- typing a value

    def _begin_line(self, what: str, question: str, text: str) -> None:
        self._editing, self._before = what, self._values.get(what, ABSENT)
        self.refresh_bindings()
        self.app.clear_notifications()  # they would cover the input
        self.query_one("#edit-key", Static).update(Text(question, "bold"))
        line = self.query_one(Input)
        line.value = text
        self.add_class("editing")
        line.focus()
        self._check_line(text)

    def _stop_editing(self) -> None:
        self._editing = ""
        self.refresh_bindings()
        self.remove_class("editing")
        self.query_one(FieldList).focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._check_line(event.value)

    def _check_line(self, text: str) -> None:
        """Shows whether the typed value is valid, and updates the result of the recipe."""
        if not self._editing:
            return
        said = partial(self.query_one("#edit-said", Static).update, layout=False)
        if self._editing == "/":
            said(Text("part of a field's name; enter jumps to it", "dim"))
            return
        field = field_for(self._editing)
        if not text.strip():
            said(Text("enter removes the line, so TRL's default applies", "dim"))
            self._draw_below({key: value for key, value in self._values.items() if key != field.key})
            return
        try:
            value = parse(field, text)
        except ValueError as error:
            said(Text(f"✗ {safe_line(str(error), 300)}", "red"))
            return
        said(Text(f"✓ enter saves, esc cancels   {field.unit}", "green"))
        self._draw_below({**self._values, field.key: value})

    @on(Input.Submitted)
    def _entered_line(self, event: Input.Submitted) -> None:
        what, text = self._editing, event.value.strip()
        if what == "/":
            self._query = text
            self._stop_editing()
            self.action_again(1)
            return
        if not what:
            return
        field = field_for(what)
        try:
            value = parse(field, text) if text else ABSENT
        except ValueError:
            return  # the line below the input says why
        now = self._values.get(what, ABSENT)
        if now != self._before and now != value:
            self._before = now
            word = "removed it" if now is ABSENT else f"set it to {show(field, now)}"
            warning = f"! another program {safe_line(word, 200)} in the meantime; press enter again to save yours"
            self.query_one("#edit-said", Static).update(Text(warning, "yellow"))
            return
        self._stop_editing()
        if value is ABSENT:
            if what in self._values:
                self._change(what, ABSENT)
        elif what not in self._values or value != self._values[what] or type(value) is not type(self._values[what]):
            self._change(what, value)

    # -- drawing

    def _draw(self) -> None:
        around = self._around
        self._findings = check(
            self._values,
            target=self._target,
            has_bf16=around.has_bf16 if self._target == Target.LOCAL else True,
            model_type=around.shape.kind if around.shape else None,
        )
        fields = self.query_one(FieldList)
        recalled = self.workspace.remembered.project.get("recipe.field", "") if fields.key is None else ""
        fields.show(rows(self._values, self._findings))
        if recalled:
            fields.select(recalled)
        self._draw_about()
        self._draw_below(self._values)
        self._draw_commands()

    def _moved(self) -> None:
        """Draws the help of the field under the cursor: at once, or when a held key is released."""
        if self._key:
            self.workspace.remember("recipe.field", self._key)
        now = time.monotonic()
        passing, self._moved_at = now - self._moved_at < PASSING_SECONDS, now
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(PASSING_SECONDS, self._draw_about) if passing else None
        if not passing:
            self._draw_about()

    def _draw_about(self) -> None:
        if self._file is None:
            return
        # Its height is fixed, since a new layout of the whole room at each move of the cursor takes 50 ms.
        field = field_for(self._key)
        differs = self._values.get(field.key, field.default) != field.default
        shown = about(field, self._file.line_of(field.key), differs)
        self.query_one("#about", Static).update(shown, layout=False)

    def _draw_below(self, values: Mapping[str, object]) -> None:
        text = checks(self._findings, self._target).append("\n\n")
        self.query_one(TextPane).show(text.append_text(sums(values, self._around, self._target)))

    def _draw_commands(self) -> None:
        shown = commands(self._around, self._target, one_line=self.has_class("narrow"))
        self.query_one("#commands", Static).update(shown, layout=False)
