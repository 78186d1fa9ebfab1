"""Scores of held-out pairs against DPOTrainer's own, for every form of pairs and setting that changes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.data_files.source import open_pairs
from smoltui.backends.evaluation.held_out import as_trained
from smoltui.backends.project.new_project import create_project
from tests.marks import needs_training
from tests.scripts.running import in_prepared

Row = Mapping[str, Any]
COUNT = 8
COMPARED = """
    import json, torch
    from pathlib import Path
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer
    import dpo, generate
    from collections import Counter
    folder = Path(FOLDER)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    tokenizer.padding_side = "left"
    def model(seed):
        loaded = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32).eval()
        noise = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weights in loaded.parameters() if seed else ():
                weights += 0.02 * torch.randn(weights.shape, generator=noise)
        return loaded
    policy, reference = model(1), model(0)
    class Said:
        def emit(self, event, **values):
            self.scores.append(values)
    found = {}
    for name, case in json.loads((folder / "cases.json").read_text()).items():
        settings = case["settings"]
        rows = dpo.prepare_pairs(Dataset.from_list(case["rows"]), Counter(), thinking_off=lambda: True)
        args = DPOConfig(
            output_dir=str(folder / "out"), beta=0.5, per_device_eval_batch_size=4, use_cpu=True, bf16=False,
            report_to="none", disable_tqdm=True, **settings,
        )
        trainer = DPOTrainer(
            model=policy, args=args, train_dataset=rows.select([0]), eval_dataset=rows, processing_class=tokenizer,
            ref_model=reference,
        )
        theirs = trainer.evaluate()
        request = generate.Request(
            models=[], prompts=[], pairs=case["trained"], batch_size=4, max_length=settings.get("max_length", 1024),
            ld_alpha=settings.get("ld_alpha"), keep_end=settings.get("truncation_mode") == "keep_end",
        )
        both = []
        for each in (policy, reference):
            said = Said()
            said.scores = []
            generate.score(said, each.eval(), tokenizer, request, "x")
            both.append(sorted(said.scores, key=lambda values: values["index"]))
        found[name] = [theirs, both]
    print(json.dumps(found))
"""


def _messages(row: Row) -> Row:
    return {side: row[side] for side in ("prompt", "chosen", "rejected")}


def _with(kwargs: Mapping[str, Any]) -> Callable[[Row], Row]:
    return lambda row: {**_messages(row), "chat_template_kwargs": kwargs}


def _plain(row: Row) -> Row:
    return {
        "prompt": row["prompt"][0]["content"] + "\n",
        **{side: row[side][0]["content"] for side in ("chosen", "rejected")},
    }


def _transcript(row: Row) -> Row:
    said = row["prompt"][0]["content"]
    return {side: f"\n\nHuman: {said}\n\nAssistant: {row[side][0]['content']}" for side in ("chosen", "rejected")}


SHAPES: dict[str, tuple[Callable[[Row], Row], dict[str, Any]]] = {
    "silent": (_messages, {}),
    "thinking on": (_with({"enable_thinking": True}), {}),
    "thinking off": (_with({"enable_thinking": False}), {}),
    "plain text": (_plain, {}),
    "transcripts": (_transcript, {}),
    "answers cut": (_with({"enable_thinking": False}), {"max_length": 40}),
    "beginnings cut": (_with({"enable_thinking": False}), {"max_length": 40, "truncation_mode": "keep_end"}),
    "ld_alpha": (_plain, {"ld_alpha": 0.5}),
    "precomputed": (_messages, {"precompute_ref_log_probs": True}),
}


@needs_training
def test_scores_are_those_of_the_trainer(tmp_path: Path) -> None:
    """Margin, accuracy and both mean log-probabilities, whatever the rows look like."""
    project = create_project(tmp_path / "demo", "demo").folder
    rows = [json.loads(line) for line in (project / "pairs" / "test.jsonl").read_text("utf-8").splitlines()[:COUNT]]
    cases = {}
    for name, (shape, settings) in SHAPES.items():
        path = tmp_path / f"{name}.jsonl"
        shaped = [shape(row) for row in rows]
        if name == "thinking on":
            shaped[0] = {**shaped[0], "chat_template_kwargs": {"enable_thinking": False}}
        path.write_text("".join(f"{json.dumps(row)}\n" for row in shaped), "utf-8")
        cases[name] = {"rows": shaped, "trained": as_trained(open_pairs(path), COUNT), "settings": settings}
    (project / "cases.json").write_text(json.dumps(cases))
    for name, (theirs, (policy, reference)) in in_prepared(COMPARED.replace("FOLDER", repr(str(project)))).items():
        assert len(policy) == COUNT, name
        gains = [
            {side: ours[side] - base[side] for side in ("chosen", "rejected")}
            for ours, base in zip(policy, reference, strict=True)
        ]
        margins = [0.5 * (gain["chosen"] - gain["rejected"]) for gain in gains]
        assert sum(margins) / COUNT == pytest.approx(theirs["eval_rewards/margins"], abs=1e-3), name
        assert sum(margin > 0 for margin in margins) / COUNT == theirs["eval_rewards/accuracies"], name
        for side in ("chosen", "rejected"):
            mean = sum(ours[side] for ours in policy) / COUNT
            assert mean == pytest.approx(theirs[f"eval_logps/{side}"], abs=1e-3), name


@needs_training
def test_the_date_of_a_template_is_the_one_of_the_request() -> None:
    """SmolLM3's template writes today's date into every prompt: figures of two days would differ without a reason."""
    first, second = (
        in_prepared(
            f"""
            import json, generate
            from transformers.utils.chat_template_utils import render_jinja_template
            generate.freeze_date({date!r})
            template = "{{{{ strftime_now('%d %B %Y') }}}}"
            print(json.dumps(render_jinja_template([[{{"role": "user", "content": "x"}}]], chat_template=template)[0]))
            """
        )
        for date in ("2026-11-29", "2027-01-01")
    )
    assert (first, second) == (["29 November 2026"], ["01 January 2027"])
