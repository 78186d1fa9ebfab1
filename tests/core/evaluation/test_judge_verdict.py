"""What replies of a judge say, and what they do not say clearly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.evaluation.judge_verdict import TROUBLES, VERDICTS, Reply, kind_of


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[[A]]", "a"),
        ("Both are fine, the second is kinder.\n[[B]]", "b"),
        ("[[ c ]]", "tie"),
        ("[[Tie]]", "tie"),
        ("[[A]] and again [[A]]", "a"),
        ("<think>[[B]]? No.</think>\n[[A]]", "a"),
        ("B", "b"),
        (" **A**. ", "a"),
        ("tie", "tie"),
        ("Short reasons.\nVerdict: A", "a"),
        ("Reasons.\n**Final verdict: [B]**", "b"),
        ('{"winner": "B", "reason": "kinder"}', "b"),
        ('```json\n{"verdict": "tie"}\n```', "tie"),
        ("", "empty"),
        ("  \n", "empty"),
        ("<think>hm, so", "empty"),
        ("[[A]] or [[B]]", "nonsense"),
        ("[[Q]]", "nonsense"),
        ("[[A]] [[Q]]", "nonsense"),
        ("A is a fine letter.", "nonsense"),
        ("Verdict: A, or perhaps B", "nonsense"),
        ('{"winner": "banana"}', "nonsense"),
        ('{"winner": ["A"]}', "nonsense"),
        ('{"winner": "A", "better": "B"}', "nonsense"),
        ("{" * 500, "nonsense"),
        ("I'm sorry, but I can't help with comparing these answers.", "refusal"),
        ("I can't compare everything, but [[A]]", "a"),
        ("[[A]]" + "x" * 200_000, "nonsense"),
    ],
)
def test_one_reply(text: str, kind: str) -> None:
    assert kind_of(Reply(text)) == kind


@pytest.mark.parametrize(
    ("finish", "text", "kind"),
    [
        ("length", "So far I think", "cut"),
        ("length", "[[A]] because", "a"),
        ("content_filter", "", "refusal"),
        ("refusal", "No.", "refusal"),
        ("beyond", "", "beyond"),
        ("anything", "", "empty"),
    ],
)
def test_how_it_ended(finish: str, text: str, kind: str) -> None:
    assert kind_of(Reply(text, finish)) == kind


@given(st.text(max_size=60), st.sampled_from(["stop", "length", "content_filter", "beyond"]))
def test_any_text_is_something(text: str, finish: str) -> None:
    assert kind_of(Reply(text, finish)) in {*VERDICTS, *TROUBLES}


@given(st.text(alphabet="xyz \n.", max_size=40))
def test_text_without_a_verdict_is_never_a_tie(text: str) -> None:
    assert kind_of(Reply(text)) in ("nonsense", "empty")
