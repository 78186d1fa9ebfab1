"""The fields of an entry, and what is wrong with each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smoltui.core.preflight.check import may_start
from smoltui.core.publish.submission import Entry, field_checks

ENTRY = Entry(
    "ada",
    "smollm3-dpo",
    "3",
    "DPO",
    "2026-11-30",
    "ada/details_ada__smollm3-dpo",
    "HuggingFaceTB/SmolLM3-3B",
    "Anthropic/hh-rlhf",
)
TODAY = "2026-11-30"


def test_the_fields_are_the_course_s() -> None:
    """Eight texts, in the order of the course's page."""
    names = "username model_name chapter method submission_date results-dataset base_model preference_dataset"
    assert list(ENTRY.as_json()) == names.split() and all(isinstance(value, str) for value in ENTRY.as_json().values())
    assert may_start(field_checks(ENTRY, TODAY)) and ENTRY.title == "Add ada/smollm3-dpo (DPO)"


WRONG = [
    ("username", "a b", "not one of the Hub"),
    ("username", "", "not one of the Hub: empty"),
    ("model_name", "ada/smollm3-dpo", "must not include its owner"),
    ("model_name", "", "not one of the Hub"),
    ("model_name", "ü", "not one of the Hub"),
    ("chapter", "three", "must be a number"),
    ("chapter", "", "must be a number"),
    ("method", " ", "not a name"),
    ("method", "D\nPO", "not a name"),
    ("submission_date", "30.11.2026", "not like 2026-11-30"),
    ("submission_date", "2026-13-01", "not like 2026-11-30"),
    ("submission_date", "2026-12-01", "in the future"),
    ("results_dataset", "", "is not known"),
    ("results_dataset", "details", "not a name of the Hub"),
    ("results_dataset", "ada/details_private", "pushed as private"),
    ("base_model", "", "is not known"),
    ("base_model", "/home/ada/model", "not a name of the Hub"),
    ("preference_dataset", "", "is not known"),
    ("preference_dataset", "pairs/", "not a name of the Hub"),
]


@pytest.mark.parametrize(("name", "value", "words"), WRONG)
def test_each_wrong_field_stops_with_a_next_step(name: str, value: str, words: str) -> None:
    checks = field_checks(replace(ENTRY, **{name: value}), TODAY)
    assert not may_start(checks)
    (check,) = [check for check in checks if words in check.sentence]
    assert check.next_step and check.sentence.isprintable()


def test_the_same_model_is_found_whatever_its_case() -> None:
    """The Hub ignores it; another chapter is another entry."""
    row = {"username": "Ada", "model_name": "SmolLM3-DPO ", "chapter": "3", "method": "x"}
    assert ENTRY.is_same(row) and not ENTRY.is_same({**row, "chapter": "1"}) and not ENTRY.is_same({})
    assert not ENTRY.is_same({**row, "username": None}) and not ENTRY.is_same({**row, "model_name": ["x"]})
