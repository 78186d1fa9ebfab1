"""Deciding about pairs: one by key, or all that were found; undoing; the held-out split; the export."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import work

from smoltui.backends.pairs.export import MANIFEST, Exported, Kind
from smoltui.backends.pairs.opened_set import PairSet
from smoltui.backends.pairs.set_export import export_set
from smoltui.backends.pairs.store import FACTS, gone
from smoltui.backends.system.paths import expanded
from smoltui.backends.system.threads import in_thread
from smoltui.core.pairs.curation import DEFAULT_SEED, DEFAULT_SHARE, Curation, Decision, held_out, inverse, shown
from smoltui.core.pairs.preference import Pair
from smoltui.errors import InputError, SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.dialogs import Choose, Confirm
from smoltui.screens.pairs.base import PairsBase

ACTS: dict[str, tuple[str, str, str]] = {
    "x": ("exclude", "exclude", "They are left out of every training of this project."),
    "i": ("include", "include again", "They are trained on again."),
    "X": ("swap", "swap", "Chosen and rejected are exchanged when they are trained on."),
    "W": ("unswap", "swap back", "Chosen and rejected are trained on as the set has them."),
    "p": ("pin", "pin", "A mark to find them by: where pinned."),
    "P": ("unpin", "unpin", "The mark is taken off."),
}
"""Key of the dialog → act, its words, what it does."""


class Curating(PairsBase):
    """Decisions, each a line in curation.jsonl."""

    undoable: list[tuple[list[Decision], Curation]]
    """What was decided here, with the state before it, the latest last."""
    _OPPOSITE: ClassVar[dict[str, str]] = {"exclude": "include", "swap": "unswap", "pin": "unpin"}

    # -- one pair

    def action_decide(self, act: str) -> None:
        """Excludes, swaps or pins the pair, or takes that back when it is so already."""
        if (found := self.known_pair()) is None:
            return
        (key, pair), known = found, self.curation
        already = {"exclude": known.excluded, "swap": known.swapped, "pin": known.pinned}[act]
        done = self._OPPOSITE[act] if key in already else act
        found_there = self.rows is not None and self.index in self.rows
        why = self.rows_are if done == "exclude" and found_there and self.rows_are else None
        self._write([Decision(done, key, why=why, shows=shown(pair))])

    def action_ask_note(self) -> None:
        if (found := self.known_pair()) is not None:
            key, pair = found
            self.ask("note:", "empty: no note", partial(self._note, key, pair), self.curation.notes.get(key, ""))

    def _note(self, key: str, pair: Pair, text: str) -> None:
        if text != self.curation.notes.get(key, ""):
            self._write([Decision("note", key, note=text, shows=shown(pair))])

    def _write(self, decisions: list[Decision]) -> None:
        """Appends a few decisions: a write of some hundred bytes, on the UI thread so that the key has its effect."""
        before = self.curation
        try:
            self.curation = self.decisions.append(decisions)
        except SmoltuiError as error:
            self.say(error)
            return
        self.undoable.append((decisions, before))
        self.decided()

    def decided(self) -> None:
        """Something was decided: what shows it is drawn anew."""
        raise NotImplementedError

    # -- undoing

    def action_undo(self) -> None:
        """Takes back what was decided last, here and since the app was opened."""
        if not self.undoable:
            self.say("There is nothing to undo. Lines of curation.jsonl can be taken out by hand, or with git")
            return
        self._undo(*self.undoable.pop())

    @work(group="decide")
    async def _undo(self, decisions: list[Decision], before: Curation) -> None:
        try:
            back = await in_thread(partial(inverse, decisions, before))
            self.curation = await in_thread(partial(self.decisions.append, back))
        except SmoltuiError as error:
            self.undoable.append((decisions, before))
            self.say(error)
            return
        self.decided()
        what = decisions[0].act.replace("_", " ")
        of = f" of {len(decisions):,} pairs" if len(decisions) > 1 else ""
        if not of and decisions[0].shows:  # it may be another pair than the one that is shown
            of = f": {safe_line(decisions[0].shows, 40)}"
        self.say(f"Undone, {what}{of}")

    # -- all that were found

    def action_bulk(self) -> None:
        """One act for all rows that were found."""
        rows = self.rows
        if not rows:
            self.say("Search first, or take the pairs of a finding: b is for all of them", severity="warning")
            return
        choices = {key: words for key, (_, words, _) in ACTS.items()}
        self.app.push_screen(Choose(f"All {len(rows):,} pairs: {self.rows_are}", choices), self._bulk_chosen)

    def _bulk_chosen(self, key: str | None) -> None:
        rows, opened = self.rows, self.opened
        if key is None or not rows or opened is None:
            return
        act, words, consequence = ACTS[key]
        asked = Confirm(
            f"{words.capitalize()} {len(rows):,} pairs?", f"{self.rows_are}\n\n{consequence} u undoes it.", yes=words
        )

        def answered(yes: bool | None) -> None:
            if yes:
                self.decide_all(act, list(rows), self.rows_are)

        self.app.push_screen(asked, answered)

    @work(group="decide")
    async def decide_all(self, act: str, rows: Sequence[int], why: str) -> None:
        """One act for many rows, written at once."""
        opened = self.opened
        if opened is None:
            return
        before = self.curation
        try:
            decisions = await in_thread(partial(_decisions, opened, act, rows, why))
            self.curation = await in_thread(partial(self.decisions.append, decisions))
        except SmoltuiError as error:
            self.say(error)
            return
        self.undoable.append((decisions, before))
        self.decided()
        self.say(f"{act}: {len(decisions):,} pairs. u undoes it")

    # -- held out

    def action_ask_hold_out(self) -> None:
        opened = self.opened
        if opened is None:
            return
        held = self.curation.hold_out(opened.label)
        value = f"{(held.share if held else DEFAULT_SHARE):.4g}" + (
            f" seed {held.seed}" if held and held.seed != DEFAULT_SEED else ""
        )
        self.ask("hold out this share of the prompts:", "0.05, or 0.05 seed 7; 0 holds out none", self._hold_out, value)

    def _hold_out(self, text: str) -> None:
        opened = self.opened
        if opened is None or not text:
            return
        try:
            share, seed = _share_and_seed(text)
        except InputError as error:
            self.say(error)
            return
        self._write([Decision("hold_out", of=opened.label, share=share, seed=seed)])
        if share:
            self._count_held_out(share, seed)

    @work(exclusive=True, group="held out")
    async def _count_held_out(self, share: float, seed: int) -> None:
        opened = self.opened
        if opened is None or opened.store is None:
            return
        try:
            pairs, prompts = await in_thread(partial(_count_held, opened, share, seed))
        except SmoltuiError as error:
            self.say(error)
            return
        self.say(f"{pairs:,} pairs of {prompts:,} prompts are held out (seed {seed}); no prompt is on both sides")

    # -- export

    def action_ask_export(self) -> None:
        if self.opened is None:
            return
        if not self.opened.complete:
            self.say("The set is still being read: export when it is read whole", severity="warning")
            return
        self.ask("export to the folder:", "a name ending in .parquet writes Parquet", self._export_to, "curated")

    def _export_to(self, text: str) -> None:
        if text:
            folder = (self.smoltui.project.folder / expanded(text.removesuffix(".parquet"))).absolute()
            self._export(folder, "parquet" if text.endswith(".parquet") else "jsonl", overwrite=False)

    @work(exclusive=True, group="export")
    async def _export(self, folder: Path, kind: Kind, *, overwrite: bool) -> None:
        opened = self.opened
        assert opened is not None
        stop = threading.Event()
        self.say(f"Exporting to {folder.name} …")
        write = partial(
            export_set, opened, self.curation, folder, kind=kind, overwrite=overwrite, stopped=stop.is_set
        )  # fmt: skip
        try:
            made = await in_thread(write, abandon=stop.set)
        except SmoltuiError as error:
            if overwrite or not (folder / MANIFEST).is_file():
                self.say(error)
                return
            asked = Confirm(f"{folder.name} holds an export already. Replace it?", str(folder), yes="replace")
            if await self.app.push_screen_wait(asked):
                self._export(folder, kind, overwrite=True)
            return
        if made is not None:
            self.say(_exported(made, self.smoltui.project.folder, of_recipe=not self.is_other))


def _exported(made: Exported, project: Path, *, of_recipe: bool) -> str:
    """What was written, and how to train on it. `of_recipe`: t trains on the same pairs as it is."""
    folder = made.folder.relative_to(project) if made.folder.is_relative_to(project) else made.folder
    held = f", {made.test:,} held out" if made.test else ""
    gone = made.excluded + sum(made.left_out.values())
    left = f", {gone:,} left out (its card says why)" if gone else ""
    use = "t trains on these pairs; so does" if of_recipe else "To train on them, say in the recipe"
    where = safe_line(str(folder), 120)
    return f"{made.train:,} pairs{held}{left} are in {where}, hash {made.hash[:12]}. {use} dataset_name: {where}"


def _decisions(opened: PairSet, act: str, rows: Sequence[int], why: str) -> list[Decision]:
    reason = why if act == "exclude" and why else None
    return [Decision(act, opened.hash(row), why=reason, shows=shown(opened.pair(row))) for row in rows]


def _share_and_seed(text: str) -> tuple[float, int]:
    """`0.05`, `5%`, `0.05 seed 7` → share and seed.

    Raises:
        InputError: anything else.
    """
    words = text.replace("seed", " ").split()
    try:
        share = float(words[0].rstrip("%")) / (100 if words[0].endswith("%") else 1)
        seed = int(words[1]) if len(words) > 1 else DEFAULT_SEED
    except (ValueError, IndexError):
        share, seed = -1.0, 0
    if not 0 <= share < 1 or len(words) > 2:
        raise InputError(f"This is not a share from 0 to 1: {text}", "Write 0.05, 5% or 0.05 seed 7.")
    return share, seed


def _count_held(opened: PairSet, share: float, seed: int) -> tuple[int, int]:
    """Pairs and prompts that such a split holds out of a set."""
    store = opened.store
    assert store is not None
    try:
        column = store.tables(FACTS, ["prompt_hash"]).column("prompt_hash").to_pylist()
    except FileNotFoundError as error:
        raise gone(store.folder) from error
    held = [value for value in column if value is not None and held_out(value, seed, share)]
    return len(held), len(set(held))
