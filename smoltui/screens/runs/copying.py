"""What can be copied of the selected run."""

from __future__ import annotations

from smoltui.safe_text import redact
from smoltui.screens.copying import Copied, choose_what_to_copy, copy
from smoltui.screens.runs.asking import Asking
from smoltui.screens.runs.log_view import LogView


class Copying(Asking):
    """Copies what is shown, or what is chosen."""

    def action_copy(self) -> None:
        if self.view == "log":
            copy(self, "the visible lines", self.query_one(LogView).visible_text())
        elif self.view == "inspect":
            copy(self, "the JSON", self.inspected_text())
        elif self._run is not None:
            copy(self, "the run's id", self._run.id)

    def action_copy_what(self) -> None:
        """Offers what is known of the run."""
        if (run := self.known) is None:
            return
        details = self.inspected_text()
        choose_what_to_copy(
            self,
            [
                Copied("i", "the run's id", run.id),
                Copied("n", "its name", redact(run.name)),
                Copied("u", "the address of its page", redact(run.url or "")),
                Copied("m", "where its model is", redact(run.saved_to or "")),
                Copied("o", "its output folder", redact("" if run.disk_deleted else run.output_dir or "")),
                Copied("w", "why it ended like this", redact(run.message or "")),
                Copied("l", "the visible lines of the log", self.query_one(LogView).visible_text()),
                Copied("d", "all details as JSON", details if details != "{}" else ""),
            ],
        )
