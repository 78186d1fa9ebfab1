"""Loading models for the scripts in this folder: each set of weights once, adapters on a shared base.

It is shipped with generate.py and answer_models.py. torch, transformers and peft are imported when they are needed.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from saved_model import config_problem, has_tokenizer, weights_problem
from script_events import WrongInputError

DAMAGED = ("SafetensorError", "PytorchStreamReader", "UnpicklingError", "EOFError", "incomplete metadata")
"""What safetensors 0.8 and torch 2.13 say of a file that is cut off or is not what its name says."""
SAVE_AGAIN = "Save or download the model again."


def freeze_date(date: str) -> None:
    """Makes chat templates take `date` for today: `strftime_now`, which SmolLM3's writes into every prompt.

    Raises:
        WrongInputError: not a date.
    """
    from transformers.utils import chat_template_utils

    try:
        then = datetime.combine(datetime.fromisoformat(date).date(), datetime.min.time().replace(hour=12))
    except ValueError as error:
        raise WrongInputError(f"Not a date: {date}", "Write it as 2026-11-29.") from error

    class Frozen(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return then

    chat_template_utils.datetime = Frozen


def best_device() -> tuple[Any, Any]:
    """(device, dtype): float32 on a CPU, bfloat16 on an accelerator that supports it."""
    import torch

    device = (
        torch.device("cuda")
        if torch.cuda.is_available()
        else torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    )
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return device, torch.bfloat16 if bf16 else torch.float32


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Ids of tokens that end an answer, from the model's generation settings and its tokenizer."""
    named = model.generation_config.eos_token_id
    listed = named if isinstance(named, list) else [named]
    return sorted({token for token in (*listed, tokenizer.eos_token_id) if token is not None})


def load(model: Mapping[str, Any]) -> tuple[Any, Any]:
    """(model, tokenizer) of one spec: {"path", "revision"?, "adapter"?}.

    Raises:
        WrongInputError: weights are damaged or missing.
    """
    loaded = Shelf().take(model)
    return loaded.model, loaded.tokenizer


@dataclass
class Loaded:
    """A model that can answer. Several may share the weights of one base."""

    holder: dict[str, Any]
    """`model`: the weights, which are replaced by PEFT's model when a first adapter is put on them."""
    tokenizer: Any
    adapter: str | None = None
    """Name of the adapter within the model; None: the base alone."""

    @property
    def model(self) -> Any:
        """Whatever adapters are on."""
        return self.holder["model"]

    @contextmanager
    def active(self) -> Iterator[Any]:
        """The model with this adapter on, or with all adapters off."""
        model = self.model
        if self.adapter is not None:
            model.set_adapter(self.adapter)
            yield model
        elif hasattr(model, "disable_adapter"):  # PEFT's
            with model.disable_adapter():
                yield model
        else:
            yield model


Base = tuple[str, str | None]
"""Path and revision."""


def base_of(spec: Mapping[str, Any]) -> Base:
    """What two models must share to share their weights."""
    return str(spec["path"]), spec.get("revision")


def _tokenizer_place(spec: Mapping[str, Any]) -> Base:
    adapter = spec.get("adapter")
    own = adapter is not None and Path(adapter, "tokenizer_config.json").is_file()
    return (str(adapter), None) if own else base_of(spec)


def load_tokenizer(spec: Mapping[str, Any]) -> Any:
    """The tokenizer of a model: that of its adapter, if one is saved with it.

    Raises:
        WrongInputError: its folder has none.
    """
    from transformers import AutoTokenizer

    place, revision = _tokenizer_place(spec)
    if Path(place).is_dir() and not has_tokenizer(Path(place)):
        raise WrongInputError(f"The model can't be used, its folder has no tokenizer: {place}", SAVE_AGAIN)
    tokenizer = AutoTokenizer.from_pretrained(place, revision=revision)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


