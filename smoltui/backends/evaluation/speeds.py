"""How fast this machine downloads and loads models: measured each time, kept for the next estimate."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path

from smoltui.backends.system import data_folder, locks
from smoltui.backends.system.small_file import read_small
from smoltui.core.foreign import foreign_json
from smoltui.core.foreign.server_values import mapping_in, number_in

DOWNLOAD, LOAD = "download", "load"
"""What is measured."""
LEAST_BYTES = {DOWNLOAD: 1 << 20, LOAD: 64 << 20}
"""Smaller ones say more about the connection's or the program's start than about its speed."""


def _file() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("smoltui", appauthor=False) / "speeds.json"


def _read() -> dict[str, float]:
    try:
        data = mapping_in(foreign_json.decode(read_small(_file())))
    except (OSError, ValueError):
        return {}
    return {kind: rate for kind in (DOWNLOAD, LOAD) if (rate := number_in(data.get(kind)))}


def known(kind: str) -> float | None:
    """Bytes per second, last time; None if it was never measured. Blocks."""
    return _read().get(kind)


def remember(kind: str, count: float, seconds: float) -> None:
    """Keeps a measurement of `count` bytes, if it is large enough to tell. Blocks; a full disk is no error here."""
    if count < LEAST_BYTES[kind] or not seconds > 0 or not math.isfinite(count / seconds):
        return
    path = _file()
    with suppress(OSError):
        locks.private_folder(path.parent, path.parent)
        data_folder.write_json(path, {**_read(), kind: count / seconds})
