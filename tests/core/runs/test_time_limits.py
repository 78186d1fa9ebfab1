"""Time limits in Slurm's spellings and in ours."""

from __future__ import annotations

import pytest

from smoltui.core.runs.time_limits import as_limit, asked_seconds, limit_seconds, moment


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 600),
        ("10:30", 630),
        ("1:00:00", 3600),
        ("1-00:00:00", 86_400),
        ("2-12", 216_000),
        ("1-2:30", 95_400),
        ("infinite", None),
        ("UNLIMITED", None),
        ("n/a", None),
        ("", None),
    ],
)
def test_a_limit_of_slurm(text: str, seconds: int | None) -> None:
    assert limit_seconds(text) == seconds


def test_a_limit_that_a_person_writes() -> None:
    assert [asked_seconds(text) for text in ("90m", "3h", "1-00:00:00", "45")] == [5400, 10_800, 86_400, 2700]
    for wrong in ("", "soon", "0", "3 weeks", "-5", "99999999999999"):
        with pytest.raises(ValueError, match=r"such as 90m|timeout"):
            asked_seconds(wrong)


def test_a_limit_for_sbatch() -> None:
    """Slurm counts minutes."""
    assert as_limit(5400) == "0-01:30:00" and as_limit(61) == "0-00:02:00" and as_limit(108_000) == "1-06:00:00"


def test_a_moment() -> None:
    assert moment("1795943475") == 1795943475.0 and moment("N/A") is None and moment("Unknown") is None
    assert moment("2026-11-29T10:00:00") is not None
