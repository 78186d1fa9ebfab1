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
"""Generates the answers of models to prompts, and the log-probabilities of the answers in preference pairs.

    python generate.py --request request.json

The request is one JSON object:

    models          [{"name": "reference" or "aligned", "path": folder or Hub id, "revision"?, "adapter"?: folder}, …]
                    `adapter` is a LoRA adapter's folder, put on the model at `path`
    prompts         [text or list of messages, …]
    pairs           [{"prompt", "chosen", "rejected", "chat_template_kwargs"?, "tools"?}, …], texts or lists of messages
    max_new_tokens, temperature (0 is greedy), top_p, seed, thinking
    batch_size      prompts and pairs handled at once
    max_length      tokens of a pair that are scored, null for all
    keep_end        true: of a pair that is too long, its end is scored, as with TRL's truncation_mode keep_end
    ld_alpha        weight of the part of an answer beyond the length of the other answer, null for 1, as in TRL
    date            what chat templates take for today, such as 2026-11-29; null: the date of this machine
    reference_values  folder in which the reference's log-probabilities are kept and found again, null for none

It prints events (`core/runs/events.py`): phase, answer, answer_left_out, pair, failed, finished. One model is in memory
at a time; an adapter's base model is loaded once, and is the reference with the adapter off. Answers are those of
`answering.py`, whole and not streaming; `answer_models.py` streams them. Pairs are scored as in `pair_scores.py`, with
the tokens of the last model's tokenizer for all models, as in training.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# For the modules beside this one; last, because in a Job the folder also has foreign files.
sys.path.append(str(Path(__file__).resolve().parent))

import reference_values
from answering import Answers, Asking
from model_loading import Loaded, Shelf, best_device, freeze_date, load_tokenizer
from pair_scores import Ready, Score, Scoring, ready_pairs, scores
from saved_model import config_problem, weights_problem
from script_events import Lines, WrongInputError, run_script


@dataclass(frozen=True)
class Request:
    """The fields of a request, explained in the module's docstring."""

    models: list[dict[str, Any]]
    prompts: list[Any]
    pairs: list[dict[str, Any]]
    max_new_tokens: int = 256
    temperature: float = 0.7
    top_p: float = 0.95
    seed: int = 0
    thinking: bool = False
    batch_size: int = 8
    max_length: int | None = 1024
    keep_end: bool = False
    ld_alpha: float | None = None
    date: str | None = None
    reference_values: str | None = None

    @property
    def scoring(self) -> Scoring:
        return Scoring(self.batch_size, self.max_length, self.keep_end, self.ld_alpha)


