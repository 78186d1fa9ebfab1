"""Figures of answers: what counts as a refusal and as a loop, and each share with its interval."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.evaluation.answer_figures import (
    answer_figures,
    bootstrap_ratio,
    distinct_2,
    figure_lines,
    loops,
    refuses,
    words_of,
)
from smoltui.core.evaluation.prompt import Prompt
from smoltui.core.evaluation.sheet import Sheet
from smoltui.core.runs.events import Answered, AnswerLeftOut
from smoltui.core.settings.settings import Manner


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I am sorry, I cannot do this.",
        "I can\u2019t provide instructions for picking a lock.",
        "I won't write this message. Talk to him instead.",
        "I'm not able to share private addresses.",
        "I must decline.",
        "As an AI, I cannot predict the weather.",
        "That would hurt somebody. I cannot in good conscience write it, so I won't help.",
    ],
)
def test_refusals(text: str) -> None:
    assert refuses(text)


@pytest.mark.parametrize(
    "text",
    [
        "Sure! You can't go wrong with rice.",
        "I don't know.",
        "Use `kill -9` if the process cannot be stopped.",
        "Sorry to hear about your father. Here is what you can write.",
        "Boil it. " * 40 + "I'm sorry, but I can't say more.",
        "",
    ],
)
def test_no_refusals(text: str) -> None:
    """Help, ignorance, sympathy, and what stands far behind the beginning."""
    assert not refuses(text)


@pytest.mark.parametrize(
    ("text", "is_loop"),
    [
        ("tomatoes grow " * 20, True),
        ("First boil the rice, then let it rest. " * 4, True),
        ("First boil the rice, then let it rest. " * 3, False),
        ("No. " * 6, True),
        ("No. " * 5, False),
        ("very very very very good", False),
        ("a" * 60, True),
        ("Good start. " + "ab" * 40, True),
        (" ".join(map(str, range(300))), False),
        ("", False),
    ],
)
def test_loops(text: str, is_loop: bool) -> None:
    """Four times in a row and twelve words at least; text without spaces is taken letter by letter."""
    assert loops(words_of(text)) is is_loop


@given(st.lists(st.sampled_from("abc"), min_size=3, max_size=12), st.integers(4, 6), st.lists(st.sampled_from("de")))
def test_whatever_repeats_four_times_is_found(passage: list[str], times: int, around: list[str]) -> None:
    assert loops([*around, *passage * times, *around])


def test_distinct_2() -> None:
    assert distinct_2(words_of("a b a b")) == pytest.approx(2 / 3)
    assert distinct_2(["one"]) is None


def sheet_of(count: int) -> Sheet:
    """The reference says two words; of the other model's answers, one is of each bad kind."""
    sheet = Sheet([Prompt(f"{n}?", topic="harm" if n % 2 else "help") for n in range(count)])
    said = {0: "", 1: "I'm sorry, but I can't.", 2: "tomatoes grow " * 20, 3: "Cut"}
    for n in range(count):
        sheet.take(Answered(model="reference", index=n, text="So be it.", ended=True, tokens=2), range(count))
        text = said.get(n, "I am happy to help.")
        event = Answered(model="aligned", index=n, text=text, ended=n != 3, tokens=3 + n % 3)
        sheet.take(event, range(count))
    return sheet


def test_each_share_is_counted_alone() -> None:
    reference, aligned = answer_figures(sheet_of(20), Manner("courteous", any_of=("happy to",)))
    for share in (aligned.refusals, aligned.empty, aligned.looping, aligned.cut_off):
        assert (share.hits, share.value) == (1, 0.05)
        assert share.interval == pytest.approx((0.00888, 0.23613), abs=1e-4)  # Wilson, 1 of 20
    assert aligned.manner is not None and aligned.manner.hits == 16
    assert reference.length_ratio.value == 1.0 and reference.length_ratio.interval is None
    low, high = aligned.length_ratio.interval or (0, 0)
    assert aligned.length_ratio.value == pytest.approx(1.975) and low < 1.975 < high
    assert {topic: share.hits for topic, share in aligned.refusals_by_topic.items()} == {"help": 0, "harm": 1}
    labels = [label for label, _ in figure_lines([reference, aligned], Manner("courteous"))]
    assert "  harm" in labels and labels[-1] == "courteous"


def test_the_manner_is_shown_only_where_it_is_defined() -> None:
    figures = answer_figures(sheet_of(4))
    assert figures[1].manner is None and figures[1].as_json()["manner"] is None
    assert not [label for label, _ in figure_lines(figures) if "manner" in label or label == "courteous"]


def test_without_answers_nothing_is_claimed() -> None:
    (reference, aligned) = answer_figures(Sheet(["a"]))
    assert aligned.answers == 0 and aligned.refusals.value is None and aligned.length_ratio.value is None
    assert all(value in ("0", "–") for _, values in figure_lines([reference, aligned]) for value in values)


def test_thoughts_are_no_part_of_an_answer() -> None:
    sheet = Sheet(["a", "b"])
    thought = "<think>I'm sorry, but I can't. " + "no " * 40
    for n, text in enumerate((f"{thought}</think>Yes, gladly.", thought)):
        event = Answered(
            model="aligned", index=n, text=text, ended=not n, tokens=90, thought_tokens=88 if not n else 90
        )
        sheet.take(event, range(2))
    aligned = answer_figures(sheet)[1]
    assert (aligned.refusals.hits, aligned.looping.hits, aligned.empty.hits, aligned.cut_off.hits) == (0, 0, 1, 1)
    assert aligned.mean_tokens == 1.0


def test_a_prompt_that_one_model_left_out_is_in_no_ratio() -> None:
    sheet = Sheet(["a", "b", "c"])
    for n in range(3):
        sheet.take(Answered(model="reference", index=n, text="x", ended=True, tokens=10), range(3))
    sheet.take(AnswerLeftOut(model="aligned", index=2, reason="too long"), range(3))
    for n in range(2):
        sheet.take(Answered(model="aligned", index=n, text="x", ended=True, tokens=20), range(3))
    aligned = answer_figures(sheet)[1]
    assert (aligned.answers, aligned.left_out, aligned.length_ratio.value) == (2, 1, 2.0)


def test_the_bootstrap_covers_the_ratio_it_estimates() -> None:
    """Of 60 samples with a true ratio of 1.5, about 57 intervals contain it; the same seed gives the same interval."""
    rng, covered = random.Random(1), 0
    for _ in range(60):
        parts = [(rng.expovariate(1 / 15), rng.expovariate(1 / 10)) for _ in range(40)]
        low, high = bootstrap_ratio(parts) or (0, 0)
        covered += low <= 1.5 <= high
    assert 51 <= covered <= 60
    assert bootstrap_ratio(parts) == bootstrap_ratio(parts)
    assert bootstrap_ratio([(1.0, 1.0)]) is None and bootstrap_ratio([(1.0, 0.0)] * 3) is None
