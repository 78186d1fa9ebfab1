"""Every key in all views of the rooms that have the most of them, with pairs, answers and runs in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories.test_every_key import LARGE, away, full, walk_through

pytestmark = pytest.mark.slow
FIXTURES = (away, full)


@pytest.mark.parametrize("room", LARGE)
async def test_with_something_in_it(full: Path, away: None, room: str) -> None:
    await walk_through(room, full)