@dataclass
class Shelf:
    """Loaded models; an adapter and its base, or several adapters on one base, share one copy of its weights."""

    _bases: dict[Base, dict[str, Any]] = field(default_factory=dict)
    _adapters: dict[tuple[Base, str], str] = field(default_factory=dict)
    _tokenizers: dict[tuple[str, str | None], Any] = field(default_factory=dict)

    def holds(self, spec: Mapping[str, Any]) -> bool:
        """Whether `take` loads nothing."""
        adapter = spec.get("adapter")
        return base_of(spec) in self._bases and (adapter is None or (base_of(spec), adapter) in self._adapters)

    def holds_base(self, spec: Mapping[str, Any]) -> bool:
        """Whether the weights at its path are loaded."""
        return base_of(spec) in self._bases

    def take(self, spec: Mapping[str, Any]) -> Loaded:
        """The model of a spec, loaded if it is not yet.

        Raises:
            WrongInputError: weights are damaged or missing.
        """
        from transformers.utils import logging

        logging.disable_progress_bar()
        base, adapter = base_of(spec), spec.get("adapter")
        if base not in self._bases:
            self._bases[base] = {"model": _load_base(*base)}
        name = None
        if adapter is not None:
            name = self._adapters.get((base, adapter)) or self._put_on(base, adapter)
        return Loaded(self._bases[base], self._tokenizer(spec), name)

    def _put_on(self, base: Base, adapter: str) -> str:
        from peft import PeftModel

        name, holder = f"adapter_{len(self._adapters)}", self._bases[base]
        model = holder["model"]
        with _damage_explained(adapter):
            if isinstance(model, PeftModel):
                model.load_adapter(adapter, adapter_name=name)
            else:
                model = PeftModel.from_pretrained(model, adapter, adapter_name=name)
        holder["model"] = model.eval()
        self._adapters[base, adapter] = name
        return name

    def _tokenizer(self, spec: Mapping[str, Any]) -> Any:
        where = _tokenizer_place(spec)
        if where not in self._tokenizers:
            self._tokenizers[where] = load_tokenizer(spec)
        return self._tokenizers[where]

    def keep_only(self, specs: Sequence[Mapping[str, Any]]) -> None:
        """Gives back the memory of all bases that none of these models needs."""
        wanted = {base_of(spec) for spec in specs}
        gone = set(self._bases) - wanted
        for base in gone:
            del self._bases[base]
        if gone:
            self._adapters = {key: name for key, name in self._adapters.items() if key[0] in self._bases}
            release_memory()


def release_memory() -> None:
    """Returns freed memory to the system or the accelerator."""
    gc.collect()
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
        sys.modules["torch"].cuda.empty_cache()


def check_config(path: str) -> None:
    """Raises WrongInputError if the configuration in a model's folder is missing or damaged.

    transformers reports a damaged one as a model that does not exist.
    """
    if Path(path).is_dir() and (problem := config_problem(Path(path))) is not None:
        raise WrongInputError(f"The model can't be loaded, {problem}: {path}", SAVE_AGAIN)


def _load_base(path: str, revision: str | None) -> Any:
    from transformers import AutoModelForCausalLM

    device, dtype = best_device()
    check_config(path)
    if (problem := weights_problem(Path(path)) if Path(path).is_dir() else None) is not None:
        raise WrongInputError(f"The model's weights can't be loaded, {problem}: {path}", SAVE_AGAIN)
    with _damage_explained(path):
        model, told = AutoModelForCausalLM.from_pretrained(
            path, revision=revision, dtype=dtype, output_loading_info=True
        )
    missing = sorted(told.get("missing_keys") or ())
    if missing:  # transformers fills them with random numbers and only warns
        raise WrongInputError(
            f"The model's weights are incomplete, {len(missing)} tensors are missing (such as {missing[0]}): {path}",
            SAVE_AGAIN,
        )
    return model.to(device).eval()


@contextmanager
def _damage_explained(path: str) -> Iterator[None]:
    """Raises: WrongInputError: a file of weights is damaged."""
    try:
        yield
    except Exception as error:
        said = f"{type(error).__name__} {error}"
        if any(word in said for word in DAMAGED):
            raise WrongInputError(
                f"The model's weights are damaged or only partly written: {path}", SAVE_AGAIN
            ) from error
        raise
