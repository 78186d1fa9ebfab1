"""Prints what torch and TRL find on this machine: one JSON object on the last line, `{"probe": {…}}`.

Run by the Python that would train. Imports nothing from smoltui.
"""

from __future__ import annotations

import json
import time
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


def main() -> None:
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
