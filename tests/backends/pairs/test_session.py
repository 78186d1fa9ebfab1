"""One opened set without a screen: moving, searching, sorting, deciding, counting, as room and command use it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.pairs import session as pairs_session
from smoltui.backends.pairs import store as pair_store
from smoltui.backends.pairs.decisions import Decisions
from smoltui.backends.pairs.opened_set import PairSet, imported, open_set
from smoltui.backends.pairs.session import OWN_ORDER, Matches, PairsSession, StillLoadingError, recipe_values
from smoltui.backends.project.project import Project
from smoltui.core.pairs.audit import Audit
from smoltui.core.pairs.query import PairQuery, parse_query
from smoltui.errors import InputError, PairsError, SmoltuiError
from tests.paths import DEMO

MODEL = DEMO / "model"
ROWS: list[Any] = [
    {"prompt": "Is the mill far?", "chosen": "A mile, by the river.", "rejected": "No."},
    {"prompt": "What is fog?", "chosen": "A cloud at the ground.", "rejected": "A cloud near the ground, I think."},
    {"score": 3},
    {"prompt": "Why?", "chosen": "Because.", "rejected": "Because."},
    {"prompt": "Where is the river?", "chosen": "Here.", "rejected": "There."},
]


def write(folder: Path, rows: list[Any] = ROWS, name: str = "train.jsonl") -> None:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def session(tmp_path: Path) -> PairsSession:
    """Five rows, one of them no pair and one with equal answers, of a project that names no model."""
    write(tmp_path)
    return PairsSession(imported(PairsSpec("train.jsonl"), tmp_path), Decisions(tmp_path), Project(tmp_path))


async def searched(session: PairsSession, text: str) -> list[int]:
    query = parse_query(text)
    assert query is not None
    async for _ in session.search(query):
        pass
    return list(session.rows or ())


async def audited(session: PairsSession) -> Audit:
    async for step in session.audit():
        found = step
    assert isinstance(found, Audit)
    return found


class TestMoving:
    def test_to_a_row_and_to_the_nearest_end(self, session: PairsSession) -> None:
        for asked, there in ((3, 3), (-7, 0), (99, 4)):
            assert session.go(asked) and session.index == there
        assert session.here().pair.chosen[0].content == "Here." and session.here(1).row == 1

    def test_a_row_that_is_not_loaded_is_waited_for(self, tmp_path: Path) -> None:
        write(tmp_path, [{"prompt": f"p{n}", "chosen": "a", "rejected": "b"} for n in range(3000)])
        session = PairsSession(open_set(PairsSpec("train.jsonl"), tmp_path), Decisions(tmp_path))
        rows = len(session.opened)
        assert session.opened.store is None and 0 < rows < 3000
        with pytest.raises(StillLoadingError, match=f"Pair {rows + 1:,} is still loading"):
            session.here(rows)
        with pytest.raises(PairsError, match="could not be read"):
            session.store()
        session.loading = "loading"
        with pytest.raises(StillLoadingError):
            session.store()

    async def test_an_import_that_has_written_no_part_yet(self, session: PairsSession) -> None:
        """Whatever needs the stored rows says so; a search waits for them."""
        store = session.store()
        whole = store.meta
        pair_store.write_meta(store.folder, replace(whole, rows=0, complete=False))
        session.opened.refresh()
        session.loading = "loading"
        with pytest.raises(StillLoadingError):
            await session.count_held_out(0.5, 7)
        with pytest.raises(StillLoadingError):
            await session.rows_where("gap >= (select min(gap) from pairs)")
        searching = asyncio.ensure_future(searched(session, "where gap >= (select min(gap) from pairs)"))
        await asyncio.sleep(0.2)
        assert not searching.done()
        pair_store.write_meta(store.folder, whole)
        session.opened.refresh()
        assert len(await searching) == 4

    async def test_loaded_in_a_child(self, tmp_path: Path) -> None:
        """It says how far it is, and what was too far down can be had afterwards."""
        write(tmp_path, [{"prompt": f"p{n}", "chosen": "a", "rejected": "b"} for n in range(3000)])
        session = PairsSession(open_set(PairsSpec("train.jsonl"), tmp_path), Decisions(tmp_path))
        with pytest.raises(SmoltuiError):
            session.whole()
        said = set()
        async for _ in session.load():
            said.add(session.loading.split()[0])
        assert said == {"loading"} and session.loading == "" and session.whole().meta.rows == 3000
        assert session.go(2999) and session.here().pair.index == 2999


class TestSearching:
    @pytest.mark.parametrize(
        ("text", "rows"),
        [
            ("RIVER", [0, 4]),
            ("/clou.|mile/", [0, 1]),
            ("where identical", [3]),
            ("zebra", []),
            ("where reason = 'x'", []),
        ],
    )
    async def test_for_a_text_an_expression_a_condition(
        self, session: PairsSession, text: str, rows: list[int]
    ) -> None:
        assert await searched(session, text) == rows
        assert session.matches is not None and not session.matches.looking and not session.matches.stopped
        assert session.listed == len(rows)

    async def test_through_the_matches_and_around(self, session: PairsSession) -> None:
        await searched(session, "river")
        session.go(1)
        assert session.first_match() == 4 and session.place() is None
        assert session.hit(1) == (4, False)
        session.go(4)
        assert session.place() == 1 and session.hit(1) == (0, True) and session.hit(-1) == (0, False)
        session.go(0)
        assert session.hit(-1) == (4, True)
        session.clear_matches()
        assert session.hit(1) is None and session.rows is None and session.listed == 5 and session.row_at(3) == 3
        assert session.row_at(5) is None and session.row_at(-1) is None

    async def test_an_expression_that_cannot_be_used_stops_it(self, session: PairsSession) -> None:
        with pytest.raises(InputError, match="regular expression"):
            await searched(session, "/(/")
        assert session.matches is not None and session.matches.stopped and not session.matches.looking
        with pytest.raises(InputError):
            await searched(session, "where nonsense(")

    async def test_left_while_it_looks(self, session: PairsSession, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its thread is told to stop."""
        told: list[bool] = []

        def slow(self: object, stopped: Any) -> None:
            while not stopped():
                pass
            told.append(True)

        monkeypatch.setattr(pairs_session.Search, "run", slow)
        monkeypatch.setattr(pairs_session, "HITS_SECONDS", 0.01)
        steps = session.search(PairQuery("text", "river"))
        await anext(steps)
        await steps.aclose()
        for _ in range(200):
            if told:
                break
            await asyncio.sleep(0.01)
        assert told == [True]

    async def test_what_was_decided_elsewhere_is_searched_too(self, session: PairsSession, tmp_path: Path) -> None:
        """Also right after the start, before the room has read the decisions."""
        other = PairsSession(session.opened, Decisions(tmp_path), session.project)
        await other.decide("pin", other.here(1))
        assert session.curation.pinned == set()
        assert await searched(session, "where pinned") == [1]

    async def test_the_pairs_of_a_finding(self, session: PairsSession) -> None:
        rows = await session.rows_where("identical")
        await session.show_matches(rows, "pairs with equal answers")
        assert list(session.rows or ()) == [3] and session.matches is not None
        assert session.matches.reason == session.matches.words == "pairs with equal answers"

    async def test_flagged(self, session: PairsSession) -> None:
        seen = []
        for _ in range(3):
            row = await session.flagged(1)
            assert row is not None
            session.go(row)
            seen.append(row)
        assert seen == [2, 3, 2] and await session.flagged(-1) == 3

    async def test_nothing_is_flagged(self, tmp_path: Path) -> None:
        write(tmp_path, ROWS[:2])
        session = PairsSession(imported(PairsSpec("train.jsonl"), tmp_path), Decisions(None))
        assert await session.flagged(1) is None

    @given(st.sets(st.integers(0, 50)), st.integers(-1, 51))
    def test_a_row_is_among_the_matches_or_not(self, rows: set[int], row: int) -> None:
        from array import array

        assert (row in Matches("", array("Q", sorted(rows)))) == (row in rows)


