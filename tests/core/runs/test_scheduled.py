"""Schedules as the Hub takes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.runs.scheduled import ALIASES, checked_schedule, how_often
from smoltui.errors import InputError


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("@daily", "@daily"),
        (" @Hourly ", "@hourly"),
        ("0 9 * * 1", "0 9 * * 1"),
        ("*/5   * * * *", "*/5 * * * *"),
        ("0,30 8-18/2 1 JAN,feb mon-FRI", "0,30 8-18/2 1 JAN,feb mon-FRI"),
    ],
)
def test_a_schedule(text: str, sent: str) -> None:
    assert checked_schedule(text) == sent


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Write five fields"),
        ("daily", "Write five fields"),
        ("@reboot", "Write @hourly, @daily"),
        ("0 9 * *", "Write five fields"),
        ("0 0 9 * * 1", "Write five fields"),
        ("0 nine * * 1", "The hour must"),
        ("0 9 * * 1;rm", "The day of the week must"),
        ("1-2-3 9 * * 1", "The minute must"),
    ],
)
def test_what_is_no_schedule_is_told_with_what_is(text: str, words: str) -> None:
    """The Hub was not asked, so it is not said to have refused; the next step is a sentence."""
    with pytest.raises(InputError) as caught:
        checked_schedule(text)
    assert caught.value.message == f"Not a valid schedule: {text}"
    assert caught.value.hint.startswith(words) and caught.value.hint.endswith(".")


@pytest.mark.parametrize(
    ("schedule", "often"),
    [
        ("@hourly", "24 times a day"),
        ("@daily", "once a day"),
        ("@weekly", "once a week"),
        ("@monthly", "once a month"),
        ("@annually", "once a year"),
        ("* * * * *", "1,440 times a day"),
        ("0 3 * * *", "once a day"),
        ("*/15 8-18/2 * * *", "24 times a day"),
        ("0,30,0 1 * * *", "twice a day"),
        ("0 9 * * 1", ""),
        ("0 9 1 * *", ""),
        ("5/15 * * * *", ""),
        ("0 25 * * *", ""),
        ("*/0 * * * *", ""),
        ("0 mon * * *", ""),
        ("UNKNOWN", ""),
    ],
)
def test_how_often_it_comes(schedule: str, often: str) -> None:
    """Only if it is certain: nothing is said about days of the week, or numbers that no clock shows."""
    assert how_often(schedule) == often


@given(st.text() | st.lists(st.sampled_from(["*", "1", "-", "/", ",", " ", "mon", "@"])).map("".join))
def test_what_is_taken_is_five_fields_or_an_alias(text: str) -> None:
    """Whatever is typed: a sentence, or something that is taken unchanged the second time."""
    try:
        found = checked_schedule(text)
    except InputError as error:
        assert error.message and error.hint
    else:
        how_often(found)
        assert found in ALIASES or len(found.split(" ")) == 5
        assert checked_schedule(found) == found
