"""Columns of many rows hold what each row gives alone, whatever shapes are mixed."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smoltui.core.pairs.facts import row_facts, sound
from smoltui.core.pairs.facts_columns import facts_columns
from smoltui.core.pairs.flags import has_bidi, has_control, is_unremarkable, mixed_scripts
from smoltui.scripts.pair_format import content_hash
from tests.core.pairs.test_quick_reading import rows

ODD = st.text(st.sampled_from("aZé’–“\n\t\x00\x7f\x85\u200d\u200b\u202eжあ中\ud800👩\u0301"), max_size=8)


@st.composite
def odd_rows(draw: st.DrawFn) -> dict[str, Any]:
    row = {name: draw(ODD | st.just("I'm sorry, but <think>no</think>")) for name in ("prompt", "chosen", "rejected")}
    return row | draw(st.sampled_from([{}, {"score": 1.5}, {"source": "é", "more": [1, None]}, {"at": math.inf}]))


@pytest.mark.slow
@given(st.lists(rows() | odd_rows() | st.integers(), max_size=6), st.integers(0, 10**6))
@settings(max_examples=600)
def test_columns_are_those_of_the_rows(found: list[Any], start: int) -> None:
    columns = facts_columns(start, found)
    alone = [row_facts(index, row) for index, row in enumerate(found, start)]
    for at, facts in enumerate(alone):
        assert {name: values[at] for name, values in columns.items()} == facts
        assert columns["hash"][at].hex() == content_hash(found[at])
    assert all(len(values) == len(found) for values in columns.values())


@pytest.mark.slow
@given(ODD, ODD, ODD)
@settings(max_examples=1000)
def test_unremarkable_texts_have_nothing_odd(prompt: str, chosen: str, rejected: str) -> None:
    text = f"{prompt}\n{chosen}\n{rejected}"
    if is_unremarkable(text):
        assert not has_control(text) and not has_bidi(text) and sound(text) == text
        assert not mixed_scripts(prompt, chosen, rejected)
