"""Builds TRL's real trainer for many recipes in one process, and trains a step with each.

Run where the training packages are imported already and `smoltui/scripts` is on the path (`running.in_prepared`).
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

TEXTS = (("Say it.", "Yes, gladly.", "No."), ("Why?", "Because it rains.", "Who knows.")) * 2
SHAPE = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 128,
}


def prepare(folder: Path, tokenizer: Path) -> None:
    """Writes a model of some ten thousand weights, with the tokenizer of another one."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    words = AutoTokenizer.from_pretrained(tokenizer)
    ends = {"eos_token_id": words.eos_token_id, "bos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    config = AutoConfig.for_model("smollm3", vocab_size=len(words), **ends, **SHAPE)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    words.save_pretrained(folder)


def refusal(folder: Path, values: Mapping[str, Any], rows: Any) -> str | None:
    """What TRL says against a recipe, from its parser to the first step; None if it trains."""
    import dpo  # type: ignore[import-not-found]  # of smoltui/scripts
    from accelerate.state import AcceleratorState, PartialState

    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(dict(values)), encoding="utf-8")
    try:
        _, training, model, _ = dpo.parse_recipe(argparse.Namespace(config=path, output_dir=None), [])
        dpo.complete_settings(training, model)
        train = rows.to_iterable_dataset() if values.get("streaming") else rows
        held_out = rows if values.get("dataset_test_split") else None
        dpo.build_trainer(training, model, train, held_out).train()
    except (Exception, SystemExit) as error:  # whatever it is, it ends a run
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    finally:
        AcceleratorState._reset_state(True)
        PartialState._reset_state()
    return None


def compare(folder: Path, tokenizer: Path, recipes: Sequence[Mapping[str, Any]]) -> None:
    """Prints a JSON list: for each recipe what TRL says against it, or null. Their model is in `folder / "model"`."""
    import datasets
    from transformers import logging

    logging.set_verbosity_error()
    datasets.disable_progress_bars()
    warnings.simplefilter("ignore")
    os.chdir(folder)
    gc.freeze()  # each training ends with a collection, which need not look at the imported packages
    with contextlib.redirect_stdout(io.StringIO()):
        prepare(folder / "model", tokenizer)
        columns = zip(("prompt", "chosen", "rejected"), zip(*TEXTS, strict=True), strict=True)
        rows = datasets.Dataset.from_dict({name: list(texts) for name, texts in columns})
        found = [refusal(folder, values, rows) for values in recipes]
    print(json.dumps(found))
