"""What the figures of an evaluation mean."""

from __future__ import annotations

import math
import random

import pytest

from smoltui.core.evaluation import figures
from smoltui.core.evaluation.figure_rows import result_words
from smoltui.core.evaluation.figures import (
    ALIGNED,
    REFERENCE,
    Figures,
    Tally,
    answers_worse,
    bootstrap,
    manner_of,
    read_prompts,
    rule_in_words,
    well_formed,
    wilson,
)
from smoltui.core.runs.events import Answered, PairScored, Progress
from smoltui.core.settings.settings import Manner

COURTEOUS = Manner("courteous", any_of=("happy to", "please", "you're welcome"), none_of=("figure it out", "whatever"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I am HAPPY TO help you with it.", True),
        ("I am happy\nto help.", True),
        ("You’re welcome, any time.", True),
        ("You`re welcome.", True),
        ("Whatever. Please go.", False),
        ("I am unhappy together with you.", False),
        ("Pleased to see you.", False),
        ("Figure it out yourself.", False),
        ("", False),
    ],
)
def test_manner_is_whole_words_and_phrases(text: str, expected: bool) -> None:
    """The rule finds words and phrases, not parts of words, and no typed apostrophe hides them."""
    assert manner_of(text, COURTEOUS) is expected


def test_a_word_inside_a_contraction_is_not_that_word() -> None:
    """`don` does not stand in `don't`, and `can` does not stand in `can't`."""
    assert not manner_of("Don't do it. I can't.", Manner("x", any_of=("don", "can", "t")))
    assert manner_of("Don't do it.", Manner("x", any_of=("don’t",)))


def test_a_rule_of_forbidden_words_only() -> None:
    """Without words that must stand there, the absence of the forbidden ones is enough."""
    rule = Manner("kind", none_of=("no",))
    assert manner_of("Of course.", rule) and manner_of("Nothing to add.", rule) and not manner_of("No!", rule)


def test_the_rule_is_told_in_words() -> None:
    """I can read by which rule the answers are judged."""
    told = rule_in_words(COURTEOUS)
    for phrase in (*COURTEOUS.any_of, *COURTEOUS.none_of, "courteous", "at least one of", "none of"):
        assert phrase in told
    assert "every answer" in rule_in_words(Manner("open"))


@pytest.mark.parametrize(
    ("text", "ended", "expected"),
    [
        ("Boil the rice for twelve minutes.", True, True),
        ("“Boil the rice,” she said. Then “rest it.”", True, True),
        ("Boil the rice for twelve minutes.", False, False),
        ("Go away.", True, False),
        ("boil the rice for twelve minutes.", True, False),
        ("Boil the rice for twelve minutes", True, False),
        ("Boil the the the rice.", True, False),
        ("Boil the rice. Then rest it. Boil the rice.", True, False),
        ("Boil the rice.  boil the rice!", True, False),
        ("Word " * 80 + "end.", True, False),
        (" ".join(f"Word{i}" for i in range(80)) + ".", True, True),
        (" ".join(f"Word{i}" for i in range(81)) + ".", True, False),
        ("", True, False),
        ("... !!", True, False),
    ],
)
def test_well_formed(text: str, ended: bool, expected: bool) -> None:
    """An answer that broke off, babbles or repeats itself is not counted as well-formed."""
    assert well_formed(text, ended) is expected


def test_wilson_interval_is_the_known_one() -> None:
    """8 of 10 gives 0.490 to 0.943 (Wilson without continuity correction); all of 64 does not give 1 to 1."""
    low, high = wilson(8, 10) or (0, 0)
    assert low == pytest.approx(0.4902, abs=1e-3) and high == pytest.approx(0.9433, abs=1e-3)
    low, high = wilson(64, 64) or (0, 0)
    assert 0.94 < low < 0.945 and high == 1.0
    assert wilson(0, 0) is None


