"""Moving, with the same keys everywhere."""

from __future__ import annotations

from smoltui.core.actions.action import Action, Group

FAR = 1 << 30
"""More lines than there are: a move by this many leads to an end."""


def moves(
    line: str,
    page: str | None = None,
    end: str | None = None,
    *,
    half: str | None = None,
    size: int = 1,
    space: bool = False,
    what: str = "",
) -> tuple[Action, ...]:
    """Keys for lines, pages and both ends.

    `line`, `page`, `half` and `end` are actions with the place `{}` for a signed number: of lines, of pages (times
    `size`), of half pages, and of lines without limit. Without `half`, ctrl+d and ctrl+u are pages. With `space`, it is
    the next page. `what` is what is moved over, for the words of the ends.
    """
    word = f" {what}" if what else ""
    found = [
        Action("down", "j,down", line.format(1), "Down", Group.MOVE),
        Action("up", "k,up", line.format(-1), "Up", Group.MOVE),
    ]
    if page is not None:
        halves = "" if half is not None else ",ctrl+"
        down = "pagedown" + (f"{halves}d" if halves else "") + (",space" if space else "")
        up = "pageup" + (f"{halves}u" if halves else "")
        found += [
            Action("page-down", down, page.format(size), "Page down", Group.MOVE),
            Action("page-up", up, page.format(-size), "Page up", Group.MOVE),
        ]
    if half is not None:
        found += [
            Action("half-down", "ctrl+d", half.format(0.5), "Half a page down", Group.MOVE),
            Action("half-up", "ctrl+u", half.format(-0.5), "Half a page up", Group.MOVE),
        ]
    if end is not None:
        found += [
            Action("top", "gg,home", end.format(-FAR), f"First{word}" if what else "Top", Group.MOVE),
            Action("end", "G,end", end.format(FAR), f"Last{word}" if what else "End", Group.MOVE),
        ]
    return tuple(found)
