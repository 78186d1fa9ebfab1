"""Columns that complete a condition while it is typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.pairs.columns import COLUMNS
from smoltui.core.pairs.completion import MOST, completion

FURTHER = {"source": "text", "Score": "number", "order": "text", "my col": "json", "a\x1bb": "text", "row": "number"}


def names(text: str, cursor: int | None = None) -> list[str]:
    found = completion(text, len(text) if cursor is None else cursor, FURTHER)
    return [proposal.name for proposal in found.proposals] if found is not None else []


def completed(text: str, cursor: int | None = None) -> str:
    """The text with the first proposal."""
    cursor = len(text) if cursor is None else cursor
    found = completion(text, cursor, FURTHER)
    return found.applied(text, 0)[0] if found is not None else text


@pytest.mark.parametrize("text", ["where ", "WHERE ", " where (", "where gap > 3 and ", "where not ", "where x or\n"])
def test_all_columns_where_a_condition_begins(text: str) -> None:
    """Those of the rows come first, under the names that conditions know; what would act on the input is left out."""
    assert names(text)[:6] == ["source", "Score", '"order"', '"my col"', "row_row", "prompt"]
    assert set(names(text)) >= set(COLUMNS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wher",
        "where",
        "tomato sou",
        "/where sou/",
        "where source ",
        "where source = 'so",
        "where source = 'it''s so",
        "where gap > 5",
        "where gap > 5e",
        "where zzzzzz",
    ],
)
def test_nothing_where_no_column_is_expected(text: str) -> None:
    assert names(text) == []


def test_names_that_begin_so_then_those_that_contain_it() -> None:
    assert names("where s")[:4] == ["source", "Score", "similarity", "swapped"]
    assert names("where chars")[:1] == ["prompt_chars"]
    assert names("where SOUR") == ["source"]


def test_a_wrong_name_gets_similar_ones() -> None:
    assert names("where chosn") == ["chosen"]
    assert names("where sorce")[0] == "source"


@pytest.mark.parametrize(
    ("text", "cursor", "after"),
    [
        ("where sou", None, "where source "),
        ("where sou = 'a'", 9, "where source = 'a'"),
        ("where sourxx = 'a'", 9, "where source = 'a'"),
        ("where gap > 3 and (sou", None, "where gap > 3 and (source "),
        ('where "my', None, 'where "my col" '),
        ('where "my co" = 1', 9, 'where "my col" = 1'),
        ("where source = 'it''s' and sc", None, "where source = 'it''s' and Score "),
        ("where ord", None, 'where "order" '),
    ],
)
def test_the_word_at_the_cursor_is_replaced(text: str, cursor: int | None, after: str) -> None:
    assert completed(text, cursor) == after


def test_the_cursor_stands_after_the_name() -> None:
    found = completion("where sou = 'a'", 9, FURTHER)
    assert found is not None and found.applied("where sou = 'a'", 0) == ("where source = 'a'", 13)


def test_a_hundred_thousand_columns() -> None:
    found = completion("where c", 7, {f"c{number}": "text" for number in range(100_000)})
    assert found is not None and len(found.proposals) <= MOST


@given(st.text(alphabet="where \"'ab_1(=\n\x00é"), st.integers(0, 30))
def test_any_text_at_any_place(text: str, cursor: int) -> None:
    """What is before and after the word stays."""
    text = "where " + text
    cursor = min(cursor, len(text))
    found = completion(text, cursor, FURTHER)
    if found is None:
        return
    assert 6 <= found.start <= cursor <= found.end <= len(text)
    after, place = found.applied(text, 0)
    assert after.startswith(text[: found.start]) and after.endswith(text[found.end :].lstrip())
    assert after[:place].endswith(f"{found.proposals[0].name} ")
