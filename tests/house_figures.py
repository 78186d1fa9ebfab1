"""What the code looks like in figures, to compare with another commit: `python -m tests.house_figures [FOLDER]`.

FOLDER is a checkout, by default this one. Everything comes from the files themselves, so that a checkout of any age can
be asked.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import statistics
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

LONG_FUNCTION_LINES = 40
COMPLEX = 15

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file: its path in the checkout, its text and what it parses to."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    def functions(self) -> Iterator[Function]:
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def comments(self) -> Iterator[str]:
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.string


def modules(checkout: Path, part: str) -> list[Module]:
    """Every module of `part` ("smoltui" or "tests") that holds code; empty `__init__.py` files are none."""
    found = []
    for path in sorted((checkout / part).rglob("*.py")):
        if text := path.read_text("utf-8"):
            found.append(Module(path.relative_to(checkout), text, ast.parse(text)))
    return found


def complexity(function: Function) -> int:
    """McCabe's number as radon counts it: one, and one more for each branch, loop, handler, condition and operator.

    What is defined inside counts on its own and is left out here.
    """
    return 1 + sum(map(_branches, _own_nodes(function)))


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)


def _branches(node: ast.AST) -> int:
    match node:
        case ast.If() | ast.IfExp() | ast.Assert() | ast.ExceptHandler():
            return 1
        case ast.For() | ast.AsyncFor() | ast.While():
            return 1 + bool(node.orelse)
        case ast.BoolOp():
            return len(node.values) - 1
        case ast.comprehension():
            return 1 + len(node.ifs)
        case ast.Match():
            return len(node.cases)
    return 0


def length(function: Function) -> int:
    """Lines from `def` to the last one, without the docstring."""
    first = function.body[0]
    docstring = ast.get_docstring(function, clean=False) is not None
    return (function.end_lineno or 0) - function.lineno + 1 - docstring * ((first.end_lineno or 0) - first.lineno + 1)


def _any_names(module: Module) -> int:
    """How often `Any` is written as a type; importing it does not count."""
    return sum(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(module.tree))


def figures(checkout: Path, part: str) -> dict[str, str]:
    """The table of `part`, by the words that stand in it."""
    found = modules(checkout, part)
    lines = sum(module.lines for module in found)
    largest = max(found, key=lambda module: module.lines)
    functions = [(module, function) for module in found for function in module.functions()]
    longest = max(functions, key=lambda at: length(at[1]))
    most_complex = max(functions, key=lambda at: complexity(at[1]))
    comments = [comment for module in found for comment in module.comments()]
    return {
        "modules": f"{len(found)}",
        "lines": f"{lines:,}",
        "median module, lines": f"{statistics.median(module.lines for module in found):.0f}",
        "largest module, lines": f"{largest.lines} {largest.path}",
        f"functions over {LONG_FUNCTION_LINES} lines": f"{sum(length(f) > LONG_FUNCTION_LINES for _, f in functions)}",
        "longest function, lines": f"{length(longest[1])} {longest[0].path} {longest[1].name}",
        f"complexity over {COMPLEX}": f"{sum(complexity(function) > COMPLEX for _, function in functions)}",
        "highest complexity": f"{complexity(most_complex[1])} {most_complex[0].path} {most_complex[1].name}",
        "Any, per 1 000 lines": f"{1000 * sum(map(_any_names, found)) / lines:.1f}",
        "asserts": f"{sum(isinstance(node, ast.Assert) for module in found for node in ast.walk(module.tree))}",
        "formatter exceptions": f"{_holding(comments, r'# *fmt: *(skip|off)')}",
        "type ignores": f"{_holding(comments, r'# *type: *ignore')}",
        "other lint exceptions": f"{_holding(comments, r'# *noqa')}",
    }


def _holding(comments: Iterable[str], pattern: str) -> int:
    return sum(re.search(pattern, comment) is not None for comment in comments)


def packages(checkout: Path, part: str) -> Counter[str]:
    """Files with code in each folder, by its path."""
    return Counter(module.path.parent.as_posix() for module in modules(checkout, part))


def main(arguments: list[str]) -> int:
    """Prints both tables, and the files of each package."""
    parser = argparse.ArgumentParser(prog="python -m tests.house_figures", description=__doc__)
    parser.add_argument("checkout", nargs="?", type=Path, default=Path(__file__).parents[1])
    checkout = parser.parse_args(arguments).checkout
    for part in ("smoltui", "tests"):
        print(f"{part}\n")
        for name, figure in figures(checkout, part).items():
            print(f"  {name:28} {figure}")
        print("\n  files per package")
        for folder, count in sorted(packages(checkout, part).items()):
            print(f"  {count:4} {folder}")
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