class TestSorting:
    async def test_by_each_column_and_back(self, session: PairsSession) -> None:
        orders = []
        for _ in range(30):
            session.next_order()
            await session.sort()
            orders.append(session.order[0])
            if session.order == OWN_ORDER:
                break
            assert session.rows is not None and sorted(session.rows) == [0, 1, 2, 3, 4]
        assert session.order == OWN_ORDER and session.rows is None
        assert len(set(orders)) == len(orders) > 3 and not any(name.endswith("_tokens") for name in orders)

    async def test_the_matches_alone_and_the_other_way(self, session: PairsSession) -> None:
        await searched(session, "where chosen_chars > 0")
        session.order = ("chosen_chars", True)
        await session.sort()
        assert list(session.rows or ()) == [1, 0, 3, 4]
        session.reverse_order()
        await session.sort()
        assert list(session.rows or ()) == [4, 3, 0, 1]
        session.go(0)
        assert session.place() is None and session.hit(1) == (1, False) and session.hit(-1) == (3, False)
        assert session.first_match() == 0, "the first match is that of the set, not of the order"

    async def test_lengths(self, session: PairsSession) -> None:
        lengths = await session.lengths()
        assert lengths is not None and (lengths.unit, lengths.limit) == ("characters", None)
        assert lengths.chosen.total == 4 and lengths.chosen.highest == len("A cloud at the ground.")
        assert lengths.gap.counts[0] == 1


