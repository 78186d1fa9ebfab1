"""smoltui.toml: every mistake is named with its key."""

from __future__ import annotations

import tomllib

import pytest

from smoltui.core.settings.settings import Manner, Settings, parse_settings
from smoltui.errors import RecipeError
from smoltui.scripts.pair_how import How


def parse(text: str) -> Settings:
    return parse_settings(tomllib.loads(text))


def test_nothing_is_all_defaults() -> None:
    assert parse("") == Settings()


def test_values_are_taken() -> None:
    settings = parse(
        '[run]\non = "hub"\n[pairs]\nsource = "p.jsonl"\n'
        '[jobs]\nflavor = "l4x1"\ntimeout = "90m"\nlabels = {team = "x"}\n'
        '[evaluation]\ntemperature = 1\nheld_out = 10\n[evaluation.manner]\nname = "kind"\nany_of = ["please"]\n'
    )
    assert (settings.on, settings.pairs) == ("hub", "p.jsonl")
    assert (settings.jobs.flavor, settings.jobs.timeout_seconds) == ("l4x1", 5400)
    assert settings.evaluation.temperature == 1.0 and settings.evaluation.manner == Manner("kind", ("please",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[job]\nflavor = 'x'", "unknown key: job"),
        ("[jobs]\nflavour = 'x'", "jobs.flavour"),
        ("[jobs]\nflavor = 3", "jobs.flavor"),
        ("[jobs]\ntimeout = '1h30m'", "timeout: 1h30m"),
        ("run = 1", "run in smoltui.toml must be a table"),
        ("[run]\non = 3", "run.on"),
        ("[evaluation]\nheld_out = 'many'", "evaluation.held_out"),
        ("[evaluation]\ntemperature = -1", "evaluation.temperature"),
        ("[evaluation]\nthinking = 1", "evaluation.thinking"),
        ("[evaluation.manner]\nany_of = ['x']", "evaluation.manner"),
        ("[evaluation.manner]\nname = 'x'\nany_of = 'x'", "evaluation.manner.any_of"),
        ("[local]\nprocesses = '2'", "local.processes"),
        ("[local]\nprocesses = 0", "local.processes in smoltui.toml must be from 1 to 64: 0"),
        ("[local]\nprocesses = true", "local.processes"),
        ("[local]\nstrategy = 'zero2'", "local.strategy in smoltui.toml must be one of ddp, fsdp, zero3: zero2"),
        ("[local]\ngpus = 2", "unknown key: local.gpus"),
        ("[pairs]\npick = 'worst'", "pairs.pick in smoltui.toml must be one of best-worst, best-random"),
        ("[pairs]\nmin_margin = -1", "pairs.min_margin in smoltui.toml must not be negative"),
        ("[pairs]\nanswers = 'a,b'", "pairs.answers in smoltui.toml must be a list of texts"),
        ("[pairs]\nvotes = 'a'", "unknown key: pairs.votes"),
        ("[pairs.columns]\nchosen = ''", "pairs.columns.chosen"),
    ],
)
def test_each_mistake_is_named(text: str, words: str) -> None:
    with pytest.raises(RecipeError) as error:
        parse(text)
    assert words in error.value.message


def test_how_pairs_are_made_is_taken() -> None:
    settings = parse(
        '[pairs]\nanswers = ["a", "b"]\nwinner = "w"\nscore = ""\npick = "all"\nmin_margin = 1\nseed = 7\n'
        '[pairs.columns]\nprompt = "q"\nsystem = ""\n'
    )
    assert settings.pair_how == How(("a", "b"), winner="w", pick="all", min_margin=1.0, seed=7)
    assert settings.pair_columns == {"prompt": "q", "system": ""} and settings.reads_pairs
    assert not parse("[pairs]\nsource = 'x'").reads_pairs


def test_processes_and_strategy_are_taken() -> None:
    settings = parse('[local]\nprocesses = 4\nstrategy = "fsdp"')
    assert (settings.local.processes, settings.local.strategy) == (4, "fsdp")


def test_the_timeout_s_hint_says_what_to_write() -> None:
    with pytest.raises(RecipeError) as error:
        parse("[jobs]\ntimeout = '1h30m'")
    assert "90m" in error.value.hint
