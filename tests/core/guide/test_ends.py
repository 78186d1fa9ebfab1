"""What is next after something has ended."""

from __future__ import annotations

from itertools import product

import pytest

from smoltui.core.guide.ends import FACTS, TABLE, Act, Cause, End, Outcome, after, cause_of, next_words


def test_every_end_has_a_next_step() -> None:
    """Whatever ended, and however: something can be done."""
    for act, outcome, cause in product(Act, Outcome, Cause):
        offers = after(End(act, outcome, cause))
        assert offers and all(offer.words and offer.action for offer in offers), (act, outcome, cause)


def test_rows_can_be_reached() -> None:
    """No row is hidden by an earlier one, and each fact has a meaning."""
    for row in TABLE:
        end = End(row.act, row.outcome, row.cause or Cause.OTHER, row.facts)
        assert after(end) == row.offers, row
        assert row.facts <= set(FACTS)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("This machine ran out of memory", Cause.MEMORY),
        ("The accelerator ran out of memory", Cause.MEMORY),
        ("The largest model needs 6.2 GiB of memory, 3.0 GiB are free", Cause.MEMORY),
        ("The disk is full", Cause.DISK),
        ("The disk quota is used up", Cause.DISK),
        ("There is no room for 6.2 GiB to download: 1.0 GiB free in /cache", Cause.DISK),
        ("The Hub could not be reached: timed out", Cause.TIMEOUT),
        ("The Hub did not answer in time, so smoltui could not list the Jobs", Cause.NETWORK),
        ("The Hub denied access: 403 Forbidden", Cause.ACCESS),
        ("The model is gated, and this account has no access: me/m", Cause.ACCESS),
        ("A package is missing: peft", Cause.PACKAGES),
        ("The pairs were not found: nowhere", Cause.PAIRS),
        ("The model's weights are damaged or only partly written: out", Cause.MODEL),
        ("There is no such model on the Hub: me/m", Cause.MODEL),
        ("The loss is NaN since step 3", Cause.NUMBERS),
        ("The recipe cannot be used: beta", Cause.RECIPE),
        ("Job timeout", Cause.TIMEOUT),
        ("ValueError: 3", Cause.OTHER),
        (None, Cause.OTHER),
    ],
)
def test_a_message_names_its_cause(said: str | None, cause: Cause) -> None:
    assert cause_of(said) is cause


def test_a_model_that_answers_worse_is_not_proposed_for_publishing() -> None:
    """Measured or asked again, the next step is then the recipe."""
    for act, facts in ((Act.MEASURE, set()), (Act.ASK, {"aligned", "measured"})):
        good, bad = (after(End(act, facts=frozenset({*facts, *worse}))) for worse in ((), ("worse",)))
        assert "room('submit')" in {offer.action for offer in good}
        assert [offer.action for offer in bad] == ["room('recipe')", "vote"]


def test_the_line_has_keys_where_there_are_some() -> None:
    """At most two steps, only those with a key; no line without any."""
    offers = after(End(Act.TRAIN, Outcome.FAILED, Cause.MEMORY))
    keys = {"fix": "e", "rerun": "R"}
    said = next_words(offers, lambda offer: keys.get(offer.action))
    assert said == "Next: press e to edit the batch size, or R to run it again."
    assert next_words(offers, lambda offer: None) == ""
