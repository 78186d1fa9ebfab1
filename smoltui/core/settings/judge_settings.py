"""The table `judge` of smoltui.toml: which model compares answers, and what it costs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from smoltui.errors import RecipeError

PROVIDERS, LOCAL = "hf", "local"
"""Endpoints with a name: inference providers of Hugging Face, and a model on this machine."""
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """A model that compares two answers."""

    endpoint: str = ""
    """Base URL of an OpenAI-compatible API, such as http://127.0.0.1:8000/v1; `hf`: inference providers of Hugging
    Face, with the token of this machine; `local`: a model on this machine. Empty: none chosen."""
    model: str = ""
    """Name as the endpoint knows it; for `local`, a folder, a Hub id, or a column such as `reference`."""
    key_env: str = ""
    """Environment variable that holds the key; empty without one. The key itself is never written."""
    prompt: str = "judge-prompt.txt"
    """File with the prompt template, relative to the project folder; if it does not exist, ours."""
    temperature: float = 0.0
    """0 is greedy."""
    max_tokens: int = 512
    """Longest reply."""
    seed: int = 0
    """Of the sampling; sent if the temperature is above 0."""
    parallel: int = 4
    """Calls at a time."""
    timeout: float = 60.0
    """Seconds for one call."""
    usd_per_million_input: float | None = None
    """Price of a million tokens of input, USD; None if unknown."""
    usd_per_million_output: float | None = None
    """Price of a million tokens of output, USD; None if unknown."""


JUDGE_RANGES: Mapping[str, tuple[float, float]] = {
    "judge.temperature": (0, 5),
    "judge.max_tokens": (1, 100_000),
    "judge.parallel": (1, 64),
    "judge.timeout": (1, 3_600),
}
"""Key → its smallest and largest value."""


def checked_judge(judge: JudgeSettings) -> JudgeSettings:
    """`judge`, if what it says of endpoint, key and prices can be used.

    Raises:
        RecipeError: the message names the key, and no secret.
    """
    if judge.endpoint not in ("", PROVIDERS, LOCAL):
        _check_address(judge.endpoint)
    if judge.key_env and not _VARIABLE.fullmatch(judge.key_env):
        # Not echoed: it may be the key itself.
        raise RecipeError(
            "judge.key_env must be the name of an environment variable, in capitals, and not the key itself",
            'Write key_env = "OPENAI_API_KEY", and set that variable to the key.',
        )
    for name in ("usd_per_million_input", "usd_per_million_output"):
        if (price := getattr(judge, name)) is not None and price < 0:
            raise RecipeError(f"judge.{name} must not be negative: {price}")
    return judge


def _check_address(endpoint: str) -> None:
    hint = "Write a base URL such as http://127.0.0.1:8000/v1, or hf, or local."
    try:
        parts = urlsplit(endpoint)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known:
        raise RecipeError(f"The judge's endpoint is not a base URL: {endpoint[:200]}", hint)
    if parts.username is not None or parts.query or parts.fragment:
        raise RecipeError(
            "The judge's endpoint contains a password or a query",
            "Write the address alone, and name the variable with the key in key_env.",
        )
