"""Decisions about one pair or about all matches, with undo; the held-out split; the export."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container

from smoltui.backends.pairs.decisions import NOTHING_TO_UNDO
from smoltui.backends.pairs.export import MANIFEST, Exported
from smoltui.backends.pairs.export_files import Kind
from smoltui.backends.pairs.session import Here, PairsSession
from smoltui.backends.system.paths import expanded
from smoltui.core.pairs.curation import DEFAULT_SEED, DEFAULT_SHARE, Decision, share_and_seed
from smoltui.errors import InputError, SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.dialogs import Choose, Confirm
from smoltui.screens.pairs.pane import Host, here_or_tell, tell
from smoltui.screens.pairs.set_view import SetView
from smoltui.widgets.actions import Refusing, bindings
from smoltui.widgets.unpainted import Unpainted

LOCKED_SECONDS = 0.5
"""If writing a decision takes longer, another program has locked the file, and a message says so."""
ACTS: dict[str, tuple[str, str, str]] = {
    "x": ("exclude", "exclude", "They are left out of every training run of this project."),
    "i": ("include", "include again", "They are used in training again."),
    "X": ("swap", "swap", "Chosen and rejected are swapped in training."),
    "W": ("unswap", "swap back", "Chosen and rejected are used in training as the set has them."),
    "p": ("pin", "pin", "Find them with: where pinned."),
    "P": ("unpin", "unpin", "They are no longer pinned."),
}
"""Key in the dialog → act, its name in the dialog, its effect."""


class CurationView(Refusing, Unpainted, Container):
    """An opened set, with the keys for decisions, which work in every pane."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("decide")

    _said_locked = False

    def __init__(self, view: SetView) -> None:
        super().__init__(id="pairs-set")
        self._view = view

    def compose(self) -> ComposeResult:
        yield self._view

    @property
    def host(self) -> Host:
        return cast("Host", self.screen)

    @property
    def session(self) -> PairsSession:
        return self._view.session

    # -- deciding

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        if action in ("decide", "ask_note") and self._view.view not in ("pair", "list", "tokens"):
            return "This is about one pair: press q to return to it"
        if action == "bulk" and not self.session.rows:
            return "Nothing to apply to. Search (/) or open an audit finding first"
        return super().why_not(action, parameters)

    def action_decide(self, act: str) -> None:
        """Excludes, swaps or pins the pair; reverts that if it already applies."""
        if (here := here_or_tell(self.host, self.session)) is not None:
            self._write(self.session.decide(act, here), lambda decisions: None)

    def action_ask_note(self) -> None:
        if (here := here_or_tell(self.host, self.session)) is not None:
            known = self.session.curation.notes.get(here.key, "")
            self.host.ask("note:", "empty removes it", partial(self._note, here), known)

    def _note(self, here: Here, text: str) -> None:
        self._write(self.session.note(here, text), lambda decisions: None)

    def action_undo(self) -> None:
        """Undoes the last decision made since the app was opened, or that the set was made the recipe's."""
        if self.host.undo_use():
            return
        if not self.session.decisions.can_undo:
            self.host.say(f"There is nothing to undo. {NOTHING_TO_UNDO}")
            return
        self._write(self.session.decisions.undo(), lambda decisions: self._moved("Undone", decisions, "ctrl+r redoes"))

    def action_redo(self) -> None:
        """Makes the decision again that was undone last."""
        if not self.session.decisions.can_redo:
            self.host.say("There is nothing to redo. Redo brings back what u has undone.")
            return
        self._write(self.session.decisions.redo(), lambda decisions: self._moved("Redone", decisions, "u undoes"))

    def _moved(self, word: str, decisions: Sequence[Decision], key: str) -> None:
        """Says what was undone or redone, and the key for the other way."""
        of = f" of {len(decisions):,} pairs" if len(decisions) > 1 else ""
        if not of and decisions[0].shows:  # it may not be the pair that is shown
            of = f": {safe_line(decisions[0].shows, 40)}"
        self.host.say(f"{word}: {decisions[0].act.replace('_', ' ')}{of} · {key}")

    @work(group="decide")
    async def _write(
        self, writing: Awaitable[Sequence[Decision]], written: Callable[[Sequence[Decision]], object]
    ) -> None:
        """Writes decisions in the background; if that takes long, says which program has locked the file."""
        saying = self.set_timer(LOCKED_SECONDS, self._say_locked)
        try:
            decisions = await writing
        except SmoltuiError as error:
            tell(self.host, error)
            decisions = []
        finally:
            saying.stop()
        if not self.session.decisions.waiting:
            self._said_locked = False
        if decisions:
            written(decisions)
        self._view.draw_decided()

    @work(exclusive=True, group="locked")
    async def _say_locked(self) -> None:
        if self._said_locked:
            return
        self._said_locked = True
        self.host.draw_where()
        decisions = self.session.decisions
        who = await decisions.holder() or "another program"
        if decisions.waiting:
            self.host.say(f"Waiting for {decisions.NAME}: {who} has it locked", severity="warning")

    @property
    def locked(self) -> int:
        """Number of decisions waiting for another program to release the file; 0 until that was announced."""
        return self.session.decisions.waiting if self._said_locked else 0

    def action_bulk(self) -> None:
        """Offers to apply one act to all matches."""
        rows, matches = self.session.rows or (), self.session.matches
        reason = matches.reason if matches is not None else ""
        choices = {key: words for key, (_, words, _) in ACTS.items()}
        asked = Choose(f"{len(rows):,} pairs: {reason}" if reason else f"All {len(rows):,} pairs", choices)
        self.app.push_screen(asked, partial(self._bulk_chosen, list(rows), reason))

    def _bulk_chosen(self, rows: Sequence[int], reason: str, key: str | None) -> None:
        if key is None:
            return
        act, words, consequence = ACTS[key]
        told = f"{reason}\n\n{consequence} u undoes it." if reason else f"{consequence} u undoes it."

        def answered(yes: bool | None) -> None:
            if yes:
                self._write(self.session.decide_all(act, rows, reason), partial(self._decided_all, act))

        self.app.push_screen(Confirm(f"{words.capitalize()} {len(rows):,} pairs?", told, yes=words), answered)

    def _decided_all(self, act: str, decisions: Sequence[Decision]) -> None:
        self.host.say(f"{act}: {len(decisions):,} pairs. u undoes it")

    def action_ask_hold_out(self) -> None:
        held = self.session.curation.hold_out(self.session.opened.label)
        value = f"{(held.share if held else DEFAULT_SHARE):.4g}"
        if held and held.seed != DEFAULT_SEED:
            value += f" seed {held.seed}"
        self.host.ask(
            "share of the prompts to hold out:", "0.05, or 0.05 seed 7; 0 holds out none", self._hold_out, value
        )

    def _hold_out(self, text: str) -> None:
        if not text:
            return
        try:
            share, seed = share_and_seed(text)
        except InputError as error:
            self.host.say(error)
            return
        session = self.session
        self._write(session.hold_out(share, seed), lambda decisions: self._count_held_out(session, share, seed))

    @work(exclusive=True, group="held out")
    async def _count_held_out(self, session: PairsSession, share: float, seed: int) -> None:
        if not share:
            return
        try:
            pairs, prompts = await session.count_held_out(share, seed)
        except SmoltuiError as error:
            tell(self.host, error)
            return
        self.host.say(
            f"{pairs:,} pairs of {prompts:,} prompts are held out (seed {seed}); no prompt appears in both splits"
        )

    # -- export

    def action_ask_export(self) -> None:
        try:
            self.session.whole()
        except SmoltuiError as error:
            tell(self.host, error)
            return
        self.host.ask("export to folder:", "a name ending in .parquet writes Parquet", self._export_to, "curated")

    def _export_to(self, text: str) -> None:
        if text and (project := self.session.project) is not None:
            folder = (project.folder / expanded(text.removesuffix(".parquet"))).absolute()
            self._export(self.session, folder, "parquet" if text.endswith(".parquet") else "jsonl", overwrite=False)

    @work(exclusive=True, group="export")
    async def _export(self, session: PairsSession, folder: Path, kind: Kind, *, overwrite: bool) -> None:
        self.host.say(f"Exporting to {folder.name} …")
        try:
            made = await session.export(folder, kind, overwrite=overwrite)
        except SmoltuiError as error:
            if overwrite or not (folder / MANIFEST).is_file():
                tell(self.host, error)
                return
            asked = Confirm(f"{folder.name} already holds an export. Replace it?", str(folder), yes="replace")
            if await self.app.push_screen_wait(asked):
                self._export(session, folder, kind, overwrite=True)
            return
        base = session.project.folder if session.project is not None else folder.parent
        self.host.say(_exported(made, base, of_recipe=not session.is_other))


def _exported(made: Exported, project: Path, *, of_recipe: bool) -> str:
    """What was exported, and how to train on it. `of_recipe`: `t` trains on the same pairs anyway."""
    folder = made.folder.relative_to(project) if made.folder.is_relative_to(project) else made.folder
    held = f", {made.test:,} held out" if made.test else ""
    gone = made.excluded + sum(made.left_out.values())
    left = f", {gone:,} left out (its card says why)" if gone else ""
    use = "t trains on these pairs; so does" if of_recipe else "To train on them, set in the recipe"
    where = safe_line(str(folder), 120)
    return f"{made.train:,} pairs{held}{left} are in {where}, hash {made.hash[:12]}. {use} dataset_name: {where}"
