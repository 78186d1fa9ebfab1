"""Every key of smoltui.toml as a field."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from smoltui.core.recipe.changes import ABSENT
from smoltui.core.setting_fields.fields import (
    _TABLES,
    change_of_setting,
    flat,
    parse_setting,
    problem_with,
    setting_fields,
    show_setting,
    with_setting,
)
from smoltui.core.setting_fields.words import GROUPS, UNSET, WORDS
from smoltui.core.settings.settings import RANGES, Settings, parse_settings
from smoltui.errors import RecipeError


def test_every_key_of_the_file_is_a_field_with_words() -> None:
    """A table that is read into a dataclass is in the form, and each of its keys has a meaning."""
    tables = {type(getattr(Settings(), item.name)) for item in fields(Settings) if item.name != "pair_how"}
    assert {cls for cls in tables if is_dataclass(cls)} == {cls for _, cls in _TABLES}
    assert WORDS.keys() == setting_fields().keys() and UNSET.keys() <= WORDS.keys() and RANGES.keys() <= WORDS.keys()
    assert {key.split(".")[0] for key in WORDS} == dict(GROUPS).keys()
    assert not [
        words
        for words in WORDS.values()
        if words.endswith(".")
        or (
            words[0].isupper()
            and words[1].islower()
            and not words.startswith(("Space", "Hub", "GPUs", "Python", "HF_HOME"))
        )
    ]


def test_every_default_can_be_typed() -> None:
    """What the form shows as the default is a value of that key, and means the same as no line at all."""
    for key, field in setting_fields().items():
        if field.default in (None, "", ()):
            continue
        value = parse_setting({}, field, show_setting(field.default))
        assert parse_settings(with_setting({}, key, value)) == Settings(), key


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("jobs.timeout", "90m", "90m"),
        ("jobs.labels", "a=b, c = d", {"a": "b", "c": "d"}),
        ("jobs.namespace", '""', ""),
        ("evaluation.benchmarks", 'gsm8k|0, "a, b"', ["gsm8k|0", "a, b"]),
        ("evaluation.temperature", "0.5", 0.5),
        ("watch.nan", "off", False),
        ("pairs.pick", "all", "all"),
        ("jobs.processes", "2", 2),
    ],
)
def test_what_is_typed_becomes_a_value_and_is_shown_again_the_same(key: str, text: str, value: object) -> None:
    field = setting_fields()[key]
    assert parse_setting({}, field, text) == value
    assert parse_setting({}, field, show_setting(value)) == value


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("jobs.timeout", "1h30m", "is not a timeout: 1h30m"),
        ("jobs.processes", "2.5", "write a whole number"),
        ("jobs.processes", "99", "from 0 to 64: 99"),
        ("evaluation.top_p", "2", "from 0 to 1"),
        ("evaluation.temperature", "inf", "write a finite number"),
        ("watch.nan", "maybe", "write true or false"),
        ("pairs.pick", "most", "write one of best-worst"),
        ("jobs.labels", "a", "write name=value"),
        ("pairs.show", '"a', "close the quotes"),
        ("judge.key_env", "sk-1", "must be the name of an environment variable"),
        ("evaluation.manner.any_of", "please", "needs a name"),
    ],
)
def test_what_is_typed_wrong_is_said_at_once(key: str, text: str, said: str) -> None:
    with pytest.raises(ValueError) as error:
        parse_setting({}, setting_fields()[key], text)
    assert said in str(error.value)


def test_what_is_wrong_elsewhere_does_not_keep_a_value_from_being_fixed() -> None:
    broken = {"jobs": {"processes": 99}, "evaluation": {"top_p": 7}}
    assert problem_with(broken, "evaluation.top_p", 0.5) == "" == problem_with(broken, "jobs.processes", 2)
    assert "from 0 to 1: 3" in problem_with(broken, "evaluation.top_p", 3)
    with pytest.raises(RecipeError):
        parse_settings(broken)


def test_a_value_comes_and_goes_in_its_table() -> None:
    data: dict[str, Any] = {"jobs": {"flavor": "x"}}
    after = with_setting(data, "evaluation.manner.name", "kind")
    assert after == {**data, "evaluation": {"manner": {"name": "kind"}}} and data == {"jobs": {"flavor": "x"}}
    assert flat(after) == {"jobs.flavor": "x", "evaluation.manner.name": "kind"}
    assert "manner" not in with_setting(after, "evaluation.manner.name", ABSENT)["evaluation"]
    assert with_setting({}, "watch.nan", ABSENT) == {}


def test_a_change_in_words() -> None:
    assert change_of_setting("jobs.timeout", ABSENT, "5h") == "jobs.timeout 3h (the default) → 5h"
    assert change_of_setting("submit.license", "mit", ABSENT) == "submit.license mit → the base model's (the default)"
    assert "bbbb" not in change_of_setting("submit.model", ABSENT, "hf_" + "b" * 34)
