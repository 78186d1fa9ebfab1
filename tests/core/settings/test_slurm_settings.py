"""[slurm] of smoltui.toml: what cannot work is refused where it is written."""

from __future__ import annotations

from typing import Any

import pytest

from smoltui.core.settings.settings import options_of, parse_settings, table_of
from smoltui.core.settings.slurm_settings import SlurmSettings, is_secret_name
from smoltui.errors import RecipeError


def test_settings_and_back() -> None:
    """A run stores what is not the default, and reads it back."""
    written = {"partition": "gpu", "nodes": 2, "setup": ["module load cuda"], "env": {"A": "ü"}, "exclusive": True}
    found = parse_settings({"slurm": written}).slurm
    assert found.setup == ("module load cuda",) and found.nodes == 2 and options_of(found).keys() == written.keys()
    assert table_of(SlurmSettings, options_of(found), "slurm.") == found
    assert table_of(SlurmSettings, {"of_a_later_version": "1"}, "slurm.") == SlurmSettings()
    with pytest.raises(RecipeError, match="options of this run"):
        table_of(SlurmSettings, {"nodes": "{"}, "slurm.")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"nodes": 0}, "slurm.nodes"),
        ({"gpus": "4"}, "slurm.gpus"),
        ({"time": "soon"}, "not a time limit"),
        ({"mem": "lots"}, "not an amount of memory"),
        ({"strategy": "magic"}, "must be one of ddp"),
        ({"partition": "--uid=0"}, "not a name"),
        ({"account": "a b"}, "not a name"),
        ({"extra": ["--requeue"]}, "sets itself"),
        ({"extra": ["--out=x"]}, "sets itself"),
        ({"extra": ["-p", "gpu"]}, "sets itself"),
        ({"extra": ["--wrap=rm -r"]}, "sets itself"),
        ({"extra": ["gpu"]}, "not an option"),
        ({"extra": ["--"]}, "not an option"),
        ({"env": {"HF_TOKEN": "x"}}, "looks like a secret"),
        ({"env": {"SLURM_CONF": "x"}}, "Slurm sets"),
        ({"env": {"A B": "x"}}, "no variable can have"),
        ({"queue": "x"}, "unknown key: slurm.queue"),
    ],
)
def test_what_cannot_work(table: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        parse_settings({"slurm": table})


def test_what_works() -> None:
    extra = ["--mail-type=END", "--nodelist=n1", "--reservation=course", "--exclude=n7", "--begin=now+1hour"]
    assert parse_settings({"slurm": {"extra": extra, "mem": "64G", "constraint": "a100&nvlink"}}).slurm.extra


def test_names_of_secrets() -> None:
    assert all(is_secret_name(name) for name in ("HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD"))
    assert not any(is_secret_name(name) for name in ("PATH", "OMP_NUM_THREADS", "KEYBOARD", "TOKENIZERS_PARALLELISM"))
