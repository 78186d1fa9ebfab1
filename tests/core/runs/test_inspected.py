"""Times, sizes and durations of a record as people read them; whatever is not certain stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.runs.inspected import as_size, readable

NOW = 1_795_993_600.0
"""29 November 2026, 23:06:40 UTC."""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("created_at", NOW - 12, "2026-11-29 23:06:28 UTC (12 s ago)"),
        ("finishedAt", NOW - 3600, "2026-11-29 22:06:40 UTC (1 h 00 min ago)"),
        ("started", (NOW + 90) * 1000, "2026-11-29 23:08:10 UTC (in 1 min 30 s)"),
        ("createdAt", "2026-11-29T23:06:40.000Z", "2026-11-29 23:06:40 UTC (0 s ago)"),
        ("anything", "2026-11-30T00:06:40+01:00", "2026-11-29 23:06:40 UTC (0 s ago)"),
        ("timeout_seconds", 10_800, "3 h 00 min"),
        ("durationSeconds", 75.5, "1 min 16 s"),
        ("model_bytes", 6_150_000_000, "5.73 GiB"),
        ("memory", 25_769_803_776, "24.0 GiB"),
        ("size", 149_504, "146 KiB"),
    ],
)
def test_what_a_name_says(name: str, value: object, words: str) -> None:
    assert readable(name, value, NOW) == words


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attempt", 3),
        ("created_at", 12),
        ("created_at", True),
        ("at", None),
        ("createdAt", "yesterday"),
        ("createdAt", "2026-13-40T99:06:40Z"),
        ("batch_size", 4096),
        ("vocab_size", 49_152),
        ("resize", 4096),
        ("seconds", 12),
        ("size", 0.5),
        ("format", 1_796_000_000),
    ],
)
def test_what_is_not_certain(name: str, value: object) -> None:
    assert readable(name, value, NOW) is None


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (1_048_575, "1.00 MiB"),
        (104_857, "102 KiB"),
        (1 << 60, "1048576 TiB"),
    ],
)
def test_sizes(size: int, words: str) -> None:
    assert as_size(size) == words


@given(st.text(max_size=20), st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30)))
def test_nothing_fails(name: str, value: object) -> None:
    readable(name, value, NOW)
