"""A run that is not a training: one command in a container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """Everything an engine needs to run a command. It is given this machine's token as the secret HF_TOKEN."""

    name: str
    """Display name; not unique."""
    project: str
    """Absolute path of the folder it was started from."""
    command: tuple[str, ...]
    """Program and arguments. Contains no secret."""
    label: str
    """Unique value of the label `smoltui-run`: finds the run after a lost response."""
    flavor: str | None = None
    """Hardware."""
    timeout_seconds: int | None = None
    """It is killed after this."""
    namespace: str | None = None
    """User or organization that owns and pays for it; None for the token's account."""
    labels: Mapping[str, str] = field(default_factory=dict)
