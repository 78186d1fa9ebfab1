"""The values of a column are counted exactly, whatever they are, and each can be searched for."""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.pairs import facets
from smoltui.backends.pairs.facets import facet_column, facet_of
from smoltui.backends.pairs.opened_set import imported
from smoltui.backends.pairs.search import Search
from smoltui.backends.pairs.store import PairStore
from smoltui.core.pairs.facet import MOST_VALUES, VALUE_CHARS, Facet
from smoltui.core.pairs.query import PairQuery
from smoltui.errors import InputError, PairsError
from tests.stories.hostile import ANY_TEXT, HOSTILE


def stored(folder: Path, rows: list[dict[str, Any]]) -> PairStore:
    folder.mkdir(exist_ok=True)
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = imported(PairsSpec("pairs.jsonl"), folder).store
    assert made is not None
    return made


def pair(number: int, **further: Any) -> dict[str, Any]:
    return {"prompt": f"q{number}", "chosen": "a" * (number % 7 + 1), "rejected": "b" * 4, **further}


def facet(store: PairStore, name: str, **options: Any) -> Facet:
    found = facet_of(store, facet_column(name, store.meta.extras), **options)
    assert found is not None
    return found


def hits(store: PairStore, condition: str) -> list[int]:
    search = Search(store, PairQuery("where", condition))
    search.run()
    return list(search.hits)


def test_values_pairs_and_median_gaps(tmp_path: Path) -> None:
    """As Python counts them, the most frequent first."""
    rows = [pair(n, source=("wiki", "reddit", None, "wiki")[n % 4], score=n % 3 / 2) for n in range(5000)]
    store = stored(tmp_path, rows)
    found = facet(store, "source")
    assert (found.distinct, found.pairs, found.complete, found.has_margin) == (3, 5000, True, False)
    assert [(value.text, value.pairs) for value in found.values] == [("wiki", 2500), ("reddit", 1250), (None, 1250)]
    gaps = [len(row["chosen"]) - 4 for row in rows if row["source"] == "reddit"]
    assert found.values[1].gap == statistics.median(gaps) and found.values[1].margin is None
    scores = facet(store, "SCORE")
    assert Counter({value.number: value.pairs for value in scores.values}) == Counter(row["score"] for row in rows)
    assert [value.text for value in scores.values] == ["0", "0.5", "1"]
    assert [value.pairs for value in facet(store, "source", rows=range(8)).values] == [4, 2, 2]


def test_scores_of_both_answers_give_a_margin(tmp_path: Path) -> None:
    rows = [pair(n, model=n % 2, score_chosen=n / 10, score_rejected=0.5) for n in range(20)]
    assert [value.margin for value in facet(stored(tmp_path, rows), "model").values] == pytest.approx([0.4, 0.5])
    rows = [pair(n, model=n % 2, margin=n) for n in range(4)]
    assert [value.margin for value in facet(stored(tmp_path / "b", rows), "model").values] == [1, 2]


def test_answers_of_a_tie_are_no_further_columns(tmp_path: Path) -> None:
    """No pair is made of a tie, so its row keeps the columns that other rows use up."""
    row = {"question": "Why?", "answer_a": "Because.", "answer_b": "No.", "source": "web"}
    store = stored(tmp_path, [{**row, "winner": winner} for winner in ("answer_a", "tie")])
    assert set(store.meta.extras) == {"source", "winner"}


def test_our_own_columns(tmp_path: Path) -> None:
    store = stored(tmp_path, [pair(n, gap="x") for n in range(70)])
    gaps = facet(store, "gap")
    assert {value.number for value in gaps.values} == set(range(-3, 4))
    assert facet(store, "row_gap").values[0].text == "x"
    assert [value.text for value in facet(store, "excluded").values] == ["no"]
    assert [value.condition for value in facet(store, "duplicate").values] == ["duplicate IS NULL"]


