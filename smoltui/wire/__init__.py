"""A terminal driver for Textual apps on slow connections: it sends only differences, and drops outdated frames.

The package is independent of the app. An app inherits from `WireApp` and returns `driver_for(...)` from
`get_driver_class`; other drivers are left unchanged.

The path of a frame: `app` passes the compositor's strips to `driver`, `frames` turns them into rows of cells (`grid`,
`clusters`, `style`), and the thread in `output` writes the difference to what the terminal shows (`difference`,
`scroll`, `terminal`), as soon as the terminal has accepted the previous output.
"""

from __future__ import annotations

from smoltui.wire.app import WireApp
from smoltui.wire.choice import driver_for, is_remote
from smoltui.wire.messages import TerminalBackground

__all__ = ["TerminalBackground", "WireApp", "driver_for", "is_remote"]
