"""The types of a dataclass's fields, for whoever fills one from a decoded file.

Types are compared as types, not as the text of an annotation: one that a reader has no rule for is an error the first
time that the class is read, and can't pass as "anything goes".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_origin, get_type_hints

from smoltui.core.foreign.server_values import finite

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class FieldType(NamedTuple):
    """The type of one field."""

    type: Any
    """Without `| None`. Types compare with ==: `tuple[str, ...]`, `Mapping[str, str]`."""
    optional: bool
    """Whether it may be None."""


def field_types(cls: type[DataclassInstance]) -> Mapping[str, FieldType]:
    """Field → its type, in the order of the fields.

    Raises:
        NameError: an annotation names something that the module of the class doesn't have.
        TypeError: a union of several types.
    """
    if cls not in _known:
        hints = get_type_hints(cls)
        _known[cls] = {item.name: _field_type(hints[item.name]) for item in fields(cls)}
    return _known[cls]


_known: dict[type, Mapping[str, FieldType]] = {}


def _field_type(hint: Any) -> FieldType:
    kinds = [kind for kind in get_args(hint) if kind is not NoneType] if get_origin(hint) is UnionType else [hint]
    if len(kinds) != 1:
        raise TypeError(f"A field has one type, and perhaps None: {hint}")
    return FieldType(kinds[0], optional=kinds != [hint])


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: object) -> bool:
    return finite(value) is not None


def _are_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _is_table_of_texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(one, str) for pair in value.items() for one in pair)


FITS: Mapping[Any, Callable[[object], bool]] = {
    str: lambda value: isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    int: _is_whole,
    float: _is_finite,
    tuple[str, ...]: _are_texts,
    Mapping[str, str]: _is_table_of_texts,
}
"""Type → whether a decoded value has it. True is not a number, and lists are read as tuples."""
