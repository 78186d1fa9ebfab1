# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "transformers==5.23.0",
#   "torch==2.13.0",
#   "accelerate==1.15.0",
#   "peft==0.21.2",
#   "huggingface_hub==2.4.0",
# ]
# ///
"""Adds a LoRA adapter to the weights of its base model, and saves the result as a model of its own.

    python merge_adapter.py --adapter FOLDER --base FOLDER_OR_HUB_ID [--revision REVISION] --output FOLDER

It prints events (`core/runs/events.py`): phase, saved, failed. The weights keep the type in which the base is stored.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# For the modules beside this one; last, because in a Job the folder also has foreign files.
sys.path.append(str(Path(__file__).resolve().parent))

from script_events import Lines, WrongInputError, run_script


def main(lines: Lines, arguments: Sequence[str]) -> None:
    """Merges as the flags say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--base", required=True)
    parser.add_argument("--revision")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(arguments)
    if not (args.adapter / "adapter_config.json").is_file():
        raise WrongInputError(f"The folder has no adapter: {args.adapter}", "Name the folder that the run saved.")
    merge(lines, args.adapter, args.base, args.revision, args.output)


def merge(lines: Lines, adapter: Path, base: str, revision: str | None, output: Path) -> None:
    """Saves the merged model and the adapter's tokenizer in `output`."""
    lines.subject = base
    lines.phase("load_model", base)
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(base, revision=revision or "main", dtype="auto")
    merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload(safe_merge=True)
    lines.phase("save")
    merged.save_pretrained(str(output))
    _save_tokenizer(adapter, base, revision, output)
    lines.emit("saved", path=str(output.absolute()))


def _save_tokenizer(adapter: Path, base: str, revision: str | None, output: Path) -> None:
    """The tokenizer that the model was trained with: the adapter's, or its base model's."""
    from transformers import AutoTokenizer

    own = (adapter / "tokenizer_config.json").is_file()
    tokenizer = AutoTokenizer.from_pretrained(
        str(adapter) if own else base, revision=None if own else revision or "main"
    )
    tokenizer.save_pretrained(str(output))


if __name__ == "__main__":
    sys.exit(run_script(main))