class TestDeciding:
    async def test_each_act_and_its_opposite(self, session: PairsSession) -> None:
        here = session.here(1)
        for act, of in (("exclude", "excluded"), ("swap", "swapped"), ("pin", "pinned")):
            assert [made.act for made in await session.decide(act, here)] == [act]
            assert getattr(session.curation, of) == {here.key}
            await session.decide(act, here)
            assert getattr(session.curation, of) == set()

    async def test_only_a_match_is_excluded_for_what_was_searched(self, session: PairsSession) -> None:
        """Whatever is searched for by the time it is written."""
        await searched(session, "river")
        writing = [session.decide("exclude", session.here(row)) for row in (0, 1)]
        session.clear_matches()
        whys = [[made.why for made in await each] for each in writing]
        assert whys == [["matches “river”"], [None]]

    async def test_a_note_is_changed_and_removed(self, session: PairsSession) -> None:
        here = session.here()
        await session.note(here, "look again")
        assert session.curation.notes == {here.key: "look again"}
        assert await session.note(here, "look again") == [], "nothing changes, so nothing is written"
        await session.note(here, "")
        assert session.curation.notes == {}

    async def test_all_at_once(self, session: PairsSession) -> None:
        made = await session.decide_all("exclude", [0, 4], "too wet")
        assert {one.why for one in made} == {"too wet"} and len(session.curation.excluded) == 2
        assert await session.decisions.undo() == made and session.curation.excluded == set()

    async def test_held_out_by_prompt(self, session: PairsSession) -> None:
        assert not any(session.held_out(row) for row in range(5))
        await session.hold_out(0.5, 7)
        held = [row for row in range(5) if session.held_out(row)]
        assert await session.count_held_out(0.5, 7) == (len(held), len(held))
        assert await searched(session, "where held_out") == held
        await session.hold_out(0, 7)
        assert not any(session.held_out(row) for row in range(5))

    async def test_exported_with_decisions_that_were_never_looked_at(
        self, session: PairsSession, tmp_path: Path
    ) -> None:
        other = PairsSession(session.opened, Decisions(tmp_path), session.project)
        await other.decide("exclude", other.here(0))
        made = await session.export(tmp_path / "out")
        assert (made.train, made.excluded) == (2, 1)
        with pytest.raises(InputError, match="export"):
            await session.export(tmp_path / "out")
        assert (await session.export(tmp_path / "out", overwrite=True)).train == 2

    async def test_nothing_is_exported_past_decisions_that_cannot_be_read(
        self, session: PairsSession, tmp_path: Path
    ) -> None:
        (tmp_path / "curation.jsonl").mkdir()
        with pytest.raises(InputError, match="cannot be read"):
            await session.export(tmp_path / "out")
        assert not (tmp_path / "out").exists()


