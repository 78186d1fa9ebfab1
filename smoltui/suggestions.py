"""What a person probably meant by a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable

CUTOFF = 0.6
"""Minimum similarity, 0..1, of a suggestion: `difflib`'s own default, with which `trian` finds `train`."""
MOST = 3


def near(name: str, known: Iterable[str]) -> list[str]:
    """Up to three of the `known` names that are similar to `name`, ignoring case, the closest first.

    A name that begins with `name` counts as similar, however long it is.
    """
    from difflib import get_close_matches

    names: dict[str, str] = {}
    for each in known:
        names.setdefault(each.casefold(), each)
    plain = name.casefold()
    found = get_close_matches(plain, names, n=MOST, cutoff=CUTOFF)
    found += [each for each in names if len(plain) > 1 and each.startswith(plain) and each not in found]
    return [names[each] for each in found[:MOST]]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence such as `Did you mean train?`; empty if nothing is similar."""
    found = near(name, known)
    if not found:
        return ""
    *others, last = found
    listed = f"{', '.join(others)} or {last}" if others else last
    return f"Did you mean {listed}?"
