"""Which driver an app gets."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Mapping

from textual.driver import Driver

from smoltui.wire.terminal import terminal_of


def driver_for(stock: type[Driver], environ: Mapping[str, str] = os.environ) -> type[Driver]:
    """`WireDriver` in place of the stock driver for Linux and macOS, and otherwise `stock` itself.

    `stock` is what `App.get_driver_class` gives: another driver (Windows, a browser, one that `TEXTUAL_DRIVER` names)
    stays. So does the stock one on a terminal of which nothing is known, or that does not read UTF-8.
    """
    if f"{stock.__module__}.{stock.__qualname__}" != "textual.drivers.linux_driver.LinuxDriver":
        return stock
    if terminal_of(environ) is None or not _reads_utf8():
        return stock
    from smoltui.wire.driver import WireDriver

    return WireDriver


def is_remote(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal is at the other end of an SSH connection."""
    return bool(environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"))


def _reads_utf8() -> bool:
    """Textual draws on the real stderr; its encoding is that of the locale."""
    if sys.__stderr__ is None or not sys.__stderr__.isatty():
        return False
    try:
        return codecs.lookup(sys.__stderr__.encoding or "").name == "utf-8"
    except LookupError:
        return False
