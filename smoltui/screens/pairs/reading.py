"""Reading pair by pair: moving, white space made visible, what the trainer sees, copying and paging."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from textual import work

from smoltui.backends.pairs.token_service import TokenService, open_tokenizer
from smoltui.backends.project.project import Project
from smoltui.backends.system.threads import in_thread
from smoltui.core.pairs.curation import held_out
from smoltui.core.pairs.facts import sound
from smoltui.core.pairs.preference import Pair, pair_json
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe, safe_line
from smoltui.screens.editing import page_text
from smoltui.screens.pairs.base import LOAD_AFTER_SECONDS
from smoltui.screens.pairs.measuring import Measuring
from smoltui.widgets.audit_list import AuditList
from smoltui.widgets.pair_list import PairList
from smoltui.widgets.pair_view import SWAPPED, Mark, PairView
from smoltui.widgets.trainer_view import TrainerPane


class Reading(Measuring):
    """The view of one pair."""

    wanted: int | None = None
    """A row that was asked for and is not read in yet."""

    # -- moving

    def go(self, index: int) -> None:
        opened = self.opened
        assert opened is not None
        total = opened.total
        index = max(0, min(index, (total if total is not None else len(opened)) - 1))
        self.wanted = self.back_to = None
        if index >= len(opened):
            self.wanted = index
            self.say(f"Pair {index + 1:,} is not read in yet: it shows when it is ({self.importing or 'not reading'})")
            return
        self.index = index
        if self.view not in ("pair", "trainer"):
            self.show_view("pair")
        self.draw_pair()

    def draw_pair(self) -> None:
        opened = self.opened
        if opened is None:
            return
        if (known := self.known_pair()) is None:
            return
        key, pair = known
        pattern = self.search.query.pattern() if self.search is not None else None
        tokens, cuts, refused = self.measure(key, pair) or (None, None, "")
        self.query_one(PairView).show(
            pair, pattern or "", tokens=tokens, cuts=cuts, refused=refused, marks=self._marks(key)
        )
        if key in self.curation.swapped:  # as it will be trained
            pair = replace(pair, chosen=pair.rejected, rejected=pair.chosen)
        self.pair = pair
        if self.view == "trainer":
            self.draw_trainer()
        self.draw_where()
        self.draw_status()

    def _marks(self, key: str) -> list[Mark]:
        """What was decided about the pair."""
        known, marks = self.curation, []
        if key in known.excluded:
            marks.append(Mark("excluded", known.reasons.get(key, "")))
        if key in known.swapped:
            marks.append(Mark(SWAPPED))
        if key in known.pinned:
            marks.append(Mark("pinned"))
        if note := known.notes.get(key):
            marks.append(Mark("note", note))
        if self._is_held_out():
            marks.append(Mark("held out"))
        return marks

    def _is_held_out(self) -> bool:
        """The carved split holds the prompt of the pair out."""
        opened = self.opened
        held = self.curation.hold_out(opened.label) if opened is not None else None
        if held is None or opened is None or opened.store is None or self.index >= len(opened.store):
            return False
        prompt = opened.store.fact(self.index, "prompt_hash")
        return prompt is not None and held_out(prompt, held.seed, held.share)

    def action_step(self, by: int) -> None:
        """To the next pair, or in the list to the next line."""
        if self.view == "list":
            self.query_one(PairList).page(by)
        elif self.wanted is None and self.opened is not None and 0 <= self.index + by < (self.opened.total or 1 << 60):
            self.go(self.index + by)

    def action_last(self) -> None:
        if self.view == "list":
            self.query_one(PairList).go(1 << 60)
        elif self.opened is not None:
            self.go((self.opened.total or len(self.opened)) - 1)

    def action_random(self) -> None:
        if self.opened is not None and len(self.opened) > 1:
            self.go(random.randrange(len(self.opened)))

    def action_ask_number(self) -> None:
        self.ask("go to pair:", "a number", self._go_to)

    def _go_to(self, text: str) -> None:
        if not text or self.opened is None:
            return
        number = int(text.replace(",", "")) if text.replace(",", "").isdecimal() and text.isascii() else 0
        most = self.opened.total or len(self.opened)
        if 1 <= number <= most:
            self.go(number - 1)
        else:
            self.say(f"Pairs here go from 1 to {most:,}: {text}", severity="warning")

    def action_scroll(self, lines: int, pages: int) -> None:
        """Moves the text, or the cursor where there is a list."""
        if self.view == "list":
            found = self.query_one(PairList)
            found.page(pages) if pages else found.move(lines)
        elif self.view == "audit":
            self.query_one(AuditList).move(lines + 10 * pages)
        elif self.view == "trainer":
            self.query_one(TrainerPane).scroll_by(lines, pages)
        else:
            self.query_one(PairView).scroll_by(lines, pages)

    def action_pane(self) -> None:
        if self.view == "pair" and not self.asking and self.pair is not None and self.pair.readable:
            self.query_one(PairView).switch_pane()

    def action_whitespace(self) -> None:
        view = self.query_one(PairView)
        view.show_whitespace = not view.show_whitespace

    # -- what the trainer sees

    def action_trainer(self) -> None:
        """The pair as it is trained on, and back."""
        if self.view == "trainer":
            self.show_view("pair")
            return
        if self.tokenizer is None:
            self.load_tokenizer(show=True)
            return
        self.show_view("trainer")
        self.draw_trainer()

    @work(exclusive=True, group="tokenizer")
    async def load_tokenizer(self, show: bool = False) -> None:
        """The recipe's tokenizer, once; quietly where nobody asked for it."""
        if not show:
            await self.smoltui.at_rest(LOAD_AFTER_SECONDS)
        values = dict(self.recipe_values())
        if show:
            self.say(f"Loading the tokenizer: {safe_line(str(values.get('model_name_or_path', '')), 120)} …")
        unwanted = threading.Event()
        try:
            loaded = await in_thread(partial(_opened, self.smoltui.project, values, unwanted), abandon=unwanted.set)
        except SmoltuiError as error:
            self.tokenizer_problem = error
            if show:
                self.say(error)
            return
        self.drop_tokenizer()
        self.tokenizer = loaded.limited(self.recipe_values())  # which may have changed meanwhile
        if self.pair is not None:
            if show:
                self.show_view("trainer")
            self.draw_pair()

    # -- taking along

    def _as_text(self) -> str | None:
        return None if self.pair is None else sound(json.dumps(pair_json(self.pair), ensure_ascii=False, indent=2))

    def action_copy(self) -> None:
        if (text := self._as_text()) is not None:
            self.app.copy_to_clipboard(text)
            self.say(f"Pair {self.index + 1:,} is copied as JSON, where the terminal allows it (OSC 52)")

    def action_page(self) -> None:
        if self.pair is None:
            return
        page_text(self, readable_text(self.pair))


def _opened(project: Project, values: Mapping[str, object], unwanted: threading.Event) -> TokenService:
    """The tokenizer in a child, which is ended at once where nobody waits for it any more."""
    tokenizer = open_tokenizer(project, values)
    if unwanted.is_set():
        tokenizer.close()
    return tokenizer


def readable_text(pair: Pair) -> str:
    """A pair as plain text for a pager, foreign characters made safe."""
    parts = [f"pair {pair.index + 1}"]
    if pair.problem:
        parts.append(f"! {safe(pair.problem, None)}")
    if not pair.readable:
        parts.append(safe(pair.raw, None))
    for turn in pair.prompt:
        parts.append(f"[{turn.role}]\n{safe(turn.content, None)}")
    for side in ("chosen", "rejected"):
        for turn in getattr(pair, side):
            parts.append(f"--- {side} ---\n{safe(turn.content, None)}")
    return "\n\n".join(parts) + "\n"
