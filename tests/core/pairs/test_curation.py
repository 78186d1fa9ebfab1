"""Decisions on pairs: lines, the state they make, undoing them, and the split that is carved by prompt."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.pairs.curation import (
    ACTS,
    Curation,
    Decision,
    HoldOut,
    held_out,
    inverse,
    line_of,
    parse,
    prompt_hash,
    shown,
)
from smoltui.core.pairs.dataset_card import CardFacts, card, size_category
from smoltui.core.pairs.facts import row_facts
from smoltui.core.pairs.preference import Message, Pair, pair_of

ONE, TWO, THREE = "1" * 32, "2" * 32, "3" * 32

texts = st.text(max_size=20)
pair_decisions = st.builds(
    lambda act, pair, why, note, shows: Decision(act, pair, why, note if act == "note" else None, shows),
    st.sampled_from([act for act in ACTS if act != "hold_out"]),
    st.sampled_from([ONE, TWO, THREE]),
    st.none() | texts,
    texts,
    st.none() | texts,
)
hold_outs = st.builds(
    lambda of, share, seed: Decision("hold_out", of=of, share=share, seed=seed),
    st.sampled_from(["a train", "b train"]),
    st.sampled_from([0.0, 0.05, 0.5]),
    st.integers(0, 5),
)
decisions = st.lists(pair_decisions | hold_outs, max_size=12)


def after(lines: list[Decision]) -> Curation:
    state = Curation()
    for decision in lines:
        state.take(decision)
    return state


def known(state: Curation) -> list[object]:
    names = ("excluded", "swapped", "pinned", "notes", "reasons", "hold_outs")
    return [getattr(state, name) for name in names]


def test_later_lines_win() -> None:
    """I exclude a pair, think again, swap another, note something and take the note back."""
    state = after(
        [
            Decision("exclude", ONE, why="empty chosen answer"),
            Decision("swap", TWO),
            Decision("pin", TWO),
            Decision("exclude", TWO),
            Decision("include", ONE),
            Decision("note", ONE, note="look again"),
            Decision("note", TWO, note="x"),
            Decision("note", TWO, note=""),
            Decision("unpin", TWO),
            Decision("hold_out", of="hh train", share=0.05, seed=7),
        ]
    )
    assert (state.excluded, state.swapped, state.pinned) == ({TWO}, {TWO}, set())
    assert state.notes == {ONE: "look again"} and state.reasons == {}
    assert state.hold_out("hh train") == HoldOut(0.05, 7) and state.hold_out("hh test") is None
    state.take(Decision("hold_out", of="hh train", share=0.0))
    assert state.hold_out("hh train") is None


@given(decisions)
def test_a_line_says_what_was_decided(lines: list[Decision]) -> None:
    """Any text, half a surrogate pair too, survives its line, and a line is one line of UTF-8."""
    for decision in lines:
        line = line_of(decision)
        assert line.count(b"\n") == 1 and line.endswith(b"\n")
        line.decode("utf-8")
        assert parse(line) == decision


@given(decisions, decisions)
def test_undoing_restores_what_was_before(before: list[Decision], done: list[Decision]) -> None:
    state = after(before)
    back = inverse(done, state)
    assert known(after([*before, *done, *back])) == known(state)
    assert len(back) <= len({decision.concerns for decision in done})


def test_undoing_restores_the_words_too() -> None:
    state = after([Decision("note", ONE, note="first"), Decision("exclude", TWO, why="too short")])
    back = inverse([Decision("note", ONE, note="second", shows="How"), Decision("include", TWO)], state)
    assert back == [Decision("exclude", TWO, why="too short"), Decision("note", ONE, note="first", shows="How")]
    assert inverse([Decision("exclude", TWO, why="too short")], state) == []


@pytest.mark.parametrize(
    "line",
    [
        '{"pair": "11", "act": "exclude"}',
        '{"act": "exclude"}',
        '{"pair": 5, "act": "exclude"}',
        "[]",
        "7",
        "{",
        '{"pair": "' + ONE + '", "act": "delete"}',
        '{"pair": "' + ONE + '", "act": "note"}',
        '{"pair": "' + ONE + '", "act": ["exclude"]}',
        '{"pair": "' + ONE + '", "act": "exclude", "why": 3}',
        '{"act": "hold_out", "share": 0.1, "seed": 1}',
        '{"act": "hold_out", "of": "a", "share": 1, "seed": 1}',
        '{"act": "hold_out", "of": "a", "share": true, "seed": 1}',
        '{"act": "hold_out", "of": "a", "share": NaN}',
        '{"act": "hold_out", "of": "a", "share": 0.1}',
        "[" * 100_000,
    ],
)
def test_what_is_no_decision_is_counted_and_harmless(line: str) -> None:
    state = Curation()
    state.take_lines(f'{line}\n\n{{"pair": "{ONE}", "act": "exclude"}}\n'.encode())
    assert (state.unreadable, state.decisions, state.excluded) == (1, 1, {ONE})


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    state = Curation()
    state.take_lines(data + b"\n" + line_of(Decision("swap", ONE)))
    assert state.swapped == {ONE}


@pytest.mark.slow
def test_many_decisions_cost_as_much_each_as_few() -> None:
    """Eight times the lines take about eight times as long to load, and a copy takes a fraction of that."""

    def seconds(count: int) -> tuple[float, float]:
        """To load so many, and to copy them."""
        data = b"".join(
            line_of(Decision("exclude", f"{number:032x}", why="empty", shows="How do I…", at="2026-01-01T00:00:00Z"))
            for number in range(count)
        )
        state, began = Curation(), time.process_time()
        state.take_lines(data)
        loaded = time.process_time()
        assert len(state.copy().excluded) == count
        return loaded - began, time.process_time() - loaded

    few = min(seconds(4_000)[0] for _ in range(3))
    many, copied = map(min, zip(*(seconds(32_000) for _ in range(3)), strict=True))
    assert many < 24 * few
    assert copied < many / 3


def test_what_a_line_shows_is_safe_and_short() -> None:
    prompt = (Message("system", "You are kind."), Message("user", "Hi\x1b[31m\nthere " + "x" * 99))
    said = shown(Pair(0, prompt=prompt))
    assert said.startswith("Hi␛[31m↵there x") and len(said) == 61 and said.endswith("…")
    assert shown(Pair(0, raw='{"a": 1}')) == '{"a": 1}'


class TestHeldOut:
    """A prompt is on one side, wherever it is and whatever else there is."""

    def test_the_share_and_the_seed(self) -> None:
        numbers = [prompt_hash([Message("user", f"question {number}")]) for number in range(20_000)]
        held = {number for number in numbers if held_out(number, 42, 0.05)}
        assert 900 < len(held) < 1100
        other = {number for number in numbers if held_out(number, 43, 0.05)}
        assert len(held & other) < 120
        assert held < {number for number in numbers if held_out(number, 42, 0.1)}
        assert not any(held_out(number, 42, 0.0) for number in numbers)

    def test_it_is_the_same_for_ever(self) -> None:
        """Projects keep a share and a seed, and no list: these answers may never change."""
        asked = [prompt_hash([Message("user", f"question {number}")]) for number in range(40)]
        assert asked[0] == -5762771647268829517
        assert [number for number, value in enumerate(asked) if held_out(value, 42, 0.25)] == [
            6,
            10,
            21,
            30,
            31,
            33,
            37,
        ]

    @given(st.lists(st.tuples(st.sampled_from(["user", "system"]), st.text(max_size=8)), max_size=3))
    def test_the_hash_is_the_column_of_the_store(self, turns: list[tuple[str, str]]) -> None:
        prompt = [{"role": role, "content": text} for role, text in turns]
        row = {
            "prompt": [*prompt, {"role": "user", "content": "x"}],
            "chosen": [{"role": "assistant", "content": "y"}],
            "rejected": [{"role": "assistant", "content": "z"}],
        }
        assert prompt_hash(pair_of(0, row).prompt) == row_facts(0, row)["prompt_hash"]


class TestCard:
    """What a person who finds the exported set must know."""

    FACTS = CardFacts(
        "hh.jsonl train",
        "transcripts",
        {"train": "train.jsonl", "test": "test.jsonl"},
        2312,
        2177,
        113,
        9,
        {"empty chosen answer": 4},
        2,
        {"roles": 13},
        HoldOut(0.05, 42),
        digest="ab" * 16,
        thinking_off=True,
    )

    def test_it_tells_where_the_pairs_come_from_and_what_was_done(self) -> None:
        text = card(self.FACTS)
        head, body = text.removeprefix("---\n").split("\n---\n")
        from ruamel.yaml import YAML

        data = YAML(typ="safe").load(head)
        assert data["configs"][0]["data_files"] == [
            {"split": "train", "path": "train.jsonl"},
            {"split": "test", "path": "test.jsonl"},
        ]
        assert data["size_categories"] == ["1K<n<10K"] and data["tags"] == ["preference", "dpo", "trl"]
        for words in (
            "hh.jsonl train",
            "The source's license applies; smoltui does not know it",
            "| train | 2,177 |",
            "| test, held out | 113 |",
            "| rows in the source | 2,312 |",
            "9 excluded by decision",
            "empty chosen answer: 4",
            "13 left out",
            "2 with chosen and rejected swapped",
            "seed (42)",
            "ab" * 16,
            "dataset_train_split: train",
            "dataset_test_split: test",
            "thinking off",
        ):
            assert words in body, words

    def test_without_held_out_pairs_nothing_is_evaluated(self) -> None:
        text = card(CardFacts("a", "b", {"train": "train.jsonl"}, 5, 5, 0))
        assert 'eval_strategy: "no"' in text and "dataset_test_split" not in text and "| test" not in text

    def test_a_name_cannot_act_on_markdown_or_the_terminal(self) -> None:
        text = card(CardFacts("<b>`x`\x1b[31m\n# big", "b", {"train": "train.jsonl"}, 5, 5, 0))
        assert "\x1b" not in text and "\n# big" not in text and "<b>`x" not in text

    @pytest.mark.parametrize(("rows", "word"), [(0, "n<1K"), (1000, "1K<n<10K"), (10**7, "n>10M")])
    def test_size(self, rows: int, word: str) -> None:
        assert size_category(rows) == word


def test_a_line_is_easy_to_review() -> None:
    line = line_of(Decision("exclude", ONE, why="empty chosen answer", shows="Wie heißt …", at="2026-01-01T00:00:00Z"))
    assert line.decode() == (
        f'{{"pair": "{ONE}", "act": "exclude", "why": "empty chosen answer", "shows": "Wie heißt …", '
        '"at": "2026-01-01T00:00:00Z"}\n'
    )
    assert json.loads(line_of(Decision("hold_out", of="a train", share=0.05, seed=42))) == {
        "act": "hold_out",
        "of": "a train",
        "share": 0.05,
        "seed": 42,
    }
