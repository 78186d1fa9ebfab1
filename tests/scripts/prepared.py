"""A Python with the training packages imported, which forks for each script: their import is paid for once.

A fork is a process of its own, with its own arguments, environment, working directory and output, like a script that is
started afresh. Only what a library reads from the environment at import is the same for all.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

USED = {
    "peft": ["PeftModel"],
    "transformers": ["AutoModelForCausalLM", "AutoTokenizer", "TrainerCallback"],
    "transformers.models.smollm3.modeling_smollm3": ["SmolLM3ForCausalLM"],
    "trl": ["DPOConfig", "DPOTrainer", "TrlParser", "get_dataset"],
}
"""What the scripts import."""


def serve() -> dict[str, Any]:
    """Forks for each request, one JSON object a line, and answers with its process id and then its exit code.

    Returns the request in the fork. The process ends where no more requests can come.
    """
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            request: dict[str, Any] = json.loads(line)
            return request
        print(json.dumps(child), flush=True)
        _, status = os.waitpid(child, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)
    sys.exit()


def become(request: dict[str, Any]) -> None:
    """Runs a script (`argv`) or code (`code`) in this process, in the folder `cwd`, with its output in `out`, `err`."""
    import datasets
    from huggingface_hub import constants

    with (
        Path(os.devnull).open() as nothing,
        Path(request["out"]).open("w") as out,
        Path(request["err"]).open("w") as err,
    ):
        for number, file in enumerate((nothing, out, err)):
            os.dup2(file.fileno(), number)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    # Nothing of an earlier test is found in a cache.
    home = Path(request["env"].get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    constants.HF_HUB_CACHE = str(home / "hub")
    datasets.config.HF_DATASETS_CACHE = home / "datasets"
    sys.argv = request["argv"]
    sys.path[0] = request["path"]
    if code := request["code"]:
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    for module, names in USED.items():
        for name in names:
            getattr(importlib.import_module(module), name)  # these packages import their parts when they are first used
    gc.freeze()  # a fork that looks through all this for garbage, at the latest when it ends, takes a second of a core
    become(serve())
