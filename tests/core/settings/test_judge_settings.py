"""The table `judge` of smoltui.toml: what is refused, without showing a secret."""

from __future__ import annotations

import pytest

from smoltui.core.settings.settings import parse_settings
from smoltui.errors import RecipeError


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:8000/v1", "https://api.example.com/v1/", "hf", "local", ""])
def test_endpoints(endpoint: str) -> None:
    table = {"endpoint": endpoint, "model": "m", "key_env": "OPENAI_API_KEY", "usd_per_million_input": 1}
    found = parse_settings({"judge": table}).judge
    assert (found.endpoint, found.usd_per_million_input, found.usd_per_million_output) == (endpoint, 1.0, None)


@pytest.mark.parametrize(
    "table",
    [
        {"endpoint": "127.0.0.1:8000"},
        {"endpoint": "http://"},
        {"endpoint": "http://[::1/v1"},
        {"endpoint": "http://h:99999999/v1"},
        {"endpoint": "http://h/v1?key=secret"},
        {"endpoint": "http://me@h/v1"},
        {"key_env": "sk-secret"},
        {"key_env": "lower_secret"},
        {"parallel": 0},
        {"timeout": 0.1},
        {"usd_per_million_input": -1.0},
        {"api_key": "secret"},
    ],
)
def test_settings_that_cannot_be_used(table: dict[str, object]) -> None:
    with pytest.raises(RecipeError) as error:
        parse_settings({"judge": table})
    assert "judge" in error.value.message and "secret" not in str(error.value)
