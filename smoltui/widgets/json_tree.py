"""Decoded JSON as a tree that folds; every name and value in it is foreign text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from smoltui.safe_text import redact, safe_line

OPEN_ITEMS = 12
"""A table or list with more entries than this is folded at first."""
VALUE_SHOWN = 300
"""Characters of one value; the raw JSON has all of them."""


class JsonTree(Tree[None]):
    """Tables and lists fold with enter or space."""

    DEFAULT_CSS = "JsonTree { background: transparent; scrollbar-size: 0 0; padding: 0 1; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id)
        self.show_root = False
        self.guide_depth = 2

    def show(self, data: Mapping[str, Any]) -> None:
        """Shows other data, the cursor on its first line."""
        self.clear()
        self._fill(self.root, data, depth=0)
        self.root.expand()
        self.cursor_line = 0

    def _fill(self, node: TreeNode[None], data: Mapping[str, Any] | Sequence[Any], depth: int) -> None:
        items = data.items() if isinstance(data, Mapping) else enumerate(data)
        for name, value in items:
            label = Text(no_wrap=True).append(safe_line(str(name), 60), "cyan")
            if isinstance(value, Mapping | list | tuple) and value:
                count = len(value)
                label.append(f"  {count} {'entry' if count == 1 else 'entries'}", "dim")
                child = node.add(label, expand=depth < 2 and count <= OPEN_ITEMS)
                self._fill(child, value, depth + 1)
            else:
                node.add_leaf(label.append(f"  {_value(name, value)}"))


def _value(name: object, value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, Mapping | list | tuple):
        return "empty"
    # With its name, since a secret is also told by what it is called.
    told = redact(f"{name}={value}") if isinstance(value, str) else str(value)
    return safe_line(told.removeprefix(f"{name}="), VALUE_SHOWN)
