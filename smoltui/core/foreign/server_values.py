"""Values from a server's JSON: each has the expected type, or is None.

Nothing here raises, whatever a field contains.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

MOST_CHARACTERS = 4000
"""Limit of a text for display; the Hub's messages have a few hundred."""
LONGEST_SECONDS = 366 * 86_400
"""No Job can have a longer duration."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")


def mapping_in(value: object) -> Mapping[str, Any]:
    """An object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def text_in(value: object) -> str | None:
    """A non-empty text, cut at `MOST_CHARACTERS`. It may contain any character."""
    return value[:MOST_CHARACTERS] if isinstance(value, str) and value else None


def name_in(value: object) -> str | None:
    """A user, organization, id or flavor: letters, digits, `.`, `_`, `-`, so it is safe to print or send."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def id_in(value: object) -> str | None:
    """The id of a Job; a whole number counts as its digits."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63:
        return str(value)
    return name_in(value)


def finite(value: object) -> float | None:
    """A finite number; None for anything else, also for a whole number beyond the range of floats."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON allows integers of any length
        return None
    return number if math.isfinite(number) else None


def number_in(value: object) -> float | None:
    """A finite number that is not negative."""
    number = finite(value)
    return number if number is not None and number >= 0 else None


def duration_in(value: object) -> int | None:
    """A whole number of seconds, above 0 and at most `LONGEST_SECONDS`."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LONGEST_SECONDS else None


def truth_in(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def moment_in(value: object) -> float | None:
    """A time in the Hub's format (ISO 8601, UTC without a zone), in seconds since the epoch.

    None outside the years 1970 to 2199, which cannot be right and not every clock can show.
    """
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if not 1970 <= moment.year < 2200:
        return None
    return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
