"""TRL's script and ours on the same rows: the same tokens and the same losses, step by step.

Where plain TRL cannot read a shape, it gets our export of it. `test_dpo.py` runs the command `trl dpo`, which starts
the same script in a process of its own.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.pairs.opened_set import imported
from smoltui.backends.pairs.set_export import export_set
from smoltui.core.pairs.curation import Curation
from smoltui.core.runs import events
from tests.marks import needs_training
from tests.paths import DEMO
from tests.scripts.running import run, run_path

TEMPLATE = (
    "{{ '/think' if enable_thinking | default(true) else '/no_think' }}"
    "{{ custom_instructions | default('', true) }}"
    "{% for tool in tools or [] %}<tool>{{ tool | tojson }}</tool>{% endfor %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content or '' }}"
    "{% for c in m.tool_calls or [] %}<call>{{ c.function | tojson }}</call>{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Takes tools, and says whether it thinks, as SmolLM3's does."""
QUESTIONS = ("How do I boil an egg?", "Name a river in France.", "What is 7 times 8?", "Is it far?")
GOOD = ("Eight minutes.", "<think>\nA long one.\n</think>\nThe Loire.", "It is 56.", "A mile, by the river.")
BAD = ("Dunno.", "Paris.", "It is 54.", "<think>\nHm.\n</think>\nLook it up.")
THINKING = (False, True, False, True)


def asks(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def says(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def kwargs(on: bool) -> dict[str, Any]:
    """As SmolTalk2 writes them."""
    return {"custom_instructions": None, "enable_thinking": on, "python_tools": None, "xml_tools": None}


def thinking() -> list[dict[str, Any]]:
    """Whole conversations; each row says whether it thinks."""
    return [
        {
            "chosen": [asks(question), says(good)],
            "rejected": [asks(question), says(bad)],
            "chat_template_kwargs": kwargs(on),
        }
        for question, good, bad, on in zip(QUESTIONS, GOOD, BAD, THINKING, strict=True)
    ]


def smoltalk2() -> list[dict[str, Any]]:
    """The same with the prompt as text beside them, which TRL takes for a set without messages."""
    return [{"prompt": question, **row} for question, row in zip(QUESTIONS, thinking(), strict=True)]


def tool_calls() -> list[dict[str, Any]]:
    """One side calls a tool, whose result follows; the other doesn't."""
    zones = ("UTC", "CET", "EST", "JST")
    tool = {"type": "function", "function": {"name": "now", "parameters": {"zone": {"type": "string"}}}}
    return [
        {
            "prompt": [asks(f"What time is it in {zone}?")],
            "chosen": [
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"type": "function", "function": {"name": "now", "arguments": {"zone": zone}}}],
                },
                {"role": "tool", "name": "now", "content": f"10:0{at}"},
                says("It is ten."),
            ],
            "rejected": [says("Who knows.")],
            "tools": [tool],
        }
        for at, zone in enumerate(zones)
    ]


SETS = {
    "thinking": (thinking, True),
    "prompt beside conversations": (smoltalk2, False),
    "tool calls": (tool_calls, True),
}
"""Name → its rows, and whether plain TRL reads them."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(DEMO / "model", tmp_path_factory.mktemp("model") / "model"))
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return folder


def write_recipe(folder: Path, model: Path, pairs: str) -> Path:
    recipe = (DEMO / "recipe.yaml").read_text("utf-8")
    for key, value in (
        ("model_name_or_path", str(model)),
        ("dataset_name", pairs),
        ("eval_strategy", '"no"'),
        ("num_train_epochs", "1\nmax_steps: 4"),
        ("per_device_train_batch_size", "2"),
    ):
        recipe, count = re.subn(rf"(?m)^{key}:.*$", f"{key}: {value}", recipe)
        assert count == 1, key
    path = folder / f"{Path(pairs).name}.yaml"
    path.write_text(recipe, encoding="utf-8")
    return path


def logged(found: list[events.Event]) -> list[dict[str, float]]:
    return [dict(event.values) for event in found if isinstance(event, events.Metrics) and "loss" in event.values]


def trl(recipe: Path) -> list[dict[str, float]]:
    """What TRL's script logs at each step."""
    (packages,) = importlib.util.find_spec("trl").submodule_search_locations  # type: ignore[union-attr, misc]
    script = Path(packages, "scripts", "dpo.py")
    done = run_path(script.parent, [str(script), "--config", recipe.name, "--output_dir", "theirs"])
    assert done.code == 0, done.errors[-2000:]
    reader = events.Reader()
    return logged([event for line in done.output.splitlines() for event in reader.feed(line)])


@needs_training
@pytest.mark.parametrize("name", SETS)
def test_trl_logs_the_same_losses(tmp_path: Path, model: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four steps: loss, rewards and log-probabilities of both sides, and the number of tokens."""
    monkeypatch.chdir(tmp_path)
    rows, trl_reads = SETS[name]
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "train.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows()), encoding="utf-8")
    pairs = "raw"
    if not trl_reads:
        assert export_set(imported(PairsSpec("raw"), tmp_path), Curation(), tmp_path / "exported") is not None
        pairs = "exported"
    ours = run("dpo.py", "--config", write_recipe(tmp_path, model, "raw"), "--output-dir", tmp_path / "ours")
    assert ours.code == 0, ours.errors
    mine, theirs = logged(ours.events), trl(write_recipe(tmp_path, model, pairs))
    assert len(mine) == len(theirs) == 4 and ours.of(events.Planned)[0].train_pairs == len(QUESTIONS)
    for step, (own, other) in enumerate(zip(mine, theirs, strict=True), 1):
        assert own["num_tokens"] == other["num_tokens"], (step, own, other)
        for key in ("loss", "rewards/margins", "logps/chosen", "logps/rejected"):
            assert own[key] == pytest.approx(other[key], rel=5.1e-4, abs=1e-6), (step, key)  # it prints four digits
    assert mine[0]["loss"] != mine[-1]["loss"]
