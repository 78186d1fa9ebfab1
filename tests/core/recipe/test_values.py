"""Every field of TRL: typed, saved, and read by TRL's own parser as the same value."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.project.journal import Journal
from smoltui.backends.project.recipe_file import load_recipe
from smoltui.core.recipe.fields import all_fields, field_for
from smoltui.core.recipe.keys import LOSSES, snapshot
from smoltui.core.recipe.values import parse, show
from tests.marks import needs_training
from tests.scripts.running import in_prepared

WORDS = ("alpha", "b-2", "c_d/e.f", "it's", "no", "#x", "1e3x", "naïve: yes")


def value_for(key: str, chance: random.Random) -> Any:
    """A value that TRL's parser takes for a key."""
    field, known = field_for(key), snapshot().keys[key]
    if field.optional and known.default is not None and chance.random() < 0.2:
        return None
    if key == "datasets":
        return [{"path": "json", "data_files": "a.jsonl", "split": "train"}]
    words = chance.sample(["alpha", "b-2", "c_d", "e.f"], 2)
    match field.kind:
        case "bool":
            return chance.random() < 0.5
        case "choice":
            return chance.choice(field.choices)
        case "int":
            return chance.randint(max(1, int(field.low or 1)), 10_000)
        case "steps":
            return chance.choice([chance.randint(1, 10_000), round(chance.uniform(0.01, 0.9), 3)])
        case "float":
            low, high = field.low or 0.0, field.high if field.high is not None else 4.0
            return chance.choice([chance.uniform(low + 1e-6, high * 0.9), 10.0 ** -chance.randint(1, 7)])
        case "mapping":
            return {"a": 1, "b": [1.5, None, True], "c": {"d": chance.choice(WORDS)}}
        case "numbers":
            return [1.0, 0.25]
        case "words" | "list":
            return chance.sample(LOSSES, 2) if key == "loss_type" else words
        case "mixed":
            return True if "bool" in known.types else chance.choice([64, "auto"])
    return "me/model" if key == "hub_model_id" else chance.choice([word for word in WORDS if word != "no"])


@pytest.mark.parametrize("seed", range(40))
def test_typed_and_shown_again(seed: int) -> None:
    """What a field shows is read back as the value, for every key."""
    chance = random.Random(seed)
    for field in all_fields():
        value = value_for(field.key, chance)
        text = "null" if value is None else show(field, value)
        again = parse(field, text)
        assert again == value and type(again) is type(value), (field.key, text)


@needs_training
def test_trl_reads_every_field_as_it_was_typed(tmp_path: Path) -> None:
    """All fields in one file; undo restores the first file byte for byte."""
    recipe_path, asked = tmp_path / "recipe.yaml", {}
    recipe_path.write_bytes(b"# mine\nbeta: 0.1   # keep\n")
    before = recipe_path.read_bytes()
    for seed in range(1):
        chance, file = random.Random(seed), load_recipe(recipe_path)
        for field in all_fields():
            file.set(
                field.key,
                parse(field, "null" if (value := value_for(field.key, chance)) is None else show(field, value)),
            )
        file.save()
        copy = tmp_path / f"{seed}.yaml"
        copy.write_bytes(recipe_path.read_bytes())
        asked[str(copy)] = file.values
    for _ in asked:
        Journal(tmp_path).undo("recipe.yaml")
    assert recipe_path.read_bytes() == before
    found = in_prepared(f"""
import dataclasses, enum, json
from trl import DatasetMixtureConfig, DPOConfig, ModelConfig, ScriptArguments, TrlParser
kinds = (ScriptArguments, DPOConfig, ModelConfig, DatasetMixtureConfig)
for kind in kinds:  # what it does with combinations of values is not asked here
    kind.__post_init__ = lambda self: None
def plain(value):
    if dataclasses.is_dataclass(value): return {{k: v for k, v in dataclasses.asdict(value).items()}}
    return value.value if isinstance(value, enum.Enum) else value
said = {{}}
for path in {list(asked)!r}:
    *groups, rest, more = TrlParser(kinds).parse_args_and_config(
        ["--config", path], return_remaining_strings=True, separate_remaining_strings=True)
    assert not rest and not more, (rest, more)
    said[path] = {{f.name: plain(getattr(g, f.name)) for g in groups for f in dataclasses.fields(g)}}
print(json.dumps(said, default=lambda v: plain(v)))
""")
    for path, values in asked.items():
        for key, value in values.items():
            assert json.loads(json.dumps(value)) == found[path][key], key
