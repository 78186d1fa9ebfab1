"""lm_eval that answers at once: takes the arguments of `scripts/run_lm_eval.py` and writes results in its format.

The reference has 0.4 right, the aligned model 0.6. What the tasks are called matters: `slowly` waits, `crash` kills the
process, `fail` gives a reason, `broken` writes half a file, `nothing` writes none, `nan` writes NaN.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from tests.core.evaluation.benchmark_samples import lm_eval


def emit(event: str, **values: object) -> None:
    print(json.dumps({"event": event, "v": 1, **values}), flush=True)


def main() -> None:
    words = sys.argv[1:]
    given = {word: words[place + 1] for place, word in enumerate(words[:-1]) if word.startswith("--")}
    model = dict(part.split("=", 1) for part in given["--model_args"].split(","))
    tasks = given["--tasks"].split(",")
    out = Path(given["--output_path"]) / "model"
    print("INFO     Running loglikelihood requests", flush=True)
    print("Running loglikelihood requests:  50%|█████     | 6/12 [00:01<00:01,  6.00it/s]", flush=True)
    if "slowly" in tasks:
        time.sleep(60)
    if "crash" in tasks:
        os.kill(os.getpid(), signal.SIGKILL)
    if "fail" in tasks:
        emit("failed", cause="lm_eval doesn't have this task: fail", hint="List them: lm_eval ls tasks")
        raise SystemExit(2)
    right = 0.6 if "peft" in model or Path(model["pretrained"]).name == "out" else 0.4
    limit = float(given["--limit"]) if "--limit" in given else None
    data = lm_eval(model["pretrained"], adapter=model.get("peft"), limit=limit)
    figure = float("nan") if "nan" in tasks else right
    data["results"] = {task: {"acc,none": figure, "acc_stderr,none": 0.01} for task in tasks}
    text = json.dumps(data)
    if "nothing" not in tasks:
        out.mkdir(parents=True)
        (out / "results_2026-11-30T06-00-49.196770.json").write_text(text[:90] if "broken" in tasks else text)
    emit("finished", step=0, max_steps=0, seconds=0.1)


if __name__ == "__main__":
    main()
