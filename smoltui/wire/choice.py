"""Selects the driver of an app."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Mapping

from textual.driver import Driver

from smoltui.wire.terminal import terminal_of


def driver_for(stock: type[Driver], environ: Mapping[str, str] = os.environ) -> type[Driver]:
    """`WireDriver` instead of the stock driver for Linux and macOS, and otherwise `stock` itself.

    `stock` is the result of `App.get_driver_class`. Other drivers (Windows, a browser, the one set by `TEXTUAL_DRIVER`)
    are kept, and so is the stock one if the terminal is unknown or does not use UTF-8.
    """
    if f"{stock.__module__}.{stock.__qualname__}" != "textual.drivers.linux_driver.LinuxDriver":
        return stock
    if terminal_of(environ) is None or not _reads_utf8():
        return stock
    from smoltui.wire.driver import WireDriver

    return WireDriver


def is_remote(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the app runs in an SSH session."""
    return bool(environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"))


def _reads_utf8() -> bool:
    """Textual draws on the real stderr, whose encoding is that of the locale."""
    if sys.__stderr__ is None or not sys.__stderr__.isatty():
        return False
    try:
        return codecs.lookup(sys.__stderr__.encoding or "").name == "utf-8"
    except LookupError:
        return False
