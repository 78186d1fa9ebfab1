"""A field's type is what its annotation means, however it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, make_dataclass
from typing import Any

import pytest

from smoltui.core.foreign.field_types import FITS, FieldType, field_types
from smoltui.core.runs import events
from smoltui.core.runs.run import RunSpec
from smoltui.core.runs.watch_settings import WatchSettings
from smoltui.core.settings.settings import EvaluationSettings, JobSettings, LocalSettings, Manner


@dataclass
class Sample:
    plain: int
    maybe: str | None
    several: tuple[str, ...] = ()
    table: Mapping[str, str] | None = None


@dataclass
class Either:
    value: int | str


def test_quoted_and_optional_types_are_types() -> None:
    assert field_types(Sample) == {
        "plain": FieldType(int, optional=False),
        "maybe": FieldType(str, optional=True),
        "several": FieldType(tuple[str, ...], optional=False),
        "table": FieldType(Mapping[str, str], optional=True),
    }
    assert field_types(Sample) is field_types(Sample)
    quoted = make_dataclass("quoted", [("text", "str"), ("number", "'int | None'")])
    assert field_types(quoted) == {"text": FieldType(str, optional=False), "number": FieldType(int, optional=True)}


def test_a_type_without_meaning_is_refused() -> None:
    with pytest.raises(TypeError):
        field_types(Either)


@pytest.mark.parametrize("cls", [RunSpec, JobSettings, LocalSettings, EvaluationSettings, Manner, WatchSettings])
def test_every_field_that_is_read_from_a_file_has_a_rule(cls: Any) -> None:
    types = field_types(cls)
    assert types.keys() == {item.name for item in fields(cls)}
    assert not [name for name, kind in types.items() if kind.type not in FITS and kind.type is not Manner]


@pytest.mark.parametrize("name", events.EVENTS)
def test_every_field_of_an_event_has_a_rule(name: str) -> None:
    assert events.from_json({"event": name, "v": 1}) == events.EVENTS[name]()


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (str, ["", "a"], [1, None, b"a"]),
        (bool, [True, False], [0, 1, "true", None]),
        (int, [0, -5], [True, 1.0, "1", None]),
        (float, [0, 1.5], [True, float("nan"), float("inf"), "1", None]),
        (tuple[str, ...], [[], ["a"], ("a",)], ["a", ["a", 1], None]),
        (Mapping[str, str], [{}, {"a": "b"}], [{"a": 1}, {1: "a"}, ["a"], None]),
    ],
)
def test_what_fits(kind: Any, good: list[object], bad: list[object]) -> None:
    assert [FITS[kind](value) for value in good] == [True] * len(good)
    assert [FITS[kind](value) for value in bad] == [False] * len(bad)
