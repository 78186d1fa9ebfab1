"""Prints what torch and TRL find on this machine: one JSON object on the last line, `{"probe": {…}}`.

    python probe.py
    python probe.py --shape CONFIG     the shape of the decoder of a config.json instead, `{"shape": {…}}`

Run by the Python that would train. Imports nothing from smoltui.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "trl", "datasets", "accelerate", "peft", "trackio")


def versions() -> dict[str, str]:
    """Versions of the installed training packages."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def ask_torch() -> dict[str, Any]:
    """The device that training would run on, and its capabilities."""
    import torch

    build = "CPU only"
    if torch.version.hip:
        build = f"ROCm {torch.version.hip}"
    elif torch.version.cuda:
        build = f"CUDA {torch.version.cuda}"
    elif torch.backends.mps.is_built():
        build = "MPS"
    found: dict[str, Any] = {"build": build, "threads": torch.get_num_threads(), "devices": [], "kind": "cpu"}
    if torch.cuda.is_available():
        found["kind"] = "cuda"
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            capability = None if torch.version.hip else f"{properties.major}.{properties.minor}"
            found["devices"].append(
                {"name": properties.name, "total": properties.total_memory, "capability": capability}
            )
        found["bf16"] = torch.cuda.is_bf16_supported()
    elif torch.backends.mps.is_available():
        found["kind"] = "mps"
        found["devices"].append({"name": "MPS"})
        found["bf16"] = computes_bf16("mps")
    elif hasattr(torch, "xpu") and torch.xpu.is_available():
        found["kind"] = "xpu"
        found["devices"] += [{"name": torch.xpu.get_device_name(i)} for i in range(torch.xpu.device_count())]
        found["bf16"] = computes_bf16("xpu")
    else:
        found["bf16"] = computes_bf16("cpu")
    return found


def computes_bf16(device: str) -> bool:
    """Whether a small matrix product in bfloat16 is correct on `device`."""
    import torch

    try:
        ones = torch.ones(4, 4, dtype=torch.bfloat16, device=device)
        return bool(((ones @ ones).float() == 4).all())
    except (RuntimeError, TypeError):
        return False


def ask_trl() -> dict[str, Any]:
    """Whether the trainer, and with it the whole stack, can be imported, and how long that takes."""
    begun = time.perf_counter()
    try:
        from trl import DPOTrainer  # noqa: F401
    except Exception as error:  # any package of the stack may fail
        return {"trl_problem": f"{type(error).__name__}: {error}".splitlines()[0][:400]}
    return {"trl_seconds": round(time.perf_counter() - begun, 2)}


EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
"""Names that a config.json gives the number of experts."""


def shape_of(config: dict[str, Any]) -> dict[str, Any]:
    """What a decoder's memory depends on, from transformers' own modules without weights (on the meta device).

    A failure is a result with `problem`, never an exception.
    """
    try:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        whole = AutoConfig.for_model(**config)
        text = whole.get_text_config()
        if any(isinstance(number := getattr(text, name, None), int) and number > 1 for name in EXPERTS):
            return {"problem": "a mixture of experts"}
        with torch.device("meta"):
            return _shape(AutoModelForCausalLM.from_config(text), text, config)
    except Exception as error:  # whatever an unknown architecture raises
        return {"problem": f"{type(error).__name__}: {error}".splitlines()[0][:400]}


def _shape(model: Any, text: Any, config: dict[str, Any]) -> dict[str, Any]:
    import torch

    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList) and len(module)]
    layers = max(lists, key=_size)
    largest = max(layers, key=_size)
    hidden, heads = int(text.hidden_size), int(text.num_attention_heads)
    size = int(getattr(text, "head_dim", None) or hidden // heads)
    linears: dict[str, tuple[int, ...]] = {}
    for name, module in largest.named_modules():
        short = name.rpartition(".")[2]
        short = name if short in linears else short  # GPT-2 has a c_proj in the attention and one in the MLP
        if isinstance(module, torch.nn.Linear):
            linears[short] = (module.in_features, module.out_features)
        elif type(module).__name__ == "Conv1D":  # GPT-2's, with inputs first
            linears[short] = tuple(module.weight.shape)
    wide = max(inputs for inputs, outputs in linears.values() if outputs == hidden)
    queries, keys = heads * size, int(getattr(text, "num_key_value_heads", None) or heads) * size
    widened = sum(outputs for inputs, outputs in linears.values() if inputs == hidden and outputs >= wide)
    norms = [module for module in largest.modules() if _is_norm(module, hidden)]
    saved = config.get("dtype") or config.get("torch_dtype") or "float32"
    return {
        "kind": str(text.model_type),
        "dtype": str(saved),
        "parameters": _size(model),
        "layers": len(layers),
        "hidden": hidden,
        "vocabulary": int(text.vocab_size),
        "linears": linears,
        "widths": (queries, keys, wide),
        "in_layer": _size(largest),
        "norms": len(norms),
        "gated": widened >= 2 * wide,
        "heads": heads,
        "eager": getattr(model.config, "_attn_implementation", "") == "eager",
    }


def _size(module: Any) -> int:
    """Weights, of which tied ones count once."""
    return sum(int(weight.numel()) for weight in module.parameters())


def _is_norm(module: Any, hidden: int) -> bool:
    weight = getattr(module, "weight", None)
    return "Norm" in type(module).__name__ and weight is not None and tuple(weight.shape) == (hidden,)


def main() -> None:
    if sys.argv[1:2] == ["--shape"]:
        config = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
        print(json.dumps({"shape": shape_of(config)}), flush=True)
        return
    found: dict[str, Any] = {"versions": versions()}
    try:
        found |= ask_torch()
    except Exception as error:  # a failing import of torch is a result
        found |= {"problem": f"torch: {type(error).__name__}: {error}".splitlines()[0][:400]}
    else:
        found |= ask_trl()
    print(json.dumps({"probe": found}), flush=True)


if __name__ == "__main__":
    main()
