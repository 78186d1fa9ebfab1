"""The audit: the problems of a whole set, each with its pairs and what fixes it."""

from __future__ import annotations

from contextlib import aclosing
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message

from smoltui.backends.pairs.session import PairsSession
from smoltui.core.guide.ends import Act, End, Outcome, cause_of
from smoltui.core.pairs.audit import DEFINITIONS, Audit, Found
from smoltui.errors import SmoltuiError
from smoltui.screens.pairs.audit_list import AuditList, FindingRow
from smoltui.screens.pairs.pane import SetPane, tell
from smoltui.widgets.actions import bindings
from smoltui.widgets.next_step import next_step
from smoltui.workspace import workspace_of

PAGE = 10
"""Findings per page."""


class AuditPane(SetPane):
    """Shows the report, and creates it when it is first opened."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("audit")

    class Chosen(Message):
        """The pairs of a finding were requested."""

        def __init__(self, condition: str, title: str) -> None:
            super().__init__()
            self.condition, self.title = condition, title

    _progress = ""

    def compose(self) -> ComposeResult:
        yield AuditList()

    def on_mount(self) -> None:
        self.query_one(AuditList).unfold(workspace_of(self.app).remembered.project.get("audit.unfolded", False))

    def take(self, session: PairsSession) -> None:
        super().take(session)
        self._progress = ""

    def draw(self) -> None:
        """Draws the report, or the progress of the audit."""
        view, report = self.query_one(AuditList), self.session.report
        if report is None:
            view.show([], [], progress=self._progress)
        else:
            view.show(report.header(), [_row(found) for found in report.findings], progress=self._progress)

    def look(self) -> None:
        """Draws the report, and starts the audit if there is none."""
        self.draw()
        if self.session.report is None:
            self._make()

    def under_cursor(self) -> tuple[str, ...]:
        current = self.query_one(AuditList).current
        first = (f"finding:{current.name}",) if current is not None else ()
        return (*first, *(f"finding:{each.name}" for each in DEFINITIONS)) if self.session.report is not None else ()

    def forget(self) -> None:
        """Discards an outdated report. The audit runs again now if the pane is shown, otherwise when it is opened."""
        self.workers.cancel_group(self, "audit")
        self.session.report = None
        if self.display:
            self._make()

    @work(exclusive=True, group="audit")
    async def _make(self) -> None:
        try:
            async with aclosing(self.session.audit()) as steps:
                async for step in steps:
                    self._progress = step if isinstance(step, str) else ""
                    self.draw()
        except SmoltuiError as error:
            following = next_step(self.screen, End(Act.AUDIT, Outcome.FAILED, cause_of(error.message)))
            self._progress = f"The audit stopped: {error.message}. {following}".strip()
            self.draw()
            return
        if (report := self.session.report) is not None:
            found = any(each.count and each.severity != "info" for each in report.findings)
            self._progress = next_step(self.screen, End(Act.AUDIT, facts=frozenset({"remarks"} if found else ())))
            self.draw()

    def action_move(self, by: int) -> None:
        self.query_one(AuditList).move(by)

    def action_unfold(self) -> None:
        """Lists the checks that found nothing one by one, or folds them to one line."""
        view = self.query_one(AuditList)
        if view.clean:
            view.unfold(not view.is_unfolded)
            workspace_of(self.app).remember("audit.unfolded", view.is_unfolded)
        else:
            self.host.say("No check found nothing" if self.session.report is not None else "No audit yet")

    def action_pairs(self) -> None:
        """Shows the pairs of the finding under the cursor."""
        at, report = self.query_one(AuditList).current, self.session.report
        if at is None or report is None:
            return
        found = next((item for item in report.findings if item.name == at.name), None)
        if found is not None and found.count and found.condition:
            self.post_message(self.Chosen(found.condition, found.title))
        else:
            self.host.say("This finding has no pairs to show")

    def action_again(self) -> None:
        self.forget()

    def action_save(self) -> None:
        """Saves the report as files in the project folder."""
        if self.session.report is None:
            self.host.say("No audit yet. Press a to run one")
        else:
            self._save(self.session.report)

    @work(exclusive=True, group="save audit")
    async def _save(self, report: Audit) -> None:
        try:
            paths = await self.session.save_report(report)
        except SmoltuiError as error:
            tell(self.host, error)
            return
        self.host.say(f"Saved: {', '.join(path.name for path in paths)}")


def _row(found: Found) -> FindingRow:
    return FindingRow(
        name=found.name,
        title=found.title,
        severity=found.severity,
        count=found.count,
        share=found.share,
        why=found.why,
        source=found.source,
        examples=found.examples,
        act=found.act,
    )
