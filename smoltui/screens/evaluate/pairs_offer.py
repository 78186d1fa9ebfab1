"""Export of pairs from a full-screen view, and what to do with them next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from textual import work

from smoltui.backends.pairs.export import MANIFEST, Exported
from smoltui.backends.pairs.export_files import Kind
from smoltui.backends.project.recipe_pairs import train_on
from smoltui.backends.system.paths import expanded
from smoltui.backends.system.threads import in_thread
from smoltui.core.pairs.curation import HoldOut, share_and_seed
from smoltui.errors import InputError, SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.dialogs import Choose, Confirm
from smoltui.screens.explaining import Explains
from smoltui.screens.modal import Modal
from smoltui.widgets.ask_line import AskLine
from smoltui.workspace import Workspace, workspace_of


@dataclass(frozen=True, slots=True)
class How:
    """How pairs are exported."""

    kind: Kind = "jsonl"
    hold_out: HoldOut | None = None
    """None: all of them are for training."""
    overwrite: bool = False
    """Whether an existing export is replaced."""


Export = Callable[[Path, How], Exported]
"""Writes pairs into a folder. Blocks."""


class PairsOffer(Modal[None], Explains[None]):
    """Base of the views that make pairs. A subclass composes an `AskLine` and implements `tell`."""

    @property
    def workspace(self) -> Workspace:
        """What the rooms share."""
        return workspace_of(self.app)

    def tell(self, text: str) -> None:
        """Shows a sentence in the view's status line."""
        raise NotImplementedError

    def ask_export(self, suggested: str, export: Export) -> None:
        """Asks for a folder in the project, and exports to it."""
        line = self.query_one(AskLine)
        line.ask(
            "export to folder:", "a name ending in .parquet writes Parquet", partial(self._typed, export), suggested
        )

    def _typed(self, export: Export, text: str) -> None:
        if text:
            folder = (self.workspace.project.folder / expanded(text.removesuffix(".parquet"))).absolute()
            kind: Kind = "parquet" if text.endswith(".parquet") else "jsonl"
            self._ask_hold_out(partial(self._held_out, export, folder, kind))

    def _ask_hold_out(self, answered: Callable[[str], object], value: str = "0") -> None:
        hint = "0.1, or 0.1 seed 7; 0 holds out none"
        self.query_one(AskLine).ask("share of the prompts to hold out:", hint, answered, value)

    def _held_out(self, export: Export, folder: Path, kind: Kind, text: str) -> None:
        try:
            share, seed = share_and_seed(text or "0")
        except InputError as error:
            self.tell(f"{error.message} {error.hint}")
            self._ask_hold_out(partial(self._held_out, export, folder, kind), text)
            return
        self._export(export, folder, How(kind, HoldOut(share, seed) if share else None))

    @work(exclusive=True, group="export")
    async def _export(self, export: Export, folder: Path, how: How) -> None:
        self.tell(f"Exporting to {folder.name}…")
        try:
            made = await in_thread(partial(export, folder, how))
        except SmoltuiError as error:
            self.tell(f"{error.message} {error.hint}")
            if not how.overwrite and (folder / MANIFEST).is_file():
                asked = Confirm(f"{folder.name} already holds an export. Replace it?", str(folder), yes="replace")
                if await self.app.push_screen_wait(asked):
                    self._export(export, folder, replace(how, overwrite=True))
            return
        left = sum(made.left_out.values())
        gone = f"; {left} left out (the card says why)" if left else ""
        test = f", {made.test} held out," if made.test else ""
        are = "pair is" if made.train == 1 and not made.test else "pairs are"
        told = f"{made.train}{test} {are} in {safe_line(folder.name, 60)}{gone}."
        self.tell(told)
        choices = {"o": "open them in Pairs", "t": "train on them: recipe.yaml gets this dataset_name"}
        key = await self.app.push_screen_wait(Choose(told, choices))
        if key == "o":
            self.dismiss()
            self.app.call_after_refresh(self.workspace.open_pairs, str(folder))
        elif key == "t":
            await self._train_on(folder, has_test=bool(made.test))

    async def _train_on(self, folder: Path, *, has_test: bool) -> None:
        try:
            changed = await in_thread(partial(train_on, self.workspace.project, folder, has_test=has_test))
        except SmoltuiError as error:
            self.tell(f"{error.message} {error.hint}")
            return
        self.dismiss()
        said = f"recipe.yaml: {safe_line(', '.join(changed), 300)}." if changed else "recipe.yaml is unchanged."
        self.app.call_after_refresh(self.workspace.open_room, "recipe")
        self.app.call_after_refresh(self.workspace.say, f"{said} Press t to train on these pairs.")