def read_request(path: Path) -> Request:
    """The request in a file.

    Raises:
        WrongInputError: it cannot be read, or a value is missing or invalid.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WrongInputError(f"The request cannot be read: {error}") from error
    known = set(Request.__dataclass_fields__)
    if not isinstance(data, dict) or (unknown := set(data) - known):
        raise WrongInputError(f"The request has an unknown key: {sorted(unknown) if data else data}")
    request = Request(**{"prompts": [], "pairs": [], **data})
    for name, low in (("max_new_tokens", 1), ("batch_size", 1), ("temperature", 0), ("top_p", 0)):
        value = getattr(request, name)
        if not isinstance(value, int | float) or value < low:
            raise WrongInputError(f"The request's {name} must be at least {low}: {value}")
    if not request.models or not all(isinstance(model.get("path"), str) for model in request.models):
        raise WrongInputError("The request has no model")
    return request


# Answers


def generate(lines: Lines, model: Loaded, request: Request, name: str) -> None:
    """Emits the answers to all prompts."""
    asking = Asking(
        request.prompts,
        request.max_new_tokens,
        request.temperature,
        request.top_p,
        request.seed,
        request.thinking,
        request.batch_size,
        stream=False,
    )
    answers = Answers(lines, model, asking, name)
    for batch in answers.batches():
        answers.answer(batch)


# Pairs


def ready(lines: Lines, request: Request) -> list[Ready]:
    """The request's pairs in tokens, made by the last model's tokenizer: the one that was trained."""
    spec = request.models[-1]
    lines.subject = str(spec.get("adapter") or spec["path"])
    tokenizer = load_tokenizer(spec)
    if tokenizer.chat_template is None and not isinstance(request.pairs[0]["prompt"], str):
        raise WrongInputError(
            f"The model has no chat template, and these pairs are conversations: {lines.subject}",
            "Copy chat_template.jinja from the model that it was trained from.",
        )
    lines.phase("tokenize")
    pairs: list[Ready] = ready_pairs(tokenizer, request.pairs, request.scoring)
    return pairs


def values_key(spec: Mapping[str, Any], pairs: Sequence[Ready], request: Request) -> str | None:
    """Name under which the log-probabilities of a reference are kept; None if they are not."""
    if request.reference_values is None or spec.get("name") != "reference":
        return None
    device, dtype = best_device()
    hardware = sys.modules["torch"].cuda.get_device_name() if device.type == "cuda" else device.type
    model = reference_values.identity(spec["path"], spec.get("revision"))
    key: str | None = reference_values.key_of(model, f"{hardware} {dtype}", pairs, request.scoring)
    return key


def reuse(lines: Lines, key: str | None, pairs: Sequence[Ready], request: Request, name: str) -> bool:
    """Emits the kept log-probabilities, if there are any; whether there were."""
    folder = request.reference_values
    kept = None if key is None or folder is None else reference_values.read(Path(folder), key, pairs)
    if kept is None:
        return False
    lines.phase("reuse", name)
    for index, chosen, rejected in kept.values:
        lines.emit("pair", model=name, index=index, chosen=chosen, rejected=rejected, scored_at=kept.at)
    return True


def score(lines: Lines, model: Any, pad: int, pairs: Sequence[Ready], request: Request, name: str) -> list[Score]:
    """Emits the summed log-probabilities of each pair's answers, and returns them."""
    found = []
    for each in scores(model, pad, pairs, request.scoring):
        lines.emit("pair", model=name, index=each.number, chosen=each.chosen, rejected=each.rejected)
        found.append(each)
    return found


def main(lines: Lines, arguments: Sequence[str]) -> None:
    """Answers the whole request; every failure is raised."""
    parser = argparse.ArgumentParser(description="Generate answers and score pairs as the request says.")
    parser.add_argument("--request", type=Path, required=True)
    request = read_request(parser.parse_args(list(arguments)).request)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    began = time.monotonic()
    if request.date is not None:
        freeze_date(request.date)
    for spec in request.models:
        require_weights(spec)
    lines.phase("load_model", str(request.models[0].get("name", "")))
    shelf, pairs = Shelf(), ready(lines, request) if request.pairs else []
    for spec in request.models:
        shelf.keep_only([spec])
        work(lines, shelf, spec, pairs, request)
    lines.emit("finished", step=0, max_steps=0, seconds=round(time.monotonic() - began, 3))


def work(lines: Lines, shelf: Shelf, spec: Mapping[str, Any], pairs: Sequence[Ready], request: Request) -> None:
    """Scores the pairs and answers the prompts with one model, which is not loaded if nothing is left to do for it."""
    name = str(spec.get("name", ""))
    key = values_key(spec, pairs, request) if pairs else None
    to_score = [] if reuse(lines, key, pairs, request, name) else pairs
    if not to_score and not request.prompts:
        return
    lines.subject = str(spec["path"])
    lines.phase("load_model", name)
    loaded = shelf.take(spec)
    if to_score:
        lines.phase("score", name)
        with loaded.active() as model:
            found = score(lines, model, loaded.tokenizer.pad_token_id, pairs, request, name)
        if key is not None and key == values_key(spec, pairs, request):  # not replaced while it was loaded
            reference_values.write(Path(str(request.reference_values)), key, found)
    if request.prompts:
        lines.phase("generate", name)
        generate(lines, loaded, request, name)


WHOLE_MODEL = "Save or download the model again; a run's model comes back with a new training (t)."


def require_weights(model: Mapping[str, Any]) -> None:
    """Raises WrongInputError if a folder of the model is gone, or its weights are missing or half-written."""
    for folder in map(Path, filter(None, (model["path"], model.get("adapter")))):
        if folder.is_absolute() and not folder.is_dir():
            raise WrongInputError(f"The model no longer exists: {folder}", WHOLE_MODEL)
        if folder.is_dir() and (problem := config_problem(folder) or weights_problem(folder)):
            raise WrongInputError(f"The model cannot be used: {problem}: {folder}", WHOLE_MODEL)


if __name__ == "__main__":
    sys.exit(run_script(main))
