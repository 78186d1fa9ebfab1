"""Models that stay loaded and answer in batches: the same answers, each in its place, and what is wrong is said."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.project.new_project import create_project
from tests.marks import needs_training
from tests.scripts.running import SCRIPTS, in_prepared

LIMIT_SECONDS = 300
Specs = dict[str, dict[str, str]]
Found = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model, and others that differ from it in one fault each."""
    project = create_project(tmp_path_factory.mktemp("answering") / "demo", "demo").folder
    in_prepared(
        f"""
        import json, shutil, torch
        from pathlib import Path
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM, AutoTokenizer
        folder = Path({str(project)!r})
        whole = folder / "model"
        def variant(name):
            shutil.copytree(whole, folder / name)
            return folder / name
        (variant("untold") / "chat_template.jinja").unlink()
        other = variant("other-end")
        tokenizer = AutoTokenizer.from_pretrained(other)
        tokenizer.eos_token = tokenizer.pad_token = "<|endoftext|>"
        tokenizer.save_pretrained(other)
        settings = json.loads((other / "generation_config.json").read_text())
        settings["eos_token_id"] = tokenizer.eos_token_id
        (other / "generation_config.json").write_text(json.dumps(settings))
        half = variant("half") / "model.safetensors"
        half.write_bytes(half.read_bytes()[:200_000])
        model = AutoModelForCausalLM.from_pretrained(whole, dtype=torch.float32)
        lora = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
        lora.save_pretrained(folder / "lora")
        model = AutoModelForCausalLM.from_pretrained(whole, dtype=torch.float32)
        with torch.no_grad():
            for weights in model.parameters():
                weights.fill_(float("nan"))
        model.save_pretrained(variant("nan"))
        print("null")
        """
    )
    return project


