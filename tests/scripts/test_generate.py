"""Scores of held-out pairs against DPOTrainer's own, for every form of pairs and setting that changes them."""

from __future__ import annotations

import json
import shutil
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
PREPARED = """
    import contextlib, io, json, torch
    from pathlib import Path
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    import dpo, generate
    from collections import Counter
    folder = Path(FOLDER)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    tokenizer.padding_side = "left"
    def noisy(parameters, seed):
        noise = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weights in parameters:
                weights += 0.02 * torch.randn(weights.shape, generator=noise)
    def model(seed):
        loaded = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32).eval()
        noisy(loaded.parameters() if seed else (), seed)
        return loaded
    def adapted(seed):
        from peft import LoraConfig, get_peft_model
        loaded = get_peft_model(model(0), LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")).eval()
        noisy((weights for name, weights in loaded.named_parameters() if "lora_" in name), seed)
        return loaded
    def saved(model, name):
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
        return str(folder / name)
    class Out(io.StringIO):
        def reconfigure(self, **_): pass
    def asked(*models, pairs, **more):
        # The events of a request, and how often a model was loaded.
        request = folder / "request.json"
        request.write_text(json.dumps({"models": models, "prompts": [], "pairs": pairs, "batch_size": 4, **more}))
        loads, original = [], AutoModelForCausalLM.from_pretrained
        AutoModelForCausalLM.from_pretrained = lambda *args, **given: loads.append(args[0]) or original(*args, **given)
        out = Out()
        with contextlib.redirect_stdout(out):
            code = generate.run_script(generate.main, ["--request", str(request)])
        AutoModelForCausalLM.from_pretrained = original
        said = [json.loads(line) for line in out.getvalue().splitlines() if line.startswith('{"event"')]
        return {"code": code, "loads": len(loads), "events": said}
"""
"""What the tests below run first."""
COMPARED = """
    from trl import DPOConfig, DPOTrainer
    policies = {"full": model(1), "LoRA": adapted(1)}
    base = model(0)
    places = {name: saved(policy, name) for name, policy in policies.items()}
    reference = {"name": "reference", "path": str(folder / "model")}
    specs = {
        "full": {"name": "aligned", "path": places["full"]},
        "LoRA": {"name": "aligned", "path": reference["path"], "adapter": places["LoRA"]},
    }
    found = {}
    for name, case in json.loads((folder / "cases.json").read_text()).items():
        settings, kind = case["settings"], case["policy"]
        rows = dpo.prepare_pairs(Dataset.from_list(case["rows"]), Counter(), thinking_off=lambda: True)
        args = DPOConfig(
            output_dir=str(folder / "out"), beta=0.5, per_device_eval_batch_size=4, use_cpu=True, bf16=False,
            report_to="none", disable_tqdm=True, **settings,
        )
        # The base is given explicitly: an adapter that was loaded is its own reference otherwise.
        trainer = DPOTrainer(
            model=policies[kind], args=args, train_dataset=rows.select([0]), eval_dataset=rows,
            processing_class=tokenizer, ref_model=base,
        )
        theirs = trainer.evaluate()
        ours = asked(
            reference, specs[kind], pairs=case["trained"], max_length=settings.get("max_length", 1024),
            ld_alpha=settings.get("ld_alpha"), keep_end=settings.get("truncation_mode") == "keep_end",
        )
        found[name] = [theirs, ours]
    print(json.dumps(found))
"""


def in_demo(project: Path, code: str) -> Any:
    """The JSON that `code` prints last, with what is prepared above, in the folder of a demo project."""
    return in_prepared(PREPARED.replace("FOLDER", repr(str(project))) + code)


def scores_of(ran: Mapping[str, Any], model: str) -> list[tuple[float, float]]:
    """(chosen, rejected) of each pair, in order."""
    assert ran["code"] == 0, ran["events"]
    events = [event for event in ran["events"] if event["event"] == "pair" and event["model"] == model]
    return [(event["chosen"], event["rejected"]) for event in sorted(events, key=lambda event: event["index"])]


