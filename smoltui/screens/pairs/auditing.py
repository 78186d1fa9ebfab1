"""The audit: what is wrong with a whole set, each finding with its pairs and the act that mends it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from textual import work

from smoltui.backends.pairs.audit import Asked, audit_request, load_audit, save_reports
from smoltui.backends.pairs.opened_set import PairSet, ask_child, import_in_child, open_set
from smoltui.backends.pairs.search import Search
from smoltui.backends.pairs.store import AUDIT, tokens_kind
from smoltui.backends.system.threads import in_thread
from smoltui.core.pairs.audit import Audit
from smoltui.core.pairs.curation import marks_of
from smoltui.core.pairs.query import PairQuery
from smoltui.errors import SmoltuiError
from smoltui.screens.pairs.base import PairsBase
from smoltui.widgets.audit_list import AuditList, FindingRow

COUNTED_BY_ITSELF = 20_000
"""Pairs up to which tokens are counted without being asked for: some seconds of work."""


class Auditing(PairsBase):
    """The report and what leads out of it."""

    audit: Audit | None = None
    audit_progress = ""

    def action_audit(self) -> None:
        """The report, made when it is first asked for; and back to the pair."""
        if self.view == "audit":
            self.show_view("pair")
            self.draw_pair()
            return
        if self.opened is None:
            return
        self.show_view("audit")
        self._draw_audit()
        if self.audit is None:
            self._make_audit()

    def action_audit_again(self) -> None:
        if self.opened is not None:
            self.show_view("audit")
            self.forget_audit()

    def forget_audit(self) -> None:
        """It is not true any more: made anew where it is looked at, else when it is asked for."""
        self.workers.cancel_group(self, "audit")
        self.audit = None
        if self.view == "audit":
            self._make_audit()

    @work(exclusive=True, group="audit")
    async def _make_audit(self) -> None:
        opened = self.opened
        assert opened is not None
        while self.importing:  # the pass is over the whole set
            self.audit_progress = f"waiting for the set: {self.importing}"
            self._draw_audit()
            await asyncio.sleep(0.2)
        if opened.store is None or not opened.complete:
            self.audit_progress = "The set could not be read whole: r reads it again"
            self._draw_audit()
            return
        self.audit_progress = "looking at the pairs"
        self._draw_audit()
        try:
            asked = Asked(
                store=opened.folder, max_length=self.max_length, tokens=self.tokens,
                project=self.smoltui.project.folder, held_out=await self._held_out_split(opened),
            )  # fmt: skip
            arguments = await in_thread(partial(audit_request, asked))
            async with aclosing(ask_child("smoltui.backends.pairs.audit", arguments)) as lines:
                async for line in lines:
                    if "progress" in line:
                        self.audit_progress = f"looking at the pairs: {line['progress']:,} of {line['of']:,}"
                        self._draw_audit()
            self.audit = await in_thread(partial(load_audit, opened.folder))
        except SmoltuiError as error:
            self.audit_progress = "stopped"
            self.say(error)
            self._draw_audit()
            return
        opened.store.forget(AUDIT)
        self.audit_progress = ""
        self.forget_flagged()
        self._draw_audit()

    async def _held_out_split(self, opened: PairSet) -> Path | None:
        """The folder of the split that the recipe evaluates on, imported; None when there is none beside this one.

        Raises:
            PairsError, ServiceError, InputError: as it is opened and imported.
        """
        values = self.recipe_values()
        split = str(values.get("dataset_test_split") or "test")
        if values.get("eval_strategy", "no") == "no" or split not in opened.splits or split == opened.split:
            return None
        other = await in_thread(partial(open_set, replace(opened.spec, split=split), opened.base))
        if not other.complete:
            async with aclosing(import_in_child(other)) as steps:
                async for rows in steps:
                    self.audit_progress = f"reading the held-out pairs: {rows:,}"
                    self._draw_audit()
        return other.folder

    def forget_flagged(self) -> None:
        """The audit found something new."""
        raise NotImplementedError

    def _draw_audit(self) -> None:
        view = self.query_one(AuditList)
        if self.audit is None:
            view.show([], [], progress=self.audit_progress)
            return
        view.show(self.audit.header(), [_row(found) for found in self.audit.findings], progress=self.audit_progress)

    def action_finding(self) -> None:
        """The pairs of the finding under the cursor, in the list."""
        finding = self.query_one(AuditList).current
        if self.audit is None or finding is None or self.opened is None:
            return
        found = next((item for item in self.audit.findings if item.name == finding.name), None)
        if found is None or not found.count or not found.condition:
            self.say("There is no pair to show for this")
            return
        self._show_finding(found.condition, found.title)

    @work(exclusive=True, group="finding")
    async def _show_finding(self, condition: str, title: str) -> None:
        opened = self.opened
        assert opened is not None and opened.store is not None
        query = PairQuery("where", condition)
        search = Search(
            opened.store, query, tokens=self.tokens, marks=marks_of(self.curation, opened.label)
        )  # fmt: skip
        try:
            await in_thread(search.run)
        except SmoltuiError as error:
            self.say(error)
            return
        self.take_rows(search.hits, title)
        if search.hits:
            self.show_view("pair")
            self.go(search.hits[0])

    def take_rows(self, rows: Any, words: str) -> None:
        """Makes these rows what the list holds."""
        raise NotImplementedError

    def action_save_audit(self) -> None:
        """The report as files in the project folder."""
        if self.audit is None:
            self.say("There is no report yet: a makes it")
            return
        self._save()

    @work(exclusive=True, group="save audit")
    async def _save(self) -> None:
        assert self.audit is not None
        try:
            paths = await in_thread(partial(save_reports, self.audit, self.smoltui.project.folder))
        except SmoltuiError as error:
            self.say(error)
            return
        self.say(f"Saved: {', '.join(path.name for path in paths)}")

    # -- tokens

    def action_count_tokens(self) -> None:
        if self.opened is None or not self.opened.complete:
            self.say("The set is still being read", severity="warning")
        elif self.tokens is not None:
            self.say("Tokens are counted already")
        else:
            self.count_tokens(asked=True)

    @work(exclusive=True, group="tokens")
    async def count_tokens(self, *, asked: bool) -> None:
        """Counts the tokens of the whole set in a child; quietly where nobody asked."""
        opened = self.opened
        if opened is None or opened.store is None:
            return
        if not asked and len(opened) > COUNTED_BY_ITSELF:
            return
        arguments = [str(opened.folder), str(self.smoltui.project.folder)]
        kind = None
        if asked:
            self.importing = "tokens"
            self.draw_where()
        try:
            async with aclosing(ask_child("smoltui.backends.pairs.count_tokens", arguments)) as lines:
                async for line in lines:
                    kind = tokens_kind(line["key"])
                    if asked:
                        self.importing = f"tokens {line['rows'] / max(len(opened), 1):.0%}"
                        self.draw_where()
        except SmoltuiError as error:
            if asked:
                self.say(error)
            return
        finally:
            if self.importing.startswith("tokens"):  # also when another model is counted for
                self.importing = ""
                self.draw_where()
        if opened is self.opened and kind is not None:
            self.tokens = kind
            self.counted()
            if asked:
                self.say("Tokens are counted: where chosen_tokens > 200, and the audit knows them too")

    def counted(self) -> None:
        """Tokens are known."""
        raise NotImplementedError


def _row(found: Any) -> FindingRow:
    return FindingRow(
        name=found.name, title=found.title, severity=found.severity, count=found.count, share=found.share,
        why=found.why, source=found.source, examples=found.examples, act=found.act,
    )  # fmt: skip
