"""One prompt with the answers of both models: side by side, or stacked if the terminal is narrow."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.widgets import Static

from smoltui.core.evaluation.figures import manner_of
from smoltui.core.evaluation.sheet import Cell
from smoltui.core.settings.settings import Manner
from smoltui.safe_text import redact, safe


class AnswerPair(Static):
    """Shows a prompt and its answers. Model output is foreign text, and only drawn as plain text."""

    DEFAULT_CSS = """
    AnswerPair { height: auto; padding: 0 0 1 0; }
    """

    def __init__(self, number: int, prompt: str) -> None:
        super().__init__(markup=False)
        self._number = number
        self.prompt = prompt
        self._cells: dict[str, Cell | None] = {}
        self._manner: Manner | None = None
        self._wide = False

    def show(self, cells: dict[str, Cell | None], manner: Manner | None, wide: bool) -> None:
        """Draws the answers; None means not asked yet."""
        self._cells, self._manner, self._wide = cells, manner, wide
        self.update(self._drawn())

    def _drawn(self) -> RenderableType:
        prompt = Text().append(f"{self._number}  ", "dim").append(safe(redact(self.prompt), 2000), "bold")
        heads = [self._head(model) for model in self._cells]
        texts = [_answer(self._cells[model]) for model in self._cells]
        if not self._wide:
            parts: list[RenderableType] = [prompt]
            for head, text in zip(heads, texts, strict=True):
                parts += [head, text]
            return Group(*parts)
        table = Table.grid(expand=True, padding=(0, 2, 0, 0))
        for _ in self._cells:
            table.add_column(ratio=1, overflow="fold")
        table.add_row(*heads)
        table.add_row(*texts)
        return Group(prompt, table)

    def _head(self, model: str) -> Text:
        head = Text().append(model, "cyan")
        cell = self._cells[model]
        if cell is None or cell.answered is None:
            return head
        if self._manner is not None:
            kept = manner_of(cell.text, self._manner)
            head.append(f"  {'✓' if kept else '✗ not'} {safe(self._manner.name, 40)}", "green" if kept else "red")
        tokens = cell.answered.tokens
        if tokens:
            head.append(f"  {tokens} token{'' if tokens == 1 else 's'}", "dim")
        if not cell.answered.ended:
            head.append("  cut off at the token limit", "yellow")
        return head


def _answer(cell: Cell | None) -> Text:
    if cell is None:
        return Text("–", "dim")
    text = Text(safe(cell.text, 8000))
    if cell.answered is None:
        text.append(" …", "dim")
    elif not cell.text.strip():
        text.append("(empty answer)", "dim")
    return text
