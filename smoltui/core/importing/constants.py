"""Values of a Python script that are known without running it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

MOST_DEPTH = 40
"""Nested expressions that are followed; a chain of names that refers to itself ends here."""


class NotConstantError(Exception):
    """A value is only known when the script runs."""


def constant(node: ast.expr, names: Mapping[str, ast.expr], depth: int = 0) -> Any:
    """The value of an expression: literals, names that were assigned one, sums and products, `torch` types.

    Raises:
        NotConstantError: it is only known when the script runs.
    """
    if depth > MOST_DEPTH:
        raise NotConstantError
    match node:
        case ast.Constant(value=value) if not isinstance(value, bytes | complex):
            return value
        case ast.Name(id=name) if name in names:
            return constant(names[name], names, depth + 1)
        case ast.Attribute(value=ast.Name(id="torch"), attr=kind):
            return kind  # torch.bfloat16 and the like, which a recipe writes as a word
        case ast.Attribute(attr=kind) if kind.isupper():
            return kind  # an enumeration, such as TaskType.CAUSAL_LM
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(operand, names, depth)
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            return [constant(part, names, depth + 1) for part in parts]
        case ast.Dict(keys=keys, values=values) if None not in keys:
            known = [constant(key, names, depth + 1) for key in keys if key is not None]
            return {str(key): constant(value, names, depth + 1) for key, value in zip(known, values, strict=True)}
        case ast.BinOp(left=left, op=op, right=right):
            return _sum(_number(left, names, depth), op, _number(right, names, depth))
        case ast.JoinedStr(values=parts):
            return "".join(str(constant(_inner(part), names, depth + 1)) for part in parts)
        case ast.Call() if (fallback := _environment(node)) is not None:
            return constant(fallback, names, depth + 1)
    raise NotConstantError


def _inner(part: ast.expr) -> ast.expr:
    return part.value if isinstance(part, ast.FormattedValue) else part


def _number(node: ast.expr, names: Mapping[str, ast.expr], depth: int) -> float:
    value = constant(node, names, depth + 1)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotConstantError
    return value


def _sum(left: float, op: ast.operator, right: float) -> float:
    try:
        match op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div():
                return left / right
            case ast.FloorDiv():
                return left // right
            case ast.Pow() if abs(left) <= 1000 and abs(right) <= 30:
                return float(left**right) if right < 0 else left**right
    except ArithmeticError as error:
        raise NotConstantError from error
    raise NotConstantError


def _environment(node: ast.Call) -> ast.expr | None:
    """The fallback of `os.environ.get(NAME, fallback)` and `os.getenv(NAME, fallback)`."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="environ"), attr="get"), args=[_, fallback]):
            return fallback
        case ast.Call(func=ast.Attribute(attr="getenv"), args=[_, fallback]):
            return fallback
    return None
