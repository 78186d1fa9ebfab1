"""Resource usage of a run: the latest figures, each with its history as a row of bars."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text
from textual.widget import Widget

from smoltui.core.machine.device import gib
from smoltui.core.machine.sample import GpuSample, Sample, share
from smoltui.safe_text import safe_line

KEPT = 240
"""Samples kept: four minutes at one per second."""
BARS = " ▁▂▃▄▅▆▇█"
LABEL, FIGURE = 14, 24
"""Cells."""


def bars(values: list[float | None], width: int, top: float) -> str:
    """The latest `width` values as bars, where `top` is the largest possible value; unknown values are gaps."""
    newest = values[-width:]
    drawn = [
        " " if value is None else BARS[max(1, min(8, round(8 * value / top)))] if top > 0 and value > 0 else "▁"
        for value in newest
    ]
    return "".join(drawn).rjust(width)


class StatsPanel(Widget):
    """Processor, memory, GPUs and network usage of a run."""

    DEFAULT_CSS = "StatsPanel { padding: 0 1; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self._words = ""

    def clear(self, words: str) -> None:
        """Shows the reason why there are no figures (yet)."""
        self._samples.clear()
        self._words = words
        self.refresh()

    def add(self, sample: Sample) -> None:
        """Adds a sample."""
        self._samples.append(sample)
        self._words = ""
        self.refresh()

    def say(self, words: str) -> None:
        """Shows a line below the figures: why there are no further ones."""
        self._words = words
        self.refresh()

    def render(self) -> Text:
        if not self._samples:
            return Text(safe_line(self._words, 400), "dim")
        text = Text(no_wrap=True, overflow="ellipsis")
        cells = max(self.content_size.width - LABEL - FIGURE, 4)
        for row in rows_of(list(self._samples)):
            text.append(f"{row.label:<{LABEL}}", "dim").append(f"{row.figure:<{FIGURE}}", "" if row.values else "dim")
            text.append(bars(row.values, cells, row.top) if row.values else "", row.colour).append("\n")
        if self._words:
            text.append(f"\n{safe_line(self._words, 400)}", "dim")
        return text


class StatRow(NamedTuple):
    """One resource."""

    label: str
    figure: str
    """The newest value, in words."""
    values: list[float | None]
    """Its history; None for unknown values. Empty if there is nothing to draw."""
    top: float
    """The value that a whole bar stands for."""
    colour: str


def rows_of(samples: Sequence[Sample]) -> list[StatRow]:
    """Processor, memory, each GPU of the newest sample, and network; `samples` are in order of time, at least one."""
    last = samples[-1]
    cores = f" of {last.cores:.3g} cores" if last.cores else ""
    shares = [_hundred(one.memory_share) for one in samples]
    rows = [
        StatRow("processor", _percent(last.cpu) + cores, [one.cpu for one in samples], 100, "green"),
        StatRow("memory", _of(last.memory_used, last.memory_total), shares, 100, "green"),
    ]
    for place in range(len(last.gpus)):
        rows += _gpu_rows([one.gpus[place] if place < len(one.gpus) else None for one in samples])
    if not last.gpus:
        rows.append(StatRow("GPU", "none, or not reported", [], 100, ""))
    for label, values in (("received", [one.received for one in samples]), ("sent", [one.sent for one in samples])):
        top = max((value for value in values if value), default=1.0)
        rows.append(StatRow(label, _rate(values[-1]), values, top, "magenta"))
    return rows


def _gpu_rows(history: Sequence[GpuSample | None]) -> list[StatRow]:
    """Usage and memory of one GPU; None for a sample without it. The newest one has it."""
    gpu = history[-1]
    if gpu is None:
        return []
    used = [one.used if one else None for one in history]
    memory = [_hundred(share(one.memory_used, one.memory_total)) if one else None for one in history]
    return [
        StatRow(f"GPU {safe_line(gpu.id, LABEL - 7)}", _percent(gpu.used), used, 100, "cyan"),
        StatRow("  memory", _of(gpu.memory_used, gpu.memory_total), memory, 100, "cyan"),
    ]


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f} %"


def _hundred(value: float | None) -> float | None:
    return None if value is None else value * 100


def _of(used: int | None, total: int | None) -> str:
    return f"{gib(used)} of {gib(total)}" if used is not None else "unknown"


def _rate(value: float | None) -> str:
    if value is None:
        return "unknown"
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.3g} {unit}/s"
        value /= 1000
    return f"{value:.3g} GB/s"
