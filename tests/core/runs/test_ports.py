"""Ports of a Job, and its labels, in one line of text."""

from __future__ import annotations

import pytest

from smoltui.core.runs.label_text import label_changes, labels_in_text
from smoltui.core.runs.ports import Ports, in_text, open_ports, ports_in


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("", Ports()),
        (" 8000,public:7860 8000 ", Ports((8000, 7860), (7860,))),
        ("8000 public:8000", Ports((8000,), (8000,))),
    ],
)
def test_ports_are_read_and_written_alike(text: str, ports: Ports) -> None:
    assert ports_in(text) == ports == ports_in(in_text(ports))
    assert open_ports({"expose": {"ports": list(ports.ports), "portsPublic": list(ports.public)}}) == ports


@pytest.mark.parametrize("text", ["0", "65536", "x", "8000 private:1", "-1", "1.5", "٣", "9" * 5000])
def test_what_is_no_port_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="a port is a number from 1 to 65535"):
        ports_in(text)


@pytest.mark.parametrize("job", [{}, {"expose": None}, {"expose": []}, {"expose": {"ports": "8000", "portsPublic": 1}}])
def test_a_job_that_says_nothing_of_its_ports(job: dict[str, object]) -> None:
    assert open_ports(job) == Ports()


def test_labels_are_edited_without_the_one_that_finds_the_job() -> None:
    assert labels_in_text({"smoltui-run": "1", "team": "x", "v": "2"}) == "team=x v=2"
    assert label_changes("team=y -v w") == ({"team": "y", "w": ""}, ["v"])
