"""Command lines as recipes: trl dpo, scripts behind a launcher, and Jobs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.importing.command import is_command, read_command
from smoltui.core.importing.imported import Imported
from smoltui.core.recipe import snapshot
from smoltui.errors import InputError


def test_a_job_with_the_script_of_trl() -> None:
    """Options of the Job become settings; a script at the head of a branch and a key that is gone are named."""
    text = r"""
# Submit
hf jobs uv run --flavor a100-large --timeout=3h --secrets HF_TOKEN -d \
    "https://raw.githubusercontent.com/huggingface/trl/main/trl/scripts/dpo.py" \
    --model_name_or_path org/model --learning_rate 5e-7 --max_steps 1000 --bf16 --push_to_hub false \
    --max_prompt_length 512 --hub_model_id your-username/out
"""
    assert is_command(text)
    found = read_command(text)
    assert found.jobs == {"flavor": "a100-large", "timeout": "3h"}
    assert found.values == {
        "model_name_or_path": "org/model",
        "learning_rate": 5e-7,
        "max_steps": 1000,
        "bf16": True,
        "push_to_hub": False,
        "hub_model_id": "your-username/out",
    }
    told = " ".join(note.what for note in found.notes)
    assert "newest one of TRL" in told and "max_prompt_length" in told and "placeholder" in told


@pytest.mark.parametrize(
    "launcher",
    [
        "trl dpo",
        "python -u dpo.py",
        "accelerate launch --num_processes 2 scripts/dpo.py",
        "uv run https://github.com/huggingface/trl/raw/v1.16.0/trl/scripts/dpo.py",
    ],
)
def test_launchers(launcher: str) -> None:
    """The part before the script's own options isn't read as options of the training."""
    found = read_command(f"{launcher} --use_peft --lora_target_modules q_proj v_proj --beta=0.2 --seed -1")
    assert found.values == {"use_peft": True, "lora_target_modules": ["q_proj", "v_proj"], "beta": 0.2, "seed": -1}
    assert found.notes == []


def test_options_of_others() -> None:
    """A file of options, options of accelerate and words that belong nowhere are named."""
    found = read_command("trl dpo stray --config more.yaml --num_processes 4 --learning-rate 1e-6 --not_there 1")
    assert found.values == {"learning_rate": 1e-6}
    told = " ".join(f"{note.what} {note.done}" for note in found.notes)
    for words in ("stray", "more.yaml", "num_processes is an option of accelerate", "not_there is not a key"):
        assert words in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trl sft --x 1", "does not train with DPO"),
        ("trl dpo --x 'open", "not closed"),
        ("hf jobs uv run --flavor t4 train.py", "Import train.py instead"),
    ],
)
def test_commands_without_a_recipe(text: str, words: str) -> None:
    """One sentence and what to import instead."""
    with pytest.raises(InputError) as error:
        read_command(text)
    assert words in f"{error.value.message} {error.value.hint}"


@given(st.lists(st.text(max_size=12), max_size=8))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    """Every value that is taken has a key that TRL knows."""
    try:
        found = read_command("trl dpo " + " ".join(words))
    except InputError:
        return
    assert isinstance(found, Imported) and set(found.values) <= set(snapshot().keys)
