"""The Space of a run, out of what Trackio prints."""

from __future__ import annotations

import pytest

from smoltui.core.runs.tracker import tracker_link


@pytest.mark.parametrize(
    ("line", "link"),
    [
        (
            "* Creating new space: \x1b[1m\x1b[38;5;208mhttps://huggingface.co/spaces/ada/my-dpo\x1b[0m",
            "https://huggingface.co/spaces/ada/my-dpo",
        ),
        (
            "* Syncing project 'x' to: https://huggingface.co/spaces/ada/x.y (please wait...)",
            "https://huggingface.co/spaces/ada/x.y",
        ),
        ("see https://huggingface.co/spaces/ada/other", None),
        ("* Trackio metrics logged to: /root/.cache", None),
        ("* https://huggingface.co/spaces/", None),
        ("* https://evil.example/spaces/ada/x", None),
    ],
)
def test_the_space_of_a_run(line: str, link: str | None) -> None:
    assert tracker_link(line) == link