def _messages(row: Row) -> Row:
    return {side: row[side] for side in ("prompt", "chosen", "rejected")}


def _with(kwargs: Mapping[str, Any]) -> Callable[[Row], Row]:
    return lambda row: {**_messages(row), "chat_template_kwargs": kwargs}


def _mixed(row: Row) -> Row:
    """On for some rows, off for the others. TRL fails if the rest of a set with such rows is silent."""
    return _with({"enable_thinking": len(row["prompt"][0]["content"]) % 2 == 1})(row)


def _plain(row: Row) -> Row:
    return {
        "prompt": row["prompt"][0]["content"] + "\n",
        **{side: row[side][0]["content"] for side in ("chosen", "rejected")},
    }


def _transcript(row: Row) -> Row:
    said = row["prompt"][0]["content"]
    return {side: f"\n\nHuman: {said}\n\nAssistant: {row[side][0]['content']}" for side in ("chosen", "rejected")}


SHAPES: dict[str, tuple[Callable[[Row], Row], dict[str, Any], str]] = {
    "silent": (_messages, {}, "full"),
    "thinking on": (_with({"enable_thinking": True}), {}, "full"),
    "thinking off": (_with({"enable_thinking": False}), {}, "full"),
    "mixed": (_mixed, {}, "full"),
    "plain text": (_plain, {}, "full"),
    "transcripts": (_transcript, {}, "full"),
    "answers cut": (_with({"enable_thinking": False}), {"max_length": 40}, "full"),
    "beginnings cut": (_with({"enable_thinking": False}), {"max_length": 40, "truncation_mode": "keep_end"}, "full"),
    "ld_alpha": (_plain, {"ld_alpha": 0.5}, "full"),
    "precomputed": (_messages, {"precompute_ref_log_probs": True}, "full"),
    "LoRA": (_messages, {}, "LoRA"),
    "LoRA, mixed, cut, ld_alpha": (_mixed, {"max_length": 40, "ld_alpha": 0.5}, "LoRA"),
    "LoRA, transcripts, precomputed": (_transcript, {"precompute_ref_log_probs": True}, "LoRA"),
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo project, with its untrained model."""
    return create_project(tmp_path_factory.mktemp("generate") / "demo", "demo").folder


def held_out(demo: Path) -> list[Row]:
    lines = (demo / "pairs" / "test.jsonl").read_text("utf-8").splitlines()[:COUNT]
    return [json.loads(line) for line in lines]


@needs_training
def test_scores_are_those_of_the_trainer(demo: Path, tmp_path: Path) -> None:
    """Margin, accuracy and both mean log-probabilities, whatever the rows look like; an adapter is one load."""
    cases = {}
    for name, (shape, settings, policy) in SHAPES.items():
        path = tmp_path / f"{name}.jsonl"
        shaped = [shape(row) for row in held_out(demo)]
        path.write_text("".join(f"{json.dumps(row)}\n" for row in shaped), "utf-8")
        cases[name] = {
            "rows": shaped,
            "trained": as_trained(open_pairs(path), COUNT),
            "settings": settings,
            "policy": policy,
        }
    assert len({json.dumps(row.get("chat_template_kwargs")) for row in cases["mixed"]["rows"]}) == 2
    (demo / "cases.json").write_text(json.dumps(cases))
    for name, (theirs, ours) in in_demo(demo, COMPARED).items():
        policy, reference = scores_of(ours, "aligned"), scores_of(ours, "reference")
        assert len(policy) == len(reference) == COUNT, name
        margins = [0.5 * ((p[0] - r[0]) - (p[1] - r[1])) for p, r in zip(policy, reference, strict=True)]
        assert sum(margins) / COUNT == pytest.approx(theirs["eval_rewards/margins"], abs=1e-3), name
        assert sum(margin > 0 for margin in margins) / COUNT == theirs["eval_rewards/accuracies"], name
        for side, key in enumerate(("chosen", "rejected")):
            mean = sum(pair[side] for pair in policy) / COUNT
            assert mean == pytest.approx(theirs[f"eval_logps/{key}"], abs=1e-3), name
        assert ours["loads"] == (1 if name.startswith("LoRA") else 2), name


@needs_training
def test_the_same_model_twice_has_no_margin(demo: Path) -> None:
    """Chosen and rejected of each pair are exactly as likely under both."""
    pairs = [_messages(row) for row in held_out(demo)]
    ran = in_demo(
        demo,
        f"""
    models = [{{"name": name, "path": str(folder / "model")}} for name in ("reference", "aligned")]
    print(json.dumps(asked(*models, pairs={pairs!r})))
    """,
    )
    both = zip(scores_of(ran, "reference"), scores_of(ran, "aligned"), strict=True)
    margins = [(p[0] - r[0]) - (p[1] - r[1]) for r, p in both]
    assert len(margins) == COUNT and max(map(abs, margins)) <= 1e-6


DATED = "{{ strftime_now('%d %B %Y') }}{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}"
REUSED = """
    import datetime
    from transformers.utils import chat_template_utils
    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return clock
    pairs = PAIRS
    (folder / "model" / "chat_template.jinja").write_text(TEMPLATE)
    places = [saved(model(1), "aligned"), saved(adapted(1), "lora")]
    for place in places:
        Path(place, "chat_template.jinja").write_text(TEMPLATE)
    base = {"name": "reference", "path": str(folder / "model")}
    full = {"name": "aligned", "path": places[0]}
    lora = {"name": "aligned", "path": base["path"], "adapter": places[1]}
    values = str(folder / "values")
    found = {}
    def run(name, models=(base, full), day="2026-11-29", today=29, pairs=pairs, **more):
        global clock
        clock = datetime.datetime(2026, 11, today)
        chat_template_utils.datetime = Clock
        found[name] = asked(*models, pairs=pairs, date=day, reference_values=values, **more)
    run("first")
    run("again")
    run("another clock", today=30)
    run("no date", day=None, today=29)
    run("LoRA", models=(base, lora))
    run("date", day="2026-11-30")
    run("pairs", pairs=pairs[:-1])
    run("max_length", max_length=60)
    run("keep_end", max_length=60, keep_end=True)
    run("ld_alpha", ld_alpha=0.5)
    run("batch size", batch_size=3)
    run("answers too", prompts=["Hello?"], max_new_tokens=2)
    Path(places[0], "chat_template.jinja").write_text(TEMPLATE + "x")
    run("template")
    Path(places[0], "chat_template.jinja").write_text(TEMPLATE)
    weights = folder / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes())
    run("written again")
    run("written again, again")
    for file in Path(values).iterdir():
        file.write_text(file.read_text()[:-9])
    run("damaged")
    print(json.dumps(found))
