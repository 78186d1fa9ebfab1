"""Names of the rows' further columns in conditions, and their values as text."""

from __future__ import annotations

import json

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.pairs.further import RESERVED, further_name, nearest, number_text, sql_name, value_text


def test_a_column_with_one_of_our_names_gets_another() -> None:
    assert [further_name(name) for name in ("source", "row", "Gap")] == ["source", "row_row", "row_Gap"]


def test_names_that_need_quotes_have_them() -> None:
    assert [sql_name(name) for name in ("source", "Score_2", "my col", 'a"b', "order", "IS", "ä")] == [
        "source",
        "Score_2",
        '"my col"',
        '"a""b"',
        '"order"',
        '"IS"',
        '"ä"',
    ]


def test_every_word_of_duckdb_can_name_a_column() -> None:
    """Whatever DuckDB reserves in its next version is noticed here."""
    with duckdb.connect() as connection:
        words = [word for (word,) in connection.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall()]
        assert len(words) > 400
        for word in words:
            name = sql_name(word)
            asked = f'SELECT 1 FROM (SELECT 1 AS "{word}") WHERE ({name} = 1 AND 1 = {name})'
            assert connection.execute(asked).fetchall() == [(1,)], word
    assert RESERVED.fullmatch("order") and not RESERVED.fullmatch("source")


@given(st.text(min_size=1).filter(lambda name: "\0" not in name))
def test_any_name_is_one_name_in_sql(name: str) -> None:
    name = name.encode("utf-8", "replace").decode()
    with duckdb.connect() as connection:
        asked = connection.execute(f'SELECT {sql_name(name)} FROM (SELECT 7 AS "{name.replace(chr(34), chr(34) * 2)}")')
        assert asked.fetchall() == [(7,)]


def test_the_nearest_name() -> None:
    names = ["source", "score", "chosen_chars", "rejected_chars"]
    assert nearest("scor", names) == ["score"]
    assert nearest("CHOSEN_CHAR", names) == ["chosen_chars"]
    assert nearest("sorce", names, 2) == ["source", "score"]
    assert nearest("zzz", names) == [] and nearest("", names) == [] and nearest("x", []) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", ""),
        ("wiki", "wiki"),
        (True, "yes"),
        (False, "no"),
        (3, "3"),
        (2.0, "2"),
        (0.1 + 0.2, "0.3"),
        (1.5e300, "1.5e+300"),
        (float("nan"), "nan"),
        (["a", {"é": None}], '["a", {"é": null}]'),
        (10**30, "0xc9f2c9cd04674edea40000000"),
    ],
)
def test_values_as_text(value: object, text: str | None) -> None:
    assert value_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_short_and_nearly_itself(value: float) -> None:
    shown = number_text(value)
    assert len(shown) <= 16 and json.loads(shown) == pytest.approx(value, rel=1e-5)