class TestTheWholeSet:
    async def test_the_audit(self, session: PairsSession, tmp_path: Path) -> None:
        audit = await audited(session)
        assert (
            session.report is audit and audit.rows == 5 and audit.held_out is None if hasattr(audit, "held_out") else 1
        )
        assert [path.name for path in await session.save_report(audit)] == ["audit.json", "audit.md"]
        assert (tmp_path / "audit.md").is_file()
        assert await searched(session, "where duplicate") == [], "what it found can be searched"

    @pytest.mark.slow
    async def test_the_split_that_the_recipe_evaluates_on_is_compared_with(self, tmp_path: Path) -> None:
        write(tmp_path)
        write(tmp_path, ROWS[:1], "test.jsonl")
        opened = imported(PairsSpec(".", split="train"), tmp_path)
        for values, count in (({}, None), ({"eval_strategy": "steps"}, 1)):
            session = PairsSession(opened, Decisions(None), Project(tmp_path), values)
            audit = await audited(session)
            assert next(found.count for found in audit.findings if found.name == "in_held_out") == count

    async def test_an_audit_waits_for_the_set(self, session: PairsSession, monkeypatch: pytest.MonkeyPatch) -> None:
        async def none(module: str, arguments: list[str]) -> AsyncGenerator[dict[str, Any], None]:
            yield {"progress": 1, "of": 5}
            raise PairsError("broke off")

        monkeypatch.setattr(pairs_session, "ask_child", none)
        session.loading = "loading 3%"
        steps = session.audit()
        assert await anext(steps) == "waiting for the set: loading 3%"
        session.loading = ""
        assert [await anext(steps), await anext(steps)] == ["auditing the pairs", "auditing the pairs: 1 of 5"]
        with pytest.raises(PairsError, match="broke off"):
            await anext(steps)
        assert session.report is None

    @pytest.mark.slow
    async def test_tokens(self, tmp_path: Path) -> None:
        """Counted by the recipe's tokenizer; then lengths, sorting and conditions know them."""
        write(tmp_path)
        (tmp_path / "recipe.yaml").write_text(f"model_name_or_path: {MODEL}\nmax_length: 22\n")
        project = Project(tmp_path)
        session = PairsSession(
            imported(PairsSpec("train.jsonl"), tmp_path), Decisions(None), project, recipe_values(project)
        )
        assert session.max_length == 22 and await searched(session, "where chosen_tokens > 0") == []
        shares = [share async for share in session.count_tokens()]
        assert shares[-1] == 1 and session.tokens is not None
        assert await searched(session, "where chosen_tokens > 0") == [0, 1, 3, 4]
        lengths = await session.lengths()
        assert lengths is not None and (lengths.unit, lengths.limit) == ("tokens", 22)
        assert (await audited(session)).tokens_known

    async def test_no_project_no_tokens(self, tmp_path: Path) -> None:
        write(tmp_path)
        session = PairsSession(imported(PairsSpec("train.jsonl"), tmp_path), Decisions(None))
        assert session.max_length is None
        with pytest.raises(InputError, match="recipe's tokenizer"):
            await anext(session.count_tokens())


def test_a_recipe_that_cannot_be_read_has_no_values(tmp_path: Path) -> None:
    assert recipe_values(Project(tmp_path)) == {}
    (tmp_path / "recipe.yaml").write_text("dataset_name: [1\n")
    assert recipe_values(Project(tmp_path)) == {}


def test_another_set_is_another_session(session: PairsSession, tmp_path: Path) -> None:
    """What is decided belongs to the project, what was found to the set."""
    opened: PairSet = session.opened
    again = PairsSession(opened, session.decisions, session.project)
    assert again.decisions is session.decisions and again.matches is None and again.report is None
