"""Decoded JSON as a collapsible tree; all names and values are foreign text."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from smoltui.core.runs.inspected import readable
from smoltui.safe_text import redact, safe_line

OPEN_ITEMS = 12
"""Objects and lists with more entries than this start collapsed."""
VALUE_SHOWN = 300
"""Characters shown of one value; the raw JSON shows all of them."""


class JsonTree(Tree[None]):
    """Enter or space expands and collapses objects and lists."""

    DEFAULT_CSS = "JsonTree { background: transparent; scrollbar-size: 0 0; padding: 0 1; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id)
        self.show_root = False
        self.guide_depth = 2

    def show(self, data: Mapping[str, object]) -> None:
        """Replaces the data, and moves the cursor to the first line."""
        self.clear()
        self._fill(self.root, data, depth=0)
        self.root.expand()
        self.cursor_line = 0

    def _fill(self, node: TreeNode[None], data: Mapping[str, object] | Sequence[object], depth: int) -> None:
        items = list(data.items() if isinstance(data, Mapping) else enumerate(data))
        empty = [str(name) for name, value in items if _is_empty(value)] if isinstance(data, Mapping) else []
        for name, value in items:
            if len(empty) > 1 and _is_empty(value):
                continue
            label = Text(no_wrap=True).append(safe_line(str(name), 60), "cyan")
            if isinstance(value, Mapping | list | tuple) and value:
                count = len(value)
                label.append(f"  {count} {'entry' if count == 1 else 'entries'}", "dim")
                child = node.add(label, expand=depth < 2 and count <= OPEN_ITEMS)
                self._fill(child, value, depth + 1)
            else:
                node.add_leaf(label.append(f"  {_value(name, value)}"))
        if len(empty) > 1:
            child = node.add(Text(f"{len(empty)} without a value", "dim", no_wrap=True), expand=False)
            for name in empty:
                child.add_leaf(Text(safe_line(name, 60), "dim", no_wrap=True))


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, Mapping | list | tuple | str) and not value)


def _value(name: object, value: object) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping | list | tuple):
        return "empty"
    if (words := readable(str(name), value, time.time())) is not None:
        return words
    # Redacted together with its name, which may be what identifies a secret.
    told = redact(f"{name}={value}") if isinstance(value, str) else str(value)
    return safe_line(told.removeprefix(f"{name}="), VALUE_SHOWN)