"""


@needs_training
def test_reference_values_are_reused_if_nothing_differs(demo: Path, tmp_path: Path) -> None:
    """Model, tokens (pairs, template, date, cuts) and how they are scored: whatever differs, it is scored again.

    With the same frozen date, the day of the clock changes nothing; two dates give two figures.
    """
    project = shutil.copytree(demo, tmp_path / "demo")
    pairs = [_messages(row) for row in held_out(demo)[:4]]
    found = in_demo(project, REUSED.replace("PAIRS", repr(pairs)).replace("TEMPLATE", repr(DATED)))
    reused = {
        name: {event.get("scored_at") is not None for event in ran["events"] if event.get("model") == "reference"}
        for name, ran in found.items()
    }
    again = {"again", "another clock", "no date", "LoRA", "answers too", "written again, again"}
    assert {name for name, kept in reused.items() if True in kept} == again
    first = {model: scores_of(found["first"], model) for model in ("reference", "aligned")}
    for name in ("again", "another clock", "written again", "damaged"):
        assert {model: scores_of(found[name], model) for model in first} == first, name
    for name in ("LoRA", "no date"):
        assert scores_of(found[name], "reference") == first["reference"], name
    for name in ("date", "max_length", "keep_end", "ld_alpha", "template"):
        other = scores_of(found[name], "reference")
        assert len(other) == 4 and other != first["reference"], name
    assert found["first"]["loads"] == 2 and found["again"]["loads"] == 1 and found["answers too"]["loads"] == 2
    files = list((project / "values").iterdir())
    assert len(files) == 9 and all(file.suffix == ".json" and not file.stat().st_mode & 0o077 for file in files)


BROKEN = """
    import shutil
    def broken(name, change):
        place = Path(shutil.copytree(folder / "model", folder / name))
        change(place)
        return place
    def half(path, cut=1000):
        path.write_bytes(path.read_bytes()[:-cut])
    base = {"name": "reference", "path": str(folder / "model")}
    lora = saved(adapted(1), "lora-half")
    half(Path(lora, "adapter_model.safetensors"))
    from safetensors.torch import load_file, save_file
    def lacking(place):
        weights = load_file(place / "model.safetensors")
        weights.pop(next(name for name in weights if "mlp" in name))
        save_file(weights, place / "model.safetensors", {"format": "pt"})
    sharded = lambda place: (
        (place / "model.safetensors").rename(place / "model-00001-of-00002.safetensors"),
        (place / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {
            "a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}})),
    )
    ways = {
        "without": lambda place: (place / "model.safetensors").unlink(),
        "half": lambda place: half(place / "model.safetensors"),
        "empty": lambda place: (place / "model.safetensors").write_bytes(b""),
        "noise": lambda place: (place / "model.safetensors").write_bytes(b"abc" * 1000),
        "shard": sharded,
        "lacking": lacking,
        "no template": lambda place: (place / "chat_template.jinja").unlink(),
        "no config": lambda place: (place / "config.json").unlink(),
        "bad config": lambda place: half(place / "config.json", 10),
        "no tokenizer": lambda place: [file.unlink() for file in place.glob("tokenizer*")],
    }
    models = {name: {"name": "aligned", "path": str(broken(name, change))} for name, change in ways.items()}
    models["gone"] = {"name": "aligned", "path": str(broken("gone", shutil.rmtree))}
    models["adapter"] = {"name": "aligned", "path": base["path"], "adapter": lora}
    found = {}
    for name, spec in models.items():
        messages = name == "no template"
        pair = MESSAGES if messages else {"prompt": "a", "chosen": "b", "rejected": "c"}
        ran = asked(base, spec, pairs=[pair])
        found[name] = [ran["code"], ran["events"][-1]["cause"].replace(str(folder) + "/", "")]
    found["reference"] = asked({**base, "path": str(folder / "nowhere")}, base, pairs=[pair])["events"][-1]["cause"]
    print(json.dumps(found))
"""


@needs_training
def test_weights_that_cannot_be_used_get_a_sentence(demo: Path, tmp_path: Path) -> None:
    """Missing, half-written or damaged: which folder, and what is wrong with it."""
    project = shutil.copytree(demo, tmp_path / "demo")
    found = in_demo(project, BROKEN.replace("MESSAGES", repr(_messages(held_out(demo)[0]))))
    assert found.pop("reference") == f"The model no longer exists: {project / 'nowhere'}"
    assert {code for code, _ in found.values()} == {2}
    wanted = {
        "without": "its folder has no weights: without",
        "half": "model.safetensors is only partly written: ",
        "empty": "model.safetensors is empty: empty",
        "noise": "model.safetensors is damaged: noise",
        "shard": "model-00002-of-00002.safetensors is missing: shard",
        "lacking": "1 tensors are missing (such as model.layers.0.mlp",
        "no template": "The model has no chat template, and these pairs are conversations: no template",
        "no config": "its folder has no config.json: no config",
        "bad config": "config.json is damaged: bad config",
        "no tokenizer": "its folder has no tokenizer: no tokenizer",
        "gone": "The model no longer exists: gone",
        "adapter": "adapter_model.safetensors is only partly written: ",
    }
    assert found.keys() == wanted.keys()
    for name, part in wanted.items():
        assert part in found[name][1], found[name]
    assert found["adapter"][1].endswith(": lora-half")
