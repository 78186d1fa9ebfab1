"""The log file of a local run: read on from where it stopped, and what it says about the run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smoltui.backends.child import exit_in_words
from smoltui.core import events
from smoltui.core.log_text import OVERLAP, cut_line
from smoltui.core.run import Run, Stage
from smoltui.redaction import BrokenTokens

LINE_LIMIT = 1 << 20
"""Bytes of one line that are looked at; the rest of a longer line is left in the log file."""

# The source line under a warning, the warning itself, and an event that was cut off say nothing about an end.
_NOISE = re.compile(r'\s|\{"event"|.*\w(?:Warning|WARNING)\b')


@dataclass
class RunLog:
    """Reads one log file on from where it stopped, and keeps the run as its events leave it."""

    path: Path
    run: Run
    reader: events.Reader = field(default_factory=events.Reader)
    broken: BrokenTokens = field(default_factory=BrokenTokens)
    offset: int = 0
    rest: bytes = b""
    finished: events.Finished | None = None
    """The script said that it reached its end: its last step, or the step after which it paused."""
    failed: events.Failed | None = None
    checkpoints: set[str] = field(default_factory=set)
    """Paths of the checkpoints it told of."""
    last_text: str = ""
    """Last line of log text that may tell why the run ended."""

    def read(self, *, to_end: bool = False) -> list[events.Event]:
        """New events since the last call. With `to_end` an unfinished last line counts as a line."""
        return [event for line in self.read_lines(to_end=to_end) for event in line]

    def read_lines(self, *, to_end: bool = False) -> list[list[events.Event]]:
        """As `read`, the events of each line apart."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                data = file.read()
        except FileNotFoundError:
            return []
        self.offset += len(data)
        *lines, self.rest = (self.rest + data).split(b"\n")
        if to_end and self.rest:
            lines.append(self.rest)
            self.rest = b""
        found: list[list[events.Event]] = []
        for line in lines:
            text = cut_line(line[: LINE_LIMIT + OVERLAP].decode("utf-8", "replace"), LINE_LIMIT)
            said = list(events.without_secrets(self.reader, text, self.broken))
            for event in said:
                self._take(event)
            found.append(said)
        return found

    def _take(self, event: events.Event) -> None:
        match event:
            case events.LogLine(text=text):
                if text.strip() and not _NOISE.match(text):
                    self.last_text = text.strip()
                return
            case events.StageChanged(stage=Stage.RUNNING):
                self.failed, self.finished, self.last_text = None, None, ""  # it goes on: that was of the part before
            case events.CheckpointSaved(path=path):
                self.checkpoints.add(path)
            case events.Failed():
                self.failed = event
            case events.Finished():
                self.finished = event
        self.run = self.run.after(event)


def last_lines(lines: Sequence[list[events.Event]], count: int) -> list[events.Event]:
    """The events of the last `count` lines. A line that only says how far it is does not count: nobody reads it."""
    worth = [line for line in lines if any(not isinstance(event, events.Progress) for event in line)]
    return [event for line in (worth[-count:] if count > 0 else []) for event in line]


def cause(code: int, status: Mapping[str, Any], log: RunLog) -> tuple[str, str]:
    """Why a run ended without its result, in one sentence, and the next step."""
    if log.failed is not None:
        return log.failed.cause, log.failed.hint
    if "error" in status:
        return f"It could not be started: {status['error']}", "Mend that, then start it again."
    if status.get("disk_full"):
        return f"The disk that holds its log is full: {log.path.parent}", "Free space there, or set SMOLTUI_HOME."
    where = f" at step {log.run.step}" if log.run.step else ""
    last = f"; last line: {log.last_text[:200]}" if log.last_text else ""
    if code < 0:
        hint = "Start it again; the log holds what it said."
        if code == -9:
            hint = "If memory ran out, lower per_device_train_batch_size or max_length, then start it again."
        return f"Its process was killed by {exit_in_words(code)}{where}{last}", hint
    if code == 0:
        return f"It ended{where} without reaching the planned step{last}", "The log holds what it said."
    return f"Its process ended with exit code {code}{where}{last}", "The log holds the whole error."
