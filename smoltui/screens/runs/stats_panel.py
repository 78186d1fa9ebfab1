"""Resource usage of a run: the latest figures, each with its history as a row of bars."""

from __future__ import annotations

from collections import deque

from rich.text import Text
from textual.widget import Widget

from smoltui.core.machine.device import gib
from smoltui.core.machine.sample import Sample, share
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
        width = self.content_size.width
        if not self._samples:
            return Text(safe_line(self._words, 400), "dim")
        samples, last = list(self._samples), self._samples[-1]
        text = Text(no_wrap=True, overflow="ellipsis")
        cells = max(width - LABEL - FIGURE, 4)

        def line(label: str, figure: str, values: list[float | None], top: float, colour: str) -> None:
            text.append(f"{label:<{LABEL}}", "dim").append(f"{figure:<{FIGURE}}")
            text.append(bars(values, cells, top), colour).append("\n")

        cores = f" of {last.cores:.3g} cores" if last.cores else ""
        line("processor", _percent(last.cpu) + cores, [one.cpu for one in samples], 100, "green")
        line(
            "memory",
            _of(last.memory_used, last.memory_total),
            [_hundred(one.memory_share) for one in samples],
            100,
            "green",
        )
        for place, gpu in enumerate(last.gpus):
            history = [one.gpus[place] if place < len(one.gpus) else None for one in samples]
            name = f"GPU {safe_line(gpu.id, LABEL - 7)}"
            line(name, _percent(gpu.used), [one.used if one else None for one in history], 100, "cyan")
            line(
                "  memory",
                _of(gpu.memory_used, gpu.memory_total),
                [_hundred(share(one.memory_used, one.memory_total)) if one else None for one in history],
                100,
                "cyan",
            )
        if not last.gpus:
            text.append(f"{'GPU':<{LABEL}}", "dim").append("none, or not reported\n", "dim")
        for label, values in (("received", [one.received for one in samples]), ("sent", [one.sent for one in samples])):
            top = max((value for value in values if value), default=1.0)
            line(label, _rate(values[-1]), values, top, "magenta")
        if self._words:
            text.append(f"\n{safe_line(self._words, 400)}", "dim")
        return text


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