class Asked:
    """A process of `answer_models.py`, and what it says."""

    def __init__(self) -> None:
        argv = [sys.executable, "-P", str(SCRIPTS / "answer_models.py"), "--idle", "60"]
        env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        self._number = 0

    def ask(
        self, models: dict[str, dict[str, str]], prompts: list[Any], **more: Any
    ) -> dict[str, list[dict[str, Any]]]:
        """The events of one request, by name."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self._number += 1
        request = {"number": self._number, "models": [{"name": name, **spec} for name, spec in models.items()]}
        settings = {"max_new_tokens": 40, "temperature": 0.7, "seed": 3, "date": "2026-11-30", "prompts": prompts}
        print(json.dumps({**request, **settings, **more}), file=self.process.stdin, flush=True)
        found: Found = {}
        for line in self.process.stdout:
            if line.startswith("{"):
                event = json.loads(line)
                found.setdefault(event["event"], []).append(event)
                if event["event"] in ("finished", "failed"):
                    return found
        raise AssertionError(f"it ended: {found}")


@pytest.fixture(scope="module")
def models() -> Iterator[Asked]:
    asked = Asked()
    yield asked
    assert asked.process.stdin is not None
    asked.process.stdin.close()  # as when the app is gone
    assert asked.process.wait(LIMIT_SECONDS) == 0


def texts(found: Found, name: str) -> dict[int, str]:
    return {event["index"]: event["text"] for event in found["answer"] if event["model"] == name}


PROMPTS = ["How do I boil rice?", "Why?", "What should I do about a squeaky door?", "How do I clean a kettle?"]
TURNS = [*({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."})]


@needs_training
def test_batched_streamed_and_alone_are_the_same(models: Asked, folder: Path) -> None:
    """Whatever the batch and the order; parts add up to the answers; models that are loaded are not loaded again."""
    both = {
        "reference": {"path": str(folder / "model")},
        "tuned": {"path": str(folder / "model"), "adapter": str(folder / "lora")},
    }
    batched = models.ask(both, PROMPTS)
    assert [phase.get("message") for phase in batched["phase"]] == ["reference", "tuned", None]
    alone = models.ask(both, PROMPTS[::-1], batch_size=1)
    assert "message" not in alone["phase"][0] and not sum(alone["model_memory"][0]["weights"].values())
    for name in both:
        answers = texts(batched, name)
        assert answers == {3 - index: text for index, text in texts(alone, name).items()} and len(answers) == 4
        for index, text in answers.items():
            parts = [
                event["text"] for event in batched["answer_part"] if (event["model"], event["index"]) == (name, index)
            ]
            assert text.startswith("".join(parts).strip())
    assert batched["answer_part"] and texts(batched, "reference") != texts(batched, "tuned")
    # The reference beside an adapter on its weights is the model without it.
    assert texts(models.ask({"reference": both["reference"]}, PROMPTS), "reference") == texts(batched, "reference")
    memory = batched["model_memory"][0]
    assert memory["together"] and 0 < memory["weights"]["tuned"] < memory["weights"]["reference"]


@needs_training
def test_what_makes_answers_hard_to_compare_is_said(models: Asked, folder: Path) -> None:
    """No template on one side, a foreign end token, prompts beyond the context, and NaN."""
    found = models.ask(
        {name: {"path": str(folder / name)} for name in ("model", "untold", "other-end", "nan")},
        ["x " * 2000, "Why?", [*TURNS, {"role": "user", "content": "Why?"}]],
        max_new_tokens=6,
    )
    kinds = {(event["model"], event["kind"]) for event in found["model_notice"]}
    assert kinds == {("untold", "no_template"), ("other-end", "end_token")}
    assert "<|im_end|>" in next(event["text"] for event in found["model_notice"] if event["kind"] == "end_token")
    left_out = {(event["model"], event["index"]): event["reason"] for event in found["answer_left_out"]}
    assert "context 512" in left_out["model", 0] and "NaN" in left_out["nan", 1]
    assert len(left_out) == 6 and len(found["answer"]) == 6


@needs_training
def test_weights_that_are_half_written_are_no_model(models: Asked, folder: Path) -> None:
    """One sentence; the next request is answered."""
    failed = models.ask({"half": {"path": str(folder / "half")}}, ["Why?"])["failed"][0]
    assert "is only partly written" in failed["cause"] and str(folder / "half") in failed["cause"]
    cut = folder / "cut"
    shutil.copytree(folder / "model", cut)
    (cut / "config.json").write_text("{")
    assert "config.json is damaged" in models.ask({"cut": {"path": str(cut)}}, ["Why?"])["failed"][0]["cause"]
    gone = models.ask({"gone": {"path": str(folder / "gone" / "model")}}, ["Why?"])["failed"][0]
    assert "gone" in gone["cause"]
    assert models.ask({"model": {"path": str(folder / "model")}}, ["Why?"])["answer"]


@needs_training
def test_models_that_do_not_fit_together_are_loaded_in_turn(folder: Path) -> None:
    """With less memory than both need, one after the other answers everything; with too little, it is said."""
    found = in_prepared(
        textwrap.dedent(f"""
            import json
            import answer_models, model_memory
            from answering import Asking
            from script_events import WrongInputError
            said = []
            class Lines:
                phase_name = subject = ""
                def phase(self, phase, message=None):
                    said.append([phase, message])
                def emit(self, event, **values):
                    if event in ("answer", "model_memory"):
                        said.append([event, values.get("model") or values["together"]])
            models = [{{"name": name, "path": {str(folder)!r} + "/" + name}} for name in ("model", "untold")]
            asking = Asking(["Why?"], 4, batch_size=2)
            measured = model_memory.needs_of(models, answer_models.Shelf(), asking, lambda path: None)
            between = (measured.needed + measured.least) / 2
            for free in (between, measured.least / 2):
                model_memory._free = lambda device: free - model_memory._process(device)
                try:
                    answer_models.Answerer(Lines(), answer_models.Inbox())._answer(models, asking, 1)
                except WrongInputError as error:
                    said.append(["refused", error.cause])
            print(json.dumps(said))
        """)
    )
    assert [entry for entry in found if entry[0] != "refused"][:7] == [
        ["model_memory", False],
        ["load_model", "model"],
        ["generate", "model"],
        ["answer", "model"],
        ["load_model", "untold"],
        ["generate", "untold"],
        ["answer", "untold"],
    ]
    assert found[-1][0] == "refused" and "needs" in found[-1][1]


@needs_training
def test_the_nucleus_is_that_of_transformers() -> None:
    """The same tokens stay, for sharp and flat distributions, whatever the share."""
    in_prepared(
        """
        import torch
        from answer_rows import nucleus
        from transformers import TopPLogitsWarper
        torch.manual_seed(0)
        for spread in (0.1, 1.0, 5.0):
            scores = torch.randn(16, 4000) * spread
            for share in (0.1, 0.5, 0.95, 0.999):
                theirs = TopPLogitsWarper(top_p=share)(None, scores)
                assert torch.equal(nucleus(scores, share).isinf(), theirs.isinf()), (spread, share)
        print("null")
        """
    )
