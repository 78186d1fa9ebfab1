"""Models that answer at once: takes requests of `scripts/generate.py` and `scripts/answer_models.py`, prints events.

The reference is curt, the aligned model is courteous and 3 nats surer of each chosen answer. What a prompt
says matters: `slowly` waits, `escape` answers with what no terminal should get, `crash` kills the
process, `fail` gives a reason, `beyond` is left out, `think` has thoughts if they are on.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

ANSWERS = {"reference": "Whatever. Go away now.", "aligned": "I am happy to help you with it."}
HOSTILE = "\x1b]0;owned\x07[@click=app.quit]here[/] [/foo] \u202eevil."


def emit(event: str, **values: Any) -> None:
    print(json.dumps({"event": event, "v": 1, **values}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--request", type=Path)
    parser.add_argument("--idle", type=float)
    given = parser.parse_args().request
    print("a warning that some library prints", file=sys.stderr, flush=True)
    if given is not None:
        measure(json.loads(given.read_text(encoding="utf-8")))
        return
    for line in sys.stdin:  # as `scripts/answer_models.py`
        request = json.loads(line)
        if "stop" not in request:
            emit("request", number=request["number"])
            needs = {model["name"]: 2.0**29 for model in request["models"]}
            emit("model_memory", weights=needs, needed=2.0**30, free=2.0**33, together=True)
            answer(request, streams=True)
            emit("finished", step=0, max_steps=0, seconds=0.1)


def measure(request: dict[str, Any]) -> None:
    for model in request["models"]:
        name = model["name"]
        emit("phase", phase="load_model", message=name)
        for index, _ in enumerate(request["pairs"]):
            gained = 3.0 if name == "aligned" else 0.0
            emit("pair", model=name, index=index, chosen=-10.0 + gained, rejected=-11.0)
        answer({**request, "models": [model]}, streams=False)
    emit("finished", step=0, max_steps=0, seconds=0.1)


def answer(request: dict[str, Any], streams: bool) -> None:
    for model in request["models"]:
        name = model["name"]
        emit("phase", phase="load_model", message=name)
        for index, prompt in enumerate(request["prompts"]):
            said = prompt if isinstance(prompt, str) else prompt[-1]["content"]
            text = HOSTILE if "escape" in said else ANSWERS.get(name, f"This is {name}.")
            if "fail" in said:
                emit("failed", cause="The model does not fit into memory", hint="Free some.")
                if streams:
                    sys.stdin.read()
                raise SystemExit(1)
            if "crash" in said:
                os.kill(os.getpid(), signal.SIGKILL)
            if streams:
                emit("answer_part", model=name, index=index, text=text[:9])
            if "slowly" in said:
                time.sleep(60)
            if streams:
                emit("answer_part", model=name, index=index, text=text[9:])
            if "think" in said and request["thinking"]:
                text = f"<think>Hm, let me see.</think>{text}"
            if "beyond" in said:
                emit("answer_left_out", model=name, index=index, reason="the prompt has 600 tokens, the context 512")
                continue
            emit("answer", model=name, index=index, text=text, ended="long" not in said, tokens=len(text.split()))


if __name__ == "__main__":
    main()