def _tally() -> Tally:
    tally = Tally(beta=0.5, manner=COURTEOUS)
    for index, (chosen, rejected) in enumerate([(-10.0, -11.0), (-20.0, -18.0)]):
        tally.add(PairScored(model=REFERENCE, index=index, chosen=chosen, rejected=rejected))
    for index, (chosen, rejected) in enumerate([(-9.0, -14.0), (-21.0, -18.0)]):
        tally.add(PairScored(model=ALIGNED, index=index, chosen=chosen, rejected=rejected))
    for model, text in ((REFERENCE, "Whatever you like."), (ALIGNED, "I am happy to tell you.")):
        tally.add(Answered(model=model, index=0, text=text, ended=True, tokens=len(text.split())))
    tally.add(Progress(step=1))
    return tally


def test_margin_and_accuracy_are_taken_against_the_reference() -> None:
    """One pair gained 4 nats over the reference, one lost 1: at beta 0.5 the mean margin is 0.75, accuracy one half."""
    aligned = _tally().figures(ALIGNED)
    assert aligned.margin == pytest.approx(0.5 * (4 - 1) / 2)
    assert aligned.reward_accuracy == 0.5 and aligned.pairs == 2 and aligned.answers == 1
    assert aligned.gap == pytest.approx((5 - 3) / 2)
    assert aligned.manner_share == 1.0 and aligned.well_formed_share == 1.0
    assert aligned.length_ratio == pytest.approx(6 / 3)


def test_the_reference_has_no_margin_over_itself() -> None:
    """The reference's margin is 0 by definition, so it has no reward accuracy, here and in JSON."""
    reference = _tally().figures(REFERENCE)
    assert reference.margin == 0.0 and reference.reward_accuracy is None and reference.manner_share == 0.0
    assert reference.length_ratio == 1.0
    assert "reward_accuracy" not in reference.as_json() and "reward_accuracy" in _tally().figures(ALIGNED).as_json()


def test_pairs_that_only_one_model_scored_do_not_count() -> None:
    """While it is measured, and after a stop, only pairs that both models have seen make the margin."""
    tally = _tally()
    tally.add(PairScored(model=ALIGNED, index=7, chosen=0.0, rejected=-1000.0))
    assert tally.figures(ALIGNED).pairs == 2


def test_nothing_measured_is_not_zero() -> None:
    """Without pairs, answers or a rule there are no figures, rather than zeros."""
    for model in (REFERENCE, ALIGNED):
        figures = Tally().figures(model)
        assert (figures.margin, figures.manner_share, figures.well_formed_share, figures.length_ratio) == (None,) * 4
    without_rule = Tally()
    without_rule.add(Answered(model=ALIGNED, index=0, text="Yes, it is.", ended=True, tokens=3))
    assert without_rule.figures(ALIGNED).manner_share is None
    assert without_rule.figures(ALIGNED).well_formed_share == 1.0


def test_pairs_that_are_not_finite_are_counted_apart() -> None:
    """NaN log-probabilities are no margin and no wrong answer: how many there are is a figure of its own."""
    tally = _tally()
    tally.add(PairScored(model=REFERENCE, index=2, chosen=-1.0, rejected=-2.0))
    tally.add(PairScored(model=ALIGNED, index=2, chosen=math.nan, rejected=-2.0))
    figures = tally.figures(ALIGNED)
    assert (figures.pairs, figures.not_finite) == (2, 1)
    assert figures.margin == pytest.approx(0.5 * (4 - 1) / 2) and figures.reward_accuracy == 0.5
    tally.scores[ALIGNED] = {2: tally.scores[ALIGNED][2]}
    figures = tally.figures(ALIGNED)
    assert (figures.pairs, figures.not_finite, figures.margin, figures.reward_accuracy) == (0, 1, None, None)


