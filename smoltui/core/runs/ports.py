"""Which ports of a Job are open, as a person writes them: `8000 public:7860`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from smoltui.core.foreign.server_values import mapping_in

PUBLIC = "public:"
USD_PER_HOUR = 0.01
"""What open ports add to the price of a Job (Hub documentation, Jobs pricing)."""


class Ports(NamedTuple):
    """The open ports of a Job."""

    ports: tuple[int, ...] = ()
    """All of them, in the order given."""
    public: tuple[int, ...] = ()
    """Those that need no token."""


def ports_in(text: str) -> Ports:
    """The ports in a line of text; none in an empty one.

    Raises:
        ValueError: for anything else, with a sentence that says what is right.
    """
    ports: list[int] = []
    public: list[int] = []
    for word in text.replace(",", " ").split():
        number = word.removeprefix(PUBLIC)
        if not (number.isascii() and number.isdecimal() and len(number) <= 5 and 1 <= int(number) <= 65_535):
            raise ValueError(f"a port is a number from 1 to 65535, such as 8000 or {PUBLIC}8000, not: {word}")
        if int(number) not in ports:
            ports.append(int(number))
        if word != number and int(number) not in public:
            public.append(int(number))
    return Ports(tuple(ports), tuple(public))


def open_ports(job: Mapping[str, Any]) -> Ports:
    """The ports in a Job's JSON."""
    said = mapping_in(job.get("expose"))
    public = _numbers(said.get("portsPublic"))
    return Ports(tuple(dict.fromkeys((*_numbers(said.get("ports")), *public))), public)


def in_text(ports: Ports) -> str:
    """As `ports_in` reads it."""
    return " ".join(f"{PUBLIC if port in ports.public else ''}{port}" for port in ports.ports)


def _numbers(value: object) -> tuple[int, ...]:
    return tuple(item for item in value if isinstance(item, int)) if isinstance(value, list) else ()
