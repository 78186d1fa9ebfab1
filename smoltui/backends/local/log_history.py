"""The curve of a run on this machine's disks."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from smoltui.backends.local.log_events import METRICS, before_ours, event_at, lines_before_ours
from smoltui.backends.local.log_pieces import Pieces
from smoltui.core.runs import events
from smoltui.core.runs.metrics import History
from smoltui.errors import InputError


class LogHistory(History):
    """The curve of a local run, read from its log on demand. The newest values are known without that.

    `load` reads the new part: a long log takes seconds, so it runs in a thread when a person is waiting.
    """

    __slots__ = ("_loaded", "_lock", "_pieces", "_points", "_reader", "lasts")

    def __init__(self, path: Path) -> None:
        self._pieces, self._reader = Pieces(path), events.Reader()
        self.holes = []
        self._points: dict[str, list[tuple[int, float]]] = {}
        self._lock = threading.RLock()
        self.lasts: dict[str, float] = {}
        """Newest values; a missing key may still have a curve."""
        self._loaded = False

    @property
    def series(self) -> dict[str, list[tuple[int, float]]]:  # type: ignore[override]  # read on demand
        if not self._loaded:
            self.load()
        return self._points

    def __repr__(self) -> str:
        """Reads nothing: asyncio formats the results of tasks in its error messages."""
        return f"LogHistory({str(self._pieces.path)!r})"

    @property
    def known(self) -> bool:
        return bool(self.lasts or self._points)

    @property
    def loaded(self) -> bool:
        return self._loaded

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Until the curve is read, the newest values are enough: the log has all of them."""
        if self._loaded:
            super().add(step, values)
        else:
            self.lasts = {**self.lasts, **values}

    def last(self, key: str) -> float | None:
        if key in self.lasts or not self.known:
            return self.lasts.get(key)
        return super().last(key)

    def load(self) -> None:
        with self._lock:
            self._loaded = True
            with suppress(InputError):  # reported by those who show the log
                for data in self._pieces.read():
                    done = 0
                    if not self._reader.ours:
                        for place, event in before_ours(data, lines_before_ours(data), self._reader, None):
                            self._take(event)
                            done = place
                        if not self._reader.ours:
                            continue
                    while (done := data.find(METRICS, done)) >= 0:
                        self._take(event_at(data, done))
                        done += len(METRICS)

    def _take(self, event: events.Event | None) -> None:
        if isinstance(event, events.Metrics):
            self.add(event.step, event.values)
