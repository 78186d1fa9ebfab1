"""Which calls a judge gets, counted before any is made: each matchup in both orders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from smoltui.core.evaluation.judge_prompt import estimated_tokens, rendered
from smoltui.core.evaluation.thoughts import split
from smoltui.core.evaluation.vote_ballot import Matchup
from smoltui.core.settings.judge_settings import JudgeSettings


@dataclass(frozen=True, slots=True)
class Judge:
    """Who judges, and how it is asked. Two judges that differ in any of this share no reply."""

    endpoint: str
    """Base URL, or one of the names in `core.settings.judge_settings`."""
    model: str
    template: str
    """Text of the prompt template."""
    temperature: float = 0.0
    max_tokens: int = 512
    seed: int = 0
    weights: str = ""
    """What tells the weights of a local model apart from others in the same folder; empty elsewhere."""

    def as_json(self) -> dict[str, Any]:
        """The stored form."""
        return {
            "endpoint": self.endpoint,
            "model": self.model,
            "template": self.template,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "weights": self.weights,
        }

    @property
    def digest(self) -> str:
        """Hash of all of it, 64 hexadecimal digits."""
        return _digest(self)

    def key(self, text: str) -> str:
        """What a reply to this text is cached by: 32 hexadecimal digits."""
        return _hash([self.digest, text])[:32]


@lru_cache(maxsize=16)
def _digest(judge: Judge) -> str:
    return _hash(judge.as_json())


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """One question to the judge."""

    key: str
    text: str


def calls_on(matchup: Matchup, judge: Judge) -> tuple[Call, Call]:
    """The matchup as it was drawn, and with the answers swapped. A judge does not see thoughts, as a voter does not."""
    a, b = split(matchup.a.text).answer, split(matchup.b.text).answer
    texts = [rendered(judge.template, matchup.prompt, *pair) for pair in ((a, b), (b, a))]
    first, second = (Call(judge.key(text), text) for text in texts)
    return first, second


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked, and what that may cost."""

    calls: tuple[Call, ...]
    """Those to make now; both orders of a matchup one after the other."""
    total: int
    """Calls for all matchups in both orders."""
    cached: int
    """Calls whose reply is known."""
    tokens_in: int
    """Of the calls to make now, estimated from their length."""
    tokens_out: int
    """At most: each reply ends at `max_tokens`."""
    at_most_usd: float | None
    """Cost if every reply is as long as that; None without a price."""

    @property
    def later(self) -> int:
        """Calls that the limit leaves for another time."""
        return self.total - self.cached - len(self.calls)

    @property
    def calls_words(self) -> str:
        return "1 call" if len(self.calls) == 1 else f"{len(self.calls):,} calls"

    def as_json(self) -> dict[str, Any]:
        """As `smoltui judge --json` prints it."""
        return {
            "calls": len(self.calls),
            "total": self.total,
            "cached": self.cached,
            "later": self.later,
            "tokens_in_estimated": self.tokens_in,
            "tokens_out_at_most": self.tokens_out,
            "cost_at_most_usd": self.at_most_usd,
        }


def planned(
    matchups: Sequence[Matchup],
    judge: Judge,
    known: Container[str],
    settings: JudgeSettings,
    most: int | None = None,
) -> Plan:
    """The calls that are still to make, at most `most`. `known`: keys of the replies there are."""
    wanted = {call.key: call for matchup in matchups for call in calls_on(matchup, judge)}
    missing = [call for key, call in wanted.items() if key not in known]
    now = tuple(missing if most is None else missing[:most])
    tokens_in = sum(estimated_tokens(call.text) for call in now)
    tokens_out = len(now) * judge.max_tokens
    cost = cost_usd(tokens_in, tokens_out, settings)
    return Plan(now, len(wanted), len(wanted) - len(missing), tokens_in, tokens_out, cost)


def cost_usd(tokens_in: int | None, tokens_out: int | None, settings: JudgeSettings) -> float | None:
    """USD for that many tokens; None if a price or a number is unknown."""
    prices = settings.usd_per_million_input, settings.usd_per_million_output
    if tokens_in is None or tokens_out is None or prices[0] is None or prices[1] is None:
        return None
    return (tokens_in * prices[0] + tokens_out * prices[1]) / 1e6
