"""A terminal driver for Textual apps that are used over a bad line: it sends what differs, and drops what is late.

A package of its own that knows nothing of the app. An app takes `WireApp` for its base and, in `get_driver_class`,
gives `driver_for(...)`; every other driver stays what it is.

The way of a frame: `app` hands the compositor's strips to `driver`, `frames` makes rows of cells of them (`grid`,
`clusters`, `style`), and the thread of `output` writes what differs from what the terminal has (`difference`, `scroll`,
`terminal`), once it has taken what came before.
"""

from __future__ import annotations

from smoltui.wire.app import WireApp
from smoltui.wire.choice import driver_for, is_remote

__all__ = ["WireApp", "driver_for", "is_remote"]
