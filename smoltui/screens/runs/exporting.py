"""What is saved of the selected run: its report, or its log."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from textual import work

from smoltui.backends.system.paths import shown_path
from smoltui.backends.system.threads import in_thread
from smoltui.core.runs.run import Run
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.dialogs import Choose
from smoltui.screens.runs.base import RunsBase
from smoltui.screens.runs.log_view import LogView

REPORT, LOG = "r", "l"
"""Keys of the two."""


class Exporting(RunsBase):
    """Asks what to save and where, and saves it."""

    def action_export(self) -> None:
        if (run := self.known) is None:
            return

        def chosen(key: str | None) -> None:
            if key == REPORT:
                offered = str(self.workspace.project.folder / f"report-{run.id}")
                self.ask("save report in folder:", "folder name", partial(self._save_report, run), offered)
            elif key == LOG:
                offered = str(self.workspace.project.folder / f"{run.id}.log")
                self.ask("save log as:", "file name", self._save_log, offered)

        choices = {
            REPORT: "report: recipe, pairs, curves, evaluation (HTML, Markdown)",
            LOG: "log, with secrets redacted",
        }
        self.app.push_screen(Choose(f"Save from run {safe_line(run.name, 60)} ({run.id})", choices), chosen)

    def _save_report(self, run: Run, text: str) -> None:
        if text:
            self._write_report(run, self.workspace.project.resolve(text))

    @work(group="save")
    async def _write_report(self, run: Run, folder: Path) -> None:
        from smoltui.backends.publish.report import make_report, write_report

        try:
            made = await make_report(self.engine_of(run), run, self.workspace.project)
            page, *_ = await in_thread(partial(write_report, made, folder))
        except SmoltuiError as error:
            self.say(error)
            return
        self.say(f"Saved the report. Open it in a browser: {shown_path(page)}")

    def _save_log(self, text: str) -> None:
        if text:
            self._write_log(self.workspace.project.resolve(text))

    @work(group="save")
    async def _write_log(self, path: Path) -> None:
        try:
            lines = await in_thread(partial(self.query_one(LogView).save, path))
        except SmoltuiError as error:
            self.say(error)
            return
        self.say(f"Saved {lines:,} lines to {path} (secrets redacted)")
