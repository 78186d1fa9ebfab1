"""What the log of a run says about its end: the first error, and how far the training came.

A log is fed once, event by event, while somebody reads it anyway. Only what may be an error is kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from smoltui.core.runs import events

MOST_CHARACTERS = 300
"""Maximum length of an error that is kept."""
JOB_STARTED = "===== Job started"
"""The platform's line at each start of a Job's container; what was printed before belongs to an earlier attempt."""
_TRACEBACK = "Traceback (most recent call last):"
# `torch.OutOfMemoryError: CUDA …`, `[rank0]: ValueError`, `KeyError: 'x'`. Names of exceptions end in one of these.
_EXCEPTION = re.compile(
    r"(?:\[rank\d+\]:\s*)?((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Timeout|Failure)\b)(?::\s*(.*))?$"
)
_MAYBE = re.compile(
    r"error|exception|traceback|no solution found|could not find a version|killed|no space left|out of memory|oom"
    r"|driver|cannot access|permission denied|not found|\bnan\b|fatal|refused|denied|failed|interrupt"
)
"""A quick test of a line in lowercase, which takes a tenth of the time that ignoring case would: most lines of a log
are none of this."""
_RESOLUTION = re.compile(
    r"No solution found when resolving|Could not find a version that satisfies|ResolutionImpossible"
)
_BRANCH = re.compile(r"^[\s╰─▶│├]+")
"""What uv draws in front of the lines under an error."""
_NOISE = re.compile(
    r'\s|\{"event"|.*\w(?:Warning|WARNING)\b|slurmstepd\S*: error: \*\*\* '
    r"|srun: (?:launch/|Force|error: \S+: tasks? \S+: (?:Exited|Terminated|Killed))"
)
"""The source line under a warning, the warning itself, an event that was cut off, and Slurm's words that a step has
ended say nothing about why."""
_FATAL = re.compile(
    r"CUDA out of memory|OutOfMemoryError|No space left on device|NVIDIA driver|CUDA driver version|no kernel image"
    r"|^\s*(?:error|fatal|FATAL ERROR)\b\s*:|^Killed$|Out Of Memory",
    re.IGNORECASE,
)
"""Lines that name an error without a traceback."""


def tells(text: str) -> bool:
    """Whether a line of log text may say why a run ended."""
    return bool(text.strip()) and not _NOISE.match(text)


def names_exception(text: str) -> bool:
    """Whether a line is the last one of a traceback, such as `ValueError: no rows`."""
    return _EXCEPTION.match(text) is not None


@dataclass
class Symptoms:
    """What was found so far."""

    error: str = ""
    """The first error as printed, in one line; empty without one."""
    failed: events.Failed | None = None
    """The failure that our script reported."""
    last: str = ""
    """The last line that may say something."""
    step: int = 0
    max_steps: int | None = None
    epoch: float | None = None
    """The newest `epoch` of the metrics; None if no line has one."""
    checkpoint: int | None = None
    """Step of the newest checkpoint; None without one."""
    _in_traceback: bool = field(default=False, repr=False)
    _joining: bool = field(default=False, repr=False)
    """The error continues in the next lines, as uv prints it."""

    def take(self, event: events.Event) -> None:
        """Looks at the next event of the log."""
        if isinstance(event, events.LogLine):
            for line in event.text.split("\n"):
                self._take_line(line)
            return
        self._joining = self._in_traceback = False
        match event:
            case events.Failed():
                self.failed = event
            case events.Planned(max_steps=steps):
                self.step, self.max_steps = 0, steps
            case events.Progress(step=step):
                self.step = max(step, self.step)
                self.max_steps = max(event.max_steps or 0, self.max_steps or 0) or None
            case events.Metrics(step=step, values=values):
                self.step = max(step, self.step)
                self.epoch = values.get("epoch", self.epoch)
            case events.CheckpointSaved(step=step):
                self.checkpoint = step

    def _take_line(self, line: str) -> None:
        if line.startswith(JOB_STARTED):
            self._forget()
            return
        if self._joining:
            self._join(line)
            return
        if self._in_traceback:
            self._take_traceback(line)
            return
        if not line or line[0] != " ":
            self._remember(line)
        if self.error or not _MAYBE.search(line.lower()):
            return
        if _TRACEBACK in line:
            self._in_traceback = True
        elif _RESOLUTION.search(line):
            self.error, self._joining = _short(line), True
        elif _FATAL.search(line) and not _NOISE.match(line):
            self.error = _short(line)

    def _forget(self) -> None:
        """Another attempt starts, and may take up a checkpoint."""
        self.error = self.last = ""
        self.failed, self.step, self.max_steps, self.epoch = None, 0, None, None

    def _remember(self, line: str) -> None:
        if tells(line):
            self.last = _short(line)

    def _take_traceback(self, line: str) -> None:
        """The first line that is not indented names the exception."""
        bare = re.sub(r"^\[rank\d+\]:\s?", "", line)
        if not bare.strip() or bare[0] in " \t|+" or _TRACEBACK in bare:
            return
        self._in_traceback = False
        self._remember(line)
        if _EXCEPTION.match(bare) or ":" in bare:
            self.error = _short(bare)

    def _join(self, line: str) -> None:
        """Adds what uv says under its first line; an empty or an unrelated line ends it."""
        text = _BRANCH.sub("", line).strip()
        if not text or (text == line.strip() and not line.startswith((" ", "\t"))):
            self._joining = False
            self._remember(line)
            return
        self.error = _short(f"{self.error} {text}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 1]}…"


def last_words(symptoms: Symptoms) -> str:
    """The first error, or without one the last line."""
    return symptoms.error or symptoms.last