def test_a_wrong_name_gets_the_nearest(tmp_path: Path) -> None:
    store = stored(tmp_path, [pair(1, source="a", **{"my col": 1})])
    for name, meant in (("sorce", "source"), ("my colm", '"my col"'), ("chosen_char", "chosen_chars")):
        with pytest.raises(InputError) as error:
            facet_column(name, store.meta.extras)
        assert error.value.message == f"There is no column {name}" and f"Did you mean {meant}" in error.value.hint
    with pytest.raises(InputError) as error:
        hits(store, "sorce = 'a'")
    assert error.value.message == "There is no column sorce" and "Did you mean source" in error.value.hint
    with pytest.raises(InputError) as error:
        hits(store, "zzzzzzzz = 1")
    assert error.value.hint.startswith('Columns are source, "my col", prompt')


ODD: tuple[Any, ...] = (
    *HOSTILE,
    "it's",
    '"quoted"',
    " ",
    float("nan"),
    float("inf"),
    -0.0,
    10**25,
    True,
    [1, [2, {"a": None}]],
    {"x": "\x1b[31m"},
    "y" * 5000,
    "y" * 5001,
)


@pytest.mark.slow
def test_every_hostile_value_is_found_again(tmp_path: Path) -> None:
    """One column holds all of them; the condition of each value finds exactly its pairs."""
    rows = [pair(n, odd=value, **{'we"ird': n % 2}) for n, value in enumerate((*ODD, None, *ODD))]
    store = stored(tmp_path, rows)
    found = facet(store, "odd")
    assert found.pairs == len(rows) == sum(value.pairs for value in found.values)
    assert {value.pairs for value in found.values if value.text is not None} <= {2, 4}
    rows_of = [hits(store, value.condition) for value in found.values]
    assert [len(rows) for rows in rows_of] == [value.pairs for value in found.values]
    assert sorted(row for rows in rows_of for row in rows) == list(range(len(rows)))
    assert max(len(value.text or "") for value in found.values) <= VALUE_CHARS
    assert [value.condition for value in facet(store, 'we"ird').values] == ['"we""ird" = 0', '"we""ird" = 1']
    assert len(hits(store, '"we""ird" = 1')) == len(rows) // 2


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.lists(ANY_TEXT, max_size=2)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=12))
def test_any_values_are_found_again(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    store = stored(tmp_path_factory.mktemp("any"), [pair(n, odd=value) for n, value in enumerate([*values, "last"])])
    found = facet(store, "odd")
    rows_of = [hits(store, value.condition) for value in found.values]
    assert [len(rows) for rows in rows_of] == [value.pairs for value in found.values]
    assert sorted(row for rows in rows_of for row in rows) == list(range(len(values) + 1))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    """As many values as pairs."""
    folder = tmp_path_factory.mktemp("many")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMOLTUI_HOME", str(folder / "home"))
        return stored(folder / "set", [pair(n, id=f"id-{n}") for n in range(20_000)])


def test_the_most_frequent_of_many_values(many: PairStore) -> None:
    found = facet(many, "id")
    assert (found.distinct, found.pairs, len(found.values)) == (20_000, 20_000, MOST_VALUES)


def test_it_stops_at_once(many: PairStore) -> None:
    begun = time.monotonic()
    assert facet_of(many, facet_column("id", many.meta.extras), stopped=lambda: True) is None
    assert time.monotonic() - begun < 5


def test_it_ends_in_time(many: PairStore, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = facets.columns_of

    def slowly(*args: Any, **options: Any) -> Any:
        time.sleep(0.2)
        return slow(*args, **options)

    monkeypatch.setattr(facets, "columns_of", slowly)
    with pytest.raises(InputError) as error:
        facet(many, "id", seconds=0.1)
    assert error.value.message.startswith("The values of id cannot be counted: INTERRUPT")


def test_a_cache_that_is_gone(tmp_path: Path) -> None:
    store = stored(tmp_path, [pair(n, id=n) for n in range(5000)])
    for number in (1, 0):
        (store.folder / f"part-0000{number}.text.arrow").unlink()
        with pytest.raises(PairsError) as error:
            facet(store, "id")
        assert error.value.message == "The cached copy of this set was deleted."
