"""What tests of the outside world share: a Hub on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from smoltui.backends.jobs import submit as hub_submit
from tests.hub.server import LocalHub, local_hub


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A Hub that the client uses; a Job whose submission got no answer is looked for at once."""
    monkeypatch.setattr(hub_submit, "LOOKS", (0.0, 0.05))
    with local_hub(monkeypatch) as running:
        yield running
