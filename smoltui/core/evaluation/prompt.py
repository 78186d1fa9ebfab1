"""A prompt that models answer: the last message of a user, with the messages before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Message = tuple[str, str]
"""Role (system, user or assistant) and content."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of a set."""

    text: str
    """The last message, from a user."""
    before: tuple[Message, ...] = ()
    """Messages before it, oldest first; empty for a single question."""
    purpose: str = ""
    """What the prompt is for, one sentence; empty if nobody said."""
    topic: str = ""
    """Group within its set, such as `honesty`; empty without groups."""

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation as chat templates take it."""
        return [{"role": role, "content": content} for role, content in (*self.before, ("user", self.text))]

    @property
    def asked(self) -> str | list[dict[str, str]]:
        """What `scripts/answer_models.py` takes: the text alone if nothing comes before it."""
        return self.messages if self.before else self.text

    @property
    def key(self) -> tuple[str, tuple[Message, ...]]:
        """What makes two prompts the same: they get the same answer."""
        return self.text, self.before

    def as_json(self) -> dict[str, Any]:
        """The stored form: `prompt`, and what else is known."""
        return {
            "prompt": self.text,
            **({"messages": self.messages} if self.before else {}),
            **({"for": self.purpose} if self.purpose else {}),
            **({"topic": self.topic} if self.topic else {}),
        }


def prompts_of(values: Iterable[Prompt | str]) -> list[Prompt]:
    """Prompts from prompts or texts."""
    return [Prompt(value) if isinstance(value, str) else value for value in values]


def prompt_from_json(row: Mapping[str, Any]) -> Prompt | None:
    """A prompt from its stored form; None if the row has none."""
    text = row.get("prompt")
    before: tuple[Message, ...] = ()
    if (messages := conversation(row.get("messages"))) is not None and messages[-1][0] == "user":
        *earlier, (_, text) = messages
        before = tuple(earlier)
    if not isinstance(text, str):
        return None
    purpose, topic = row.get("for"), row.get("topic")
    return Prompt(text, before, purpose if isinstance(purpose, str) else "", topic if isinstance(topic, str) else "")


ROLES = ("system", "user", "assistant")


def conversation(value: Any) -> list[Message] | None:
    """The messages of a list of {"role", "content"}; None if it is not one, or a message is not text."""
    if not isinstance(value, list) or not value:
        return None
    found: list[Message] = []
    for message in value:
        if not isinstance(message, Mapping):
            return None
        role, content = message.get("role"), message.get("content")
        if role not in ROLES or not isinstance(content, str):
            return None
        found.append((role, content))
    return found