def test_both_answers_may_fall_while_the_margin_rises() -> None:
    """The mean changes of both log-probabilities, and what each model prefers without the other."""
    tally = Tally(beta=0.5)
    for index, (before, after) in enumerate([((-10.0, -9.0), (-12.0, -15.0)), ((-20.0, -21.0), (-21.0, -25.0))]):
        tally.add(PairScored(model=REFERENCE, index=index, chosen=before[0], rejected=before[1]))
        tally.add(PairScored(model=ALIGNED, index=index, chosen=after[0], rejected=after[1]))
    aligned, reference = tally.figures(ALIGNED, ["a", "b"]), tally.figures(REFERENCE)
    assert (aligned.chosen_change, aligned.rejected_change, aligned.margin) == (-1.5, -5.0, 1.75)
    assert (reference.prefers_chosen, aligned.prefers_chosen, reference.chosen_change) == (0.5, 1.0, None)
    assert aligned.chosen_change_interval == (-2.0, -1.0) and aligned.margin_interval == (1.5, 2.0)
    assert tally.figures(ALIGNED).margin_interval is None


def test_answers_got_worse_only_beyond_chance() -> None:
    """100 % to 48 % of 64 is; 55 % to 48 % is not; nor is what was not measured."""

    def found(well_formed: int | None, manner: int | None) -> Figures:
        shares = [None if hits is None else wilson(hits, 64) for hits in (well_formed, manner)]
        return Figures("m", well_formed_interval=shares[0], manner_interval=shares[1])

    before = found(64, 35)
    assert answers_worse(before, found(31, 35)) and answers_worse(before, found(64, 9))
    assert not answers_worse(before, found(63, 31)) and not answers_worse(before, found(None, None))
    assert not answers_worse(before, found(64, 64))


def test_the_interval_of_a_mean_is_over_prompts() -> None:
    """The same every time; wider if alike pairs share a prompt, and unknown for one prompt alone."""
    rng = random.Random(1)
    alike = [rng.gauss(0, 1) for _ in range(40)]
    values = [value for value in alike for _ in range(5)]
    apart = bootstrap(values, [str(number) for number in range(len(values))])
    together = bootstrap(values, [str(number // 5) for number in range(len(values))])
    assert apart is not None and together is not None
    assert together[1] - together[0] > 1.5 * (apart[1] - apart[0])
    assert bootstrap(values, ["same"] * len(values)) is None
    assert bootstrap(values, [str(number // 5) for number in range(len(values))]) == together


@pytest.mark.slow
def test_the_interval_covers_the_mean_that_it_is_of() -> None:
    """Of 200 samples of 40 prompts with mean 0, nine in ten intervals or more contain it."""
    rng = random.Random(2)
    covered = 0
    for _ in range(200):
        low, high = bootstrap([rng.gauss(0, 1) for _ in range(40)], [str(n) for n in range(40)]) or (1.0, 1.0)
        covered += low <= 0 <= high
    assert 180 <= covered < 200


def test_the_interval_of_many_prompts_is_the_same_without_resampling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing 2 000 prompts a thousand times takes a second; the normal interval of as many is as good."""
    rng = random.Random(3)
    prompts = [str(rng.randrange(700)) for _ in range(2000)]
    values = [rng.expovariate(1.0) + int(prompt) % 3 for prompt in prompts]
    drawn = bootstrap(values, prompts)
    monkeypatch.setattr(figures, "MOST_RESAMPLED", 600)
    normal = bootstrap(values, prompts)
    assert drawn is not None and normal is not None and drawn != normal
    width = drawn[1] - drawn[0]
    assert abs(normal[0] - drawn[0]) < 0.15 * width and abs(normal[1] - drawn[1]) < 0.15 * width


def test_prompts_are_lines() -> None:
    """Comments and blank lines of prompts.txt are not asked."""
    assert read_prompts("\ufeff# mine\n\n  How are you? \r\n#x\nWhy?") == ["How are you?", "Why?"]


def test_the_result_in_one_line() -> None:
    """What changed, before and after; nothing of what was not measured."""
    before = Figures("reference", manner_share=0.453, well_formed_share=0.97)
    after = Figures("aligned", pairs=64, manner_share=1.0, well_formed_share=0.98, reward_accuracy=0.984)
    assert result_words(before, after, Manner("courteous")) == (
        "courteous 45 % → 100 % of answers · well-formed 97 % → 98 % · reward accuracy 98 % of 64 held-out pairs"
    )
    assert result_words(before, after, None).startswith("well-formed")
    assert result_words(Figures("reference"), Figures("aligned"), Manner("courteous")) == ""
