"""A screen whose first frame is complete, and drawn once.

While an app starts, Textual draws a screen three times before the first key: in the middle of its start, with margins
that have no color yet, and twice more for resize events that bring the size it already has.
"""

from __future__ import annotations

from textual.geometry import Size
from textual.screen import Screen, ScreenResultType


class WholeFrame(Screen[ScreenResultType]):
    """Waits with its first frame for the end of the app's batch, and arranges its widgets once per size."""

    _is_drawn = False

    def _compositor_refresh(self) -> None:
        # What is dropped here is drawn all the same: the screen asked for a repaint when it was resumed.
        if self._is_drawn or not self.app._batch_count:
            self._is_drawn = True
            super()._compositor_refresh()

    def _screen_resized(self, size: Size) -> None:
        # Arranging widgets makes Textual send a resize event to the screen itself. What has changed since then has
        # asked for another layout, which the screen's timer makes.
        if self._compositor.size != size or not (self._is_drawn or self.app._batch_count):
            super()._screen_resized(size)
