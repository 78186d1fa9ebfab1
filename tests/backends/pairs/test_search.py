"""A condition is one expression over the pairs, and ends in time."""

from __future__ import annotations

import json
import threading
import time

import pytest

from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.pairs.opened_set import imported
from smoltui.backends.pairs.search import Search
from smoltui.backends.pairs.store import PairStore
from smoltui.core.pairs.query import PairQuery
from smoltui.errors import InputError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    folder = tmp_path_factory.mktemp("set")
    rows = [{"prompt": f"q{n}", "chosen": f"a{n};--x", "rejected": "b", "score": n} for n in range(4000)]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMOLTUI_HOME", str(folder / "home"))
        made = imported(PairsSpec("pairs.jsonl"), folder).store
    assert made is not None
    return made


def hits(store: PairStore, condition: str, seconds: float = 20.0) -> int:
    search = Search(store, PairQuery("where", condition), statement_seconds=seconds)
    search.run()
    return len(search.hits)


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("row < 3", 3),
        ("(row < 3) or (row = 10)", 4),
        ("chosen like '%;--x'", 4000),
        ("chosen = $$a1;--x$$", 1),
        ("row > (select avg(row) from pairs)", 2000),
        ("case when row = 1 then true end", 1),
        ("row in (1, 2) and score between 2 and 9", 1),
        ('"score" = 7', 1),
    ],
)
def test_conditions(store: PairStore, condition: str, count: int) -> None:
    assert hits(store, condition) == count


@pytest.mark.parametrize(
    "condition",
    [
        "1=1) union all (select 1",
        "1=1) or (2=2",
        "1=1) group by (1",
        "1=1) order by (1",
        "1=1) limit (1",
        "1, 2",
        "*",
        "columns(*)",
        "1=1) from part where (1=1",
        "1=1 then 1 end, case when 2=2",
        "1=1; select 1",
        "1=1;",
        "true); drop table part; select (1=1",
        "1=1 as x",
        "select 1",
        "1=1 -- more",
        "/* more */ 1=1",
        "1=1 /*",
        "row = $1",
        "row = ?",
        "(" * 3000 + "1" + ")" * 3000,
        "1=1 or " * 3000 + "1=1",
        "row < list_sum(range(1000000000))",
        "(select count(*) from generate_series(1, 10)) > 0",
        "'a'.repeat(1000000000) = chosen",
        "exists (select * from read_text('/etc/passwd'))",
    ],
)
def test_what_is_not_one_condition(store: PairStore, condition: str) -> None:
    """What closes our bracket, adds a statement, hides in a comment or makes something out of nothing is refused."""
    with pytest.raises(InputError):
        hits(store, condition)


@pytest.mark.parametrize(
    "condition",
    [
        "(select sum(a.row * b.row + c.row) from pairs a, pairs b, pairs c) > 0",
        "(with recursive t as (select 1 as n union all select n + 1 from t) select max(n) from t where n < 0) > 0",
    ],
)
def test_a_condition_that_would_not_end(store: PairStore, condition: str) -> None:
    with pytest.raises(InputError, match="The condition takes too long"):
        hits(store, condition, 0.2)
    search = Search(store, PairQuery("where", condition), search_seconds=0.2)
    with pytest.raises(InputError, match="The condition takes too long"):
        search.run()


def test_a_condition_that_wants_all_the_memory(store: PairStore) -> None:
    with pytest.raises(InputError, match=r"Out of Memory|too long"):
        hits(store, "(select count(*) from pairs a, pairs b, pairs c, pairs d) > 0", 0.5)


def test_leaving_while_it_runs(store: PairStore) -> None:
    """The person leaves the search: the statement is interrupted, and that is no error."""
    left = threading.Event()
    threading.Timer(0.1, left.set).start()
    search = Search(store, PairQuery("where", "(select sum(a.row * b.row + c.row) from pairs a, pairs b, pairs c) > 0"))
    began = time.monotonic()
    search.run(left.is_set)
    assert not search.complete and not search.hits and time.monotonic() - began < 60
