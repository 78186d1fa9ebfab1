"""Whether a value read from a JSON file has the type that its key requires."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TypeGuard

from smoltui.core.foreign.server_values import finite
from smoltui.core.runs.events import LATEST

Check = Callable[[object], bool]


def wrong_value(data: Mapping[str, object], checks: Mapping[str, Check]) -> str | None:
    """What is wrong with a record, for the end of a sentence; None if nothing is. A missing key is not an error."""
    for name, fits in checks.items():
        if name in data and not fits(data[name]):
            return f"{name} has an unexpected value"
    return None


def is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_path(value: object) -> bool:
    """A path that the system accepts; bytes that are not UTF-8 are escaped as Python does."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True


def is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LATEST


def is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53


def is_count(value: object) -> bool:
    return is_whole(value) and value >= 0


def is_positive(value: object) -> bool:
    return is_whole(value) and value >= 1


def is_pid(value: object) -> bool:
    return is_whole(value) and 1 < value < 1 << 31  # 0 and -1 mean many processes to `kill`


def is_exit_code(value: object) -> bool:
    return is_whole(value) and abs(value) < 1 << 31


def is_bool(value: object) -> bool:
    return isinstance(value, bool)


def is_number(value: object) -> bool:
    return finite(value) is not None


def are_texts(value: object) -> bool:
    return isinstance(value, list) and all(is_text(item) for item in value)


def are_paths(value: object) -> bool:
    return isinstance(value, list) and all(is_path(item) for item in value)


def are_labels(value: object) -> bool:
    return isinstance(value, Mapping) and all(is_text(key) and is_text(item) for key, item in value.items())


def or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)
