"""Limits on foreign YAML: nesting, and the size of its expanded aliases.

Both are checked on the nodes, before values are constructed: nine lines of aliases to aliases are a few hundred nodes
and billions of values.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ruamel.yaml import YAML
    from ruamel.yaml.nodes import Node

MOST_BYTES = 128 << 10
"""Maximum bytes of a file: ruamel.yaml reads about 100 kB per second, and a recipe has a few kB."""
DEEPEST = 30
"""Maximum nesting of lists and mappings."""
MOST_NODES = 20_000
"""Maximum number of values, with repetitions by aliases."""


class YAMLLimitError(Exception):
    """YAML beyond one of the limits; the message is the end of a sentence."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line
        """Counted from 1."""


def safe_yaml() -> YAML:
    """A reader of plain values, like `YAML(typ="safe", pure=True)`, with a limit on nesting.

    Its `compose` raises `YAMLLimitError`; call `check_nodes` with the result.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import Composer

    class LimitedComposer(Composer):
        depth = nodes = 0

        def compose_node(self, parent: object, index: object) -> Any:
            self.depth += 1
            self.nodes += 1
            if self.depth > DEEPEST or self.nodes > MOST_NODES:
                said = (
                    f"nested more than {DEEPEST} deep" if self.depth > DEEPEST else f"more than {MOST_NODES:,} values"
                )
                raise YAMLLimitError(said, self.parser.peek_event().start_mark.line + 1)
            try:
                return super().compose_node(parent, index)
            finally:
                self.depth -= 1

    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = LimitedComposer
    return yaml


def check_nodes(root: Node) -> None:
    """Checks the size of a node with all aliases expanded.

    Raises:
        YAMLLimitError: too many values, or one that contains itself.
    """
    sizes: dict[int, int] = {}
    """Id of a node → number of values in it, including itself; 0 while its parts are being counted."""
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, counted = stack.pop()
        parts = list(_parts(node))
        if counted:
            sizes[id(node)] = 1 + sum(sizes[id(part)] for part in parts)
            if sizes[id(node)] > MOST_NODES:
                line = node.start_mark.line + 1
                raise YAMLLimitError(f"its aliases expand to more than {MOST_NODES:,} values", line)
        elif id(node) not in sizes:
            sizes[id(node)] = 0
            stack.append((node, True))
            stack += [(part, False) for part in parts if id(part) not in sizes]
            if any(sizes.get(id(part)) == 0 for part in parts):
                raise YAMLLimitError("a value contains itself", node.start_mark.line + 1)


def _parts(node: Node) -> Iterator[Node]:
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    if isinstance(node, MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, SequenceNode):
        yield from node.value


def load_plain(text: str) -> Any:
    """The value of a YAML text, within the limits. Raises: YAMLError."""
    from ruamel.yaml.error import YAMLError

    if len(text) > MOST_BYTES:
        raise YAMLError("it is too long")
    yaml = safe_yaml()
    try:
        with yaml_errors():
            root = yaml.compose(text)
            if root is None:
                return None
            check_nodes(root)
            return yaml.constructor.construct_document(root)
    except YAMLLimitError as error:
        raise YAMLError(str(error)) from error


@contextmanager
def yaml_errors() -> Iterator[None]:
    """Converts every exception from reading YAML to a YAMLError with its message."""
    from ruamel.yaml.error import YAMLError

    try:
        yield
    except YAMLError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, MemoryError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error) or type(error).__name__
        raise YAMLError(said) from error
