"""Opening a set: its first pairs at once, the rest as it is imported, and again when it has changed."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path

from textual import on, work

from smoltui.backends.data_files.source import PairsSpec, UnknownShapeError, project_pairs
from smoltui.backends.pairs.opened_set import PairSet, import_in_child, open_set, typed_spec
from smoltui.backends.project.settings_file import set_pair_columns
from smoltui.backends.system.threads import in_thread
from smoltui.core.pairs.mapping import guess_columns, preview
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.pairs.base import PairsBase
from smoltui.widgets.mapping_form import MappingForm

WATCH_SECONDS = 2.0
"""How often it is looked whether the files and the decisions are still what was read."""


class Opening(PairsBase):
    """From a project or what a person typed to the set on the screen."""

    own: PairsSpec | None = None
    """What the project names, as last read; the room follows it until something else is opened here."""
    follows_project = True
    told_changed = False
    mapped: tuple[PairsSpec, Path, bool] | None = None
    """The set that the form of columns is shown for, and whether the project does not name it."""

    @work(exclusive=True, group="open")
    async def open_project(self) -> None:
        """Opens what the project names, again when the recipe or the file has changed since."""
        project, spec = self.smoltui.project, None
        try:
            spec = await in_thread(partial(project_pairs, project))
            if spec is None:
                self.take(None)
                where = "its recipe.yaml names none" if project.has_recipe else "it has no recipe.yaml"
                self.show_nothing(
                    f"The project {project.name} has no pairs yet: {where}.\n\n  o  opens a file or a Hub id"
                )
                return
            if self.opened is None or spec != self.own:
                self.show_nothing(f"Opening {safe_line(spec.shown, 200)} …")
            elif await in_thread(self.opened.changed) is None:
                self.look_at_decisions()
                return
            again = self.index if spec == self.own else 0
            opened = await in_thread(partial(open_set, spec, project.folder))
        except UnknownShapeError as error:
            self.own = None
            assert spec is not None  # it was opened
            self._offer_columns(error, spec, project.folder, other=False)
            return
        except SmoltuiError as error:
            self.own = None
            self.take(None)
            self.show_nothing(f"{error}\n\n  r  looks again\n  o  opens another file or Hub id")
            return
        self.own = spec
        self.take(opened, again)
        if spec.others:
            self.say(f"The recipe mixes {spec.others + 1} sets; this is the first of them")

    @work(exclusive=True, group="open")
    async def open_other(self, spec: PairsSpec, base: Path, *, other: bool = False, again: bool = False) -> None:
        """Opens something else; what is shown stays when that fails."""
        self.importing = "opening"
        self.draw_where()
        try:
            opened = await in_thread(partial(open_set, spec, base, again=again))
        except UnknownShapeError as error:
            self.importing = ""
            self._offer_columns(error, spec, base, other=other or self.is_other)
            return
        except SmoltuiError as error:
            self.importing = ""
            self.draw_where()
            self.say(error)
            return
        self.importing = ""
        self.follows_project, self.is_other = self.follows_project and not other, other or self.is_other
        self.take(opened, self.index if again else 0, again=again)

    def take(self, opened: PairSet | None, index: int = 0, *, again: bool = False) -> None:
        """Shows another set, and forgets what was known of the one before. `again` imports it anew."""
        for group in ("import", "find", "audit", "tokens", "histogram"):
            self.workers.cancel_group(self, group)
        self.opened, self.pair, self.importing, self.told_changed = opened, None, "", False
        self.forget()
        self.search = self.rows = self.tokens = None
        self.rows_are, self.order = "", ("row", False)
        self.show_status(False)
        self.draw_where()
        if opened is None:
            return
        self.look_at_decisions()
        self.show_view("pair")
        reads = again or not opened.complete
        self.importing = "reading" if reads else ""  # said with the first pair, before the import has begun
        self.go(min(index, max(len(opened) - 1, 0)))
        if again and index >= len(opened):
            self.back_to = index  # until then the last that can be read
        if reads:
            self._import(opened, again)
        else:
            self.imported()

    @work(exclusive=True, group="import")
    async def _import(self, opened: PairSet, again: bool) -> None:
        try:
            async with aclosing(import_in_child(opened, again=again)) as steps:
                async for rows in steps:
                    total = opened.total
                    self.importing = f"reading {rows / total:.0%}" if total else f"reading, {rows:,} so far"
                    self.draw_where()
                    self.grown()
        except SmoltuiError as error:
            self.importing = ""
            self.draw_where()
            self.say(error)
            return
        if self.opened is not opened or not self.query("#pairs-where"):
            return  # another set was opened, or the app is being left
        self.importing = ""
        self.draw_where()
        self.grown()
        self.imported()

    def forget(self) -> None:
        """Another set is shown: what was found out about the one before is not true of it."""
        raise NotImplementedError

    def grown(self) -> None:
        """More of the set has been imported."""
        raise NotImplementedError

    def imported(self) -> None:
        """All of the set is in the store."""
        raise NotImplementedError

    # -- what changes outside

    @work(exclusive=True, group="watch")
    async def look_outside(self) -> None:
        """Looks whether the files of the set or the decisions were written by somebody else."""
        opened = self.opened
        self.draw_where()
        if opened is None:
            return
        self.look_at_decisions()
        if not self.told_changed and (sentence := await in_thread(opened.changed)) and opened is self.opened:
            self.told_changed = True
            self.say(f"{sentence}. r reads it again", severity="warning")

    def look_at_decisions(self) -> None:
        """Takes over what curation.jsonl says now; says so when it cannot be read."""
        if not self.decisions.changed():
            return
        before = self.curation
        try:
            self.curation = self.decisions.load()
        except SmoltuiError as error:
            self.say(error)
            return
        if self.curation.unreadable and not before.unreadable:
            self.say(
                f"{self.curation.unreadable} lines of {self.decisions.path.name} cannot be read; they stay as they are",
                severity="warning",
            )
        if before.decisions != self.curation.decisions and self.pair is not None:
            self.draw_pair()

    def action_reload(self) -> None:
        """Reads the set anew, whatever the cache holds."""
        if self.opened is not None:
            self.open_other(self.opened.spec, self.opened.base, again=True)
        elif self.follows_project:
            self.open_project()

    def action_split(self) -> None:
        opened = self.opened
        assert opened is not None
        splits = opened.splits
        now = opened.split.split("[")[0]
        following = splits[(splits.index(now) + 1) % len(splits)] if now in splits else splits[0]
        self.follows_project = False
        self.open_other(replace(opened.spec, split=following), opened.base)

    def action_ask_source(self) -> None:
        self.ask("open a file, folder, glob or Hub id:", "empty: the recipe's pairs", self._open_typed)

    def _open_typed(self, text: str) -> None:
        if text:
            self.open_other(*typed_spec(text, self.smoltui.project.folder), other=True)
        elif not self.follows_project:
            self.follows_project, self.is_other, self.own = True, False, None
            self.open_project()

    # -- a set of no known shape

    def _offer_columns(self, error: UnknownShapeError, spec: PairsSpec, base: Path, *, other: bool) -> None:
        """Asks which column is what, with the first pair as it would be read."""
        self.take(None)
        self.mapped = (spec, base, other)
        form = self.query_one(MappingForm)
        form.offer(str(error), error.columns, partial(preview, error.rows), guess_columns(error.rows))
        self.show_view("mapping")
        form.focus()

    @on(MappingForm.Accepted)
    def _columns_chosen(self, event: MappingForm.Accepted) -> None:
        event.stop()
        if self.mapped is None:
            return
        spec, base, other = self.mapped
        project = self.smoltui.project
        if not other:  # the project's own set: smoltui.toml keeps what was chosen
            try:
                set_pair_columns(project, event.mapping)
            except SmoltuiError as error:
                self.say(error)
                return
            self.open_project()
        else:
            self.open_other(replace(spec, columns=event.mapping), base, other=True)
