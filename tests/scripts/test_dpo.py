"""The training script and the script that asks models, each in a process of its own."""

from __future__ import annotations

import ast
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError

from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.pairs.curated import open_source
from smoltui.core.evaluation.figures import ALIGNED, REFERENCE, Tally
from smoltui.core.runs import events
from smoltui.core.settings.settings import parse_settings
from smoltui.scripts.pair_format import content_hash
from tests.marks import needs_training
from tests.paths import PACKAGE
from tests.scripts.running import Ran, in_prepared, in_scripts, run, run_alone

ROOT = PACKAGE
SCRIPTS, PROJECT = ROOT / "scripts", ROOT / "demo" / "project"

BETA = 0.5
"""The demo recipe's."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT, tmp_path / "project"))


def ask(folder: Path, models: list[dict[str, str]], **more: Any) -> Ran:
    request = folder / "request.json"
    settings = parse_settings(tomllib.loads((PROJECT / "smoltui.toml").read_text("utf-8"))).evaluation
    whole = {
        "models": models,
        "max_new_tokens": settings.max_new_tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "seed": 0,
        "thinking": False,
        "batch_size": 16,
        "max_length": 256,
        **more,
    }
    request.write_text(json.dumps(whole), encoding="utf-8")
    return run("generate.py", "--request", request)


def held_out(count: int | None = None) -> list[dict[str, Any]]:
    lines = (PROJECT / "pairs" / "test.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines[:count]]


class TestWriterAndReader:
    """What the scripts write is what `core/runs/events.py` reads: every name, every field."""

    def test_every_event_a_script_emits_is_known_with_all_its_fields(self) -> None:
        emitted = set()
        for path in SCRIPTS.glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "emit":
                    if not (node.args and isinstance(node.args[0], ast.Constant)):
                        continue
                    name = str(node.args[0].value)
                    emitted.add(name)
                    known = {field.name for field in fields(events.EVENTS[name])}
                    assert {word.arg for word in node.keywords if word.arg} <= known, (path.name, node.lineno)
        said_by_the_engine = {"stage", "log", "gap"}
        assert emitted == set(events.EVENTS) - said_by_the_engine

    def test_what_the_writer_writes_the_reader_reads_back(self) -> None:
        """NaN, an infinity and text in any script survive; each line is strict JSON and starts at column 0."""
        lines = in_scripts(
            """
            import contextlib, io, json, sys
            from script_events import Lines
            class Out(io.StringIO):
                def reconfigure(self, **_): pass
            out, real = Out(), sys.stdout
            sys.stdout = out
            lines = Lines()
            lines.phase("train", "größer ↵")
            lines.phase("train")
            lines.emit("metrics", step=3, values={"loss": float("nan"), "grad_norm": float("inf"), "a/b": 0.5})
            lines.emit("plan", max_steps=4, left_out={"no_prompt": 2}, versions={"trl": "1"}, epochs=1.5)
            lines.failed("broken", "fix it")
            sys.stdout = real
            print(json.dumps(out.getvalue().splitlines()))
            """
        )
        reader = events.Reader()
        found = [event for line in lines if line for event in reader.feed(line)]
        assert all(line.startswith('{"event"') for line in lines if line)
        for line in filter(None, lines):
            json.loads(line, parse_constant=lambda name: pytest.fail(f"bare {name}"))
        phase, metrics, plan, failed = found
        assert isinstance(phase, events.PhaseChanged) and phase.message == "größer ↵" and phase.at is not None
        assert isinstance(metrics, events.Metrics) and metrics.step == 3
        assert str(metrics.values["loss"]) == "nan" and metrics.values["grad_norm"] == float("inf")
        assert isinstance(plan, events.Planned) and plan.left_out == {"no_prompt": 2} and plan.epochs == 1.5
        assert isinstance(failed, events.Failed) and (failed.cause, failed.hint) == ("broken", "fix it")

    def test_only_one_of_several_processes_speaks(self) -> None:
        code = 'from script_events import Lines; Lines().emit("progress", step=1); print("null")'
        assert in_scripts(f"import os; os.environ['RANK'] = '1'\n{code}") is None

    def test_the_scripts_import_light(self) -> None:
        """Reading the script loads none of the training packages: a wrong flag is reported immediately."""
        heavy = in_scripts(
            """
            import json, sys
            import dpo, generate
            print(json.dumps(sorted({"torch", "trl", "transformers", "datasets", "smoltui"} & set(sys.modules))))
            """
        )
        assert heavy == []


def torch_s(code: int) -> BaseException:
    """torch.save's error after the system's."""
    try:
        try:
            raise OSError(code, os.strerror(code))
        finally:
            raise RuntimeError("unexpected pos 564544 vs 564432")
    except RuntimeError as error:
        return error


class TestExplanations:
    """Each failure in one sentence, with the next step."""

    @pytest.fixture
    def explain(self) -> Any:
        sys.path.insert(0, str(SCRIPTS))
        try:
            import script_events
        finally:
            sys.path.remove(str(SCRIPTS))
        return script_events.explain

    @pytest.mark.parametrize(
        ("error", "phase", "cause", "hint", "code"),
        [
            (MemoryError(), "train", "This machine ran out of memory", "per_device_train_batch_size", 1),
            (
                RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
                "train",
                "memory",
                "use_peft",
                1,
            ),
            (type("OutOfMemoryError", (RuntimeError,), {})("CUDA"), "train", "The accelerator ran out", "Job", 1),
            (OSError(errno.ENOSPC, "No space left on device"), "save", "The disk is full", "Free some space", 1),
            (RuntimeError("unexpected pos 564544 vs 564432"), "train", "The disk is full", "save_only_model", 1),
            (torch_s(errno.EDQUOT), "save", "The disk quota is used up", "Free some space", 1),
            (ModuleNotFoundError("No module named 'trl'", name="trl"), "", "missing: trl", "smoltui[train]", 1),
            (RuntimeError("TrackioCallback requires trackio to be installed."), "load_model", "missing", "train", 1),
            (FileNotFoundError("x"), "load_pairs", "The pairs were not found: some/set", "owner/name", 2),
            (ConnectionError("Couldn't reach"), "load_pairs", "The pairs were not found: some/set", "network", 2),
            (OSError("We couldn't connect"), "load_model", "The model was not found: some/set", "owner/name", 2),
            (OSError("You are trying to access a gated repo."), "load_model", "gated", "Request access", 2),
            (ValueError("bad loss"), "tokenize", "The recipe cannot be used: bad loss", "recipe.yaml", 2),
            (TemplateError("No system role"), "tokenize", "rejects a conversation", "audit in the Pairs room", 2),
            (RuntimeError("boom\nmore"), "train", "RuntimeError: boom", "log", 1),
            (RuntimeError("502"), "push", "could not be pushed to the Hub: 502", "hf upload", 1),
            (ConnectionError("HTTP error (403 Forbidden)"), "push", "The Hub denied access", "hf auth login", 1),
            (
                FileExistsError(errno.EEXIST, "File exists", "/m"),
                "",
                "cannot be used (File exists): /m",
                "output_dir",
                2,
            ),
            (OSError(errno.EROFS, "Read-only", "/m"), "save", "cannot be used (Read-only): /m", "output_dir", 2),
            (ConnectionError("no route"), "tokenize", "The Hub could not be reached: no route", "network", 1),
        ],
    )
    def test_cause_and_next_step(
        self, explain: Any, error: Exception, phase: str, cause: str, hint: str, code: int
    ) -> None:
        told, next_step, exit_code = explain(error, phase, "some/set")
        assert cause in told and "\n" not in told
        assert hint in next_step
        assert exit_code == code

    def test_a_folder_that_datasets_takes_for_a_pattern_is_named(
        self, explain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """My project is below `old[1]`: I read that the name is the reason, not that my pairs are gone."""
        folder = tmp_path / "old[1]"
        folder.mkdir()
        monkeypatch.chdir(folder)
        told, next_step, exit_code = explain(FileNotFoundError("x"), "load_pairs", "pairs")
        assert "old[1]" in told and "Rename" in next_step and exit_code == 2

    def test_a_misleading_row_number_is_left_out(self, explain: Any) -> None:
        """Arrow's `row 1` is the second line of a block; `smoltui pairs` names the line."""
        error = type("DatasetGenerationError", (Exception,), {})("An error occurred")
        error.__cause__ = ValueError("JSON parse error: Missing a comma in row 1")
        told, next_step, _ = explain(error, "load_pairs", "pairs")
        assert told == "The pairs cannot be read: JSON parse error: Missing a comma" and "smoltui pairs" in next_step


@needs_training
class TestWrongInput:
    """One clear sentence, exit code 2, and nothing on the disk has changed."""

    def test_a_removed_key_is_named_with_what_is_near_to_it(self, project: Path) -> None:
        recipe = project / "recipe.yaml"
        recipe.write_text(recipe.read_text("utf-8") + "max_prompt_length: 512\n", "utf-8")
        ran = run("dpo.py", "--config", recipe)
        assert ran.code == 2
        assert "max_prompt_length" in ran.failure.cause and "max_length" in ran.failure.hint
        assert not (project / "aligned").exists()

    def test_a_model_in_the_output_folder_is_not_overwritten(self, project: Path) -> None:
        (project / "aligned").mkdir()
        (project / "aligned" / "config.json").write_text("{}")
        ran = run("dpo.py", "--config", project / "recipe.yaml")
        assert ran.code == 2
        assert str(project / "aligned") in ran.failure.cause and "--overwrite" in ran.failure.hint
        assert (project / "aligned" / "config.json").read_text() == "{}"

    def test_pairs_that_are_not_there(self, project: Path) -> None:
        ran = run("dpo.py", "--config", project / "recipe.yaml", "--dataset_name", "nowhere")
        assert ran.code == 2
        assert ran.failure.cause == "The pairs were not found: nowhere"

    def test_rows_that_are_no_pairs_are_counted_by_reason(self, project: Path) -> None:
        (project / "pairs" / "train.jsonl").write_text('{"prompt": "a", "completion": "b", "label": true}\n' * 3)
        (project / "pairs" / "test.jsonl").write_text('{"prompt": "a", "completion": "b", "label": true}\n')
        ran = run("dpo.py", "--config", project / "recipe.yaml")
        assert ran.code == 2
        assert "None of the 3 rows" in ran.failure.cause and "unpaired (3)" in ran.failure.cause

    def test_no_recipe_is_told_at_once(self, tmp_path: Path) -> None:
        ran = run("dpo.py", "--config", tmp_path / "none.yaml")
        assert ran.code == 2 and "none.yaml" in ran.failure.cause

    def test_a_request_that_asks_no_model(self, tmp_path: Path) -> None:
        ran = ask(tmp_path, [])
        assert ran.code == 2 and ran.failure.cause == "The request has no model"


@needs_training
class TestPreparedPairs:
    """What becomes of rows before TRL sees them."""

    def test_transcripts_become_conversations_without_thinking_and_the_rest_is_counted(self) -> None:
        pairs = in_prepared(
            """
            import json
            from collections import Counter
            from datasets import Dataset
            import dpo
            from pair_format import content_hash
            say = lambda asked, said: f"\\n\\nHuman: {asked}\\n\\nAssistant:{said}"
            pair = lambda asked, one, two: {"chosen": say(asked, one), "rejected": say(asked, two)}
            good, other = pair("Hi", " I can help.", " I can't."), pair("Yo", " Yes.", " No.")
            empty = pair("Hi", "", " No.")
            left_out = Counter()
            rows = Dataset.from_list([good, empty, other])
            excluded = frozenset({content_hash(other)})
            made = dpo.prepare_pairs(rows, left_out, excluded=excluded, thinking_off=lambda: True)
            print(json.dumps({"rows": made.to_list(), "left_out": left_out}))
            """
        )
        assert pairs["left_out"] == {"empty answer": 1, "excluded": 1}
        assert pairs["rows"] == [
            {
                "prompt": [{"role": "user", "content": "Hi"}],
                "chosen": [{"role": "assistant", "content": "I can help."}],
                "rejected": [{"role": "assistant", "content": "I can't."}],
                "chat_template_kwargs": {"enable_thinking": False},
            }
        ]

    def test_arguments_of_the_template_that_only_some_rows_have(self) -> None:
        """Such a JSONL file has nulls in the others once it is read, on which DPOTrainer fails."""
        made = in_prepared(
            """
            import json, tempfile
            from collections import Counter
            from pathlib import Path
            from datasets import load_dataset
            import dpo
            turn = lambda role, said: [{"role": role, "content": said}]
            pair = {"prompt": turn("user", "Hi"), "chosen": turn("assistant", "A"), "rejected": turn("assistant", "B")}
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "p.jsonl")
                rows = [{**pair, "chat_template_kwargs": {"enable_thinking": False}}, pair]
                path.write_text("".join(json.dumps(row) + "\\n" for row in rows))
                rows = load_dataset("json", data_files=str(path), split="train", cache_dir=folder)
                made = dpo.prepare_pairs(rows, Counter(), thinking_off=lambda: True)
            print(json.dumps(made.to_list()))
            """
        )
        assert [row["chat_template_kwargs"] for row in made] == [{"enable_thinking": False}, {}]
        assert made[1]["chosen"] == [{"role": "assistant", "content": "A"}]

    def test_rows_in_trls_own_form_are_handed_on_untouched(self) -> None:
        same, hashes = in_prepared(
            """
            import json
            from collections import Counter
            from datasets import Dataset
            import dpo, pair_format
            names = ("prompt", "chosen", "rejected")
            rows = Dataset.from_list([dict(zip(names, "abc")), dict(zip(names, "def"))])
            same = dpo.prepare_pairs(rows, Counter()) is rows
            message = lambda text: [{"role": "user", "content": text}]
            explicit = {"prompt": message("a"), "chosen": message("b"), "rejected": message("c")}
            doubled = {**explicit, "chosen": message("a") + message("b"), "rejected": message("a") + message("c")}
            is_trl_form = lambda row: pair_format.is_trl_form(pair_format.examine(row), row)
            print(json.dumps([same, [is_trl_form(explicit), is_trl_form(doubled)]]))
            """
        )
        assert same is True
        assert hashes == [True, False]

    def test_a_row_says_itself_how_its_template_is_filled(self) -> None:
        """SmolLM3's own preference data: thinking on in one row, off in the next, silent in a third."""
        rows = in_prepared(
            """
            import json
            from collections import Counter
            from datasets import Dataset
            import dpo
            turns = lambda text: [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": text}]
            row = lambda kwargs: {
                "prompt": "Hi", "chosen": turns("Yes."), "rejected": turns("No."), "chat_template_kwargs": kwargs
            }
            asked = [{"enable_thinking": True, "xml_tools": None}, {"enable_thinking": False, "xml_tools": None}, None]
            rows = Dataset.from_list([row(kwargs) for kwargs in asked])
            made = dpo.prepare_pairs(rows, Counter(), thinking_off=lambda: True)
            print(json.dumps(made["chat_template_kwargs"][:]))
            """
        )
        assert [row["enable_thinking"] for row in rows] == [True, False, False]

    def test_tools_reach_the_trainer_as_the_row_has_them(self) -> None:
        """No call gets the arguments of another one as nulls, and offered tools stay what they are."""
        rows = in_prepared(
            """
            import json
            from collections import Counter
            from datasets import Dataset
            import dpo
            def row(name, arguments):
                call = {"type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
                return {
                    "prompt": [{"role": "user", "content": "What time is it?"}],
                    "chosen": json.dumps([
                        {"role": "assistant", "content": None, "tool_calls": [call]},
                        {"role": "tool", "name": name, "content": "10:00"},
                        {"role": "assistant", "content": "Ten."},
                    ]),
                    "rejected": json.dumps([{"role": "assistant", "content": "Who knows."}]),
                    "tools": json.dumps([{"type": "function", "function": {"name": name}}]),
                }
            rows = Dataset.from_list([row("now", {}), row("at", {"city": "Rome"})])
            print(json.dumps(dpo.prepare_pairs(rows, Counter()).to_list()))
            """
        )
        calls = [row["chosen"][0]["tool_calls"][0]["function"] for row in rows]
        assert calls == [{"name": "now", "arguments": {}}, {"name": "at", "arguments": {"city": "Rome"}}]
        assert [row["tools"][0]["function"]["name"] for row in rows] == ["now", "at"]
        assert [turn["role"] for turn in rows[0]["chosen"]] == ["assistant", "tool", "assistant"]

    def test_rows_are_judged_as_in_the_app(self) -> None:
        """Also in TRL's own form: what the room calls unusable is not trained on, and nothing is wrapped twice."""
        kept, left_out, wrapped = in_prepared(
            """
            import json
            from collections import Counter
            from datasets import Dataset
            import dpo, pair_format
            names = ("prompt", "chosen", "rejected")
            left_out = Counter()
            rows = Dataset.from_list([dict(zip(names, row)) for row in ("abc", ("a", "", "c"), ("", "b", "c"), "def")])
            kept = dpo.prepare_pairs(rows, left_out).to_list()
            templated = "<|im_start|>user\\na<|im_end|>\\n<|im_start|>assistant\\n"
            odd = Dataset.from_list([dict(zip(names, row)) for row in ("abc", (templated, "b", "c"))])
            print(json.dumps([kept, left_out, dpo.prepare_pairs(odd, Counter())["prompt"][:]]))
            """
        )
        assert [row["prompt"] for row in kept] == ["a", "d"]
        assert left_out == {"empty answer": 1, "no prompt": 1}
        assert wrapped == [[{"role": "user", "content": "a"}]] * 2

    def test_trl_sees_the_same_tokens_in_the_raw_rows(self) -> None:
        """Thinking on in one row and off in the next, whole conversations; and a set that calls tools."""
        for name, (theirs, ours) in in_prepared(
            """
            import json
            from collections import Counter
            from types import SimpleNamespace
            from datasets import Dataset
            from transformers import AutoTokenizer
            from trl import DPOConfig, DPOTrainer
            import dpo
            user = {"role": "user", "content": "What time is it?"}
            says = lambda text: {"role": "assistant", "content": text}
            whole = lambda text: [user, says(text)]
            thinking = [
                {"chosen": whole("<think>\\nHm.\\n</think>\\nTen."), "rejected": whole("No idea."),
                 "chat_template_kwargs": {"enable_thinking": on, "custom_instructions": None}}
                for on in (True, False)
            ]
            call = {"type": "function", "function": {"name": "now", "arguments": {"zone": "UTC"}}}
            calls = {"role": "assistant", "content": "", "tool_calls": [call]}
            result = {"role": "tool", "name": "now", "content": "10:00"}
            tools = [{
                "prompt": [user], "chosen": [calls, result, says("Ten.")], "rejected": [says("No idea.")],
                "tools": [{"type": "function", "function": {"name": "now", "description": "The time."}}],
            }]
            tokenizer = AutoTokenizer.from_pretrained(MODEL)
            tokenizer.chat_template = (
                "{{ '/think' if enable_thinking | default(true) else '/no_think' }}"
                "{% for tool in tools or [] %}<tool>{{ tool | tojson }}</tool>{% endfor %}"
                "{% for m in messages %}<|im_start|>{{ m.role }}\\n{{ m.content }}"
                "{% for c in m.tool_calls or [] %}<call>{{ c.function | tojson }}</call>{% endfor %}<|im_end|>\\n"
                "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\\n{% endif %}"
            )
            def tokens(rows):
                trainer = SimpleNamespace(_tokenizer=tokenizer)
                args = DPOConfig(bf16=False, use_cpu=True)
                done = DPOTrainer._prepare_dataset(trainer, rows, tokenizer, args, "train")
                return [[row[name] for name in ("prompt_ids", "chosen_ids", "rejected_ids")] for row in done]
            found = {}
            for name, rows in (("thinking", thinking), ("tools", tools)):
                rows = Dataset.from_list(rows)
                made = dpo.prepare_pairs(rows, Counter(), thinking_off=lambda: True)
                found[name] = [tokens(rows), tokens(made)]
            print(json.dumps(found))
            """.replace("MODEL", repr(str(PROJECT / "model")))
        ).items():
            assert theirs == ours, name
            assert theirs[0] != theirs[-1] or name == "tools"

    def test_one_row_may_be_several_pairs_or_none(self) -> None:
        rows, left_out = in_prepared(
            """
            import json
            from collections import Counter
            from datasets import Dataset
            import dpo
            left_out = Counter()
            several = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": ["c", "d"]}])
            answers = {"prompt": "a", "response_a": "b", "response_b": "c"}
            won = [{**answers, "winner": word} for word in ("model_b", "tie")]
            made = [*dpo.prepare_pairs(several, left_out), *dpo.prepare_pairs(Dataset.from_list(won), left_out)]
            said = [[row[side][0]["content"] for side in ("chosen", "rejected")] for row in made]
            print(json.dumps([said, left_out]))
            """
        )
        assert rows == [["b", "c"], ["b", "d"], ["c", "b"]]
        assert left_out == {"tie": 1}

    def test_the_script_keeps_exactly_the_pairs_of_the_room(self) -> None:
        """Every published shape: as `datasets` reads its rows, the same pairs in the same order, compared by hash."""
        folder = ROOT.parents[1] / "shared" / "cases" / "pairs" / "shapes"
        if not folder.is_dir():
            pytest.skip(f"the published shapes are not here: {folder}")
        paths = sorted(path for path in folder.glob("*.jsonl") if path.stem not in ("kto", "rlaifv"))
        kept = in_prepared(
            f"""
            import json
            from collections import Counter
            from datasets import Dataset
            import dpo
            from pair_format import content_hash
            found = {{}}
            for path in {[str(path) for path in paths]!r}:
                rows = Dataset.from_list([json.loads(line) for line in open(path, encoding="utf-8")])
                try:
                    found[path] = [content_hash(row) for row in dpo.prepare_pairs(rows, Counter())]
                except dpo.WrongInputError:
                    found[path] = []
            print(json.dumps(found))
            """
        )
        for path in paths:
            pairs = open_source(PairsSpec(str(path)), folder).pairs()
            assert kept[str(path)] == [digest for pair, digest, _ in pairs if pair.problem is None], path.name
        assert sum(map(bool, kept.values())) > 35

    def test_the_moved_share_counts_changed_weights(self) -> None:
        none, half = in_prepared(
            """
            import json, torch, dpo
            model = torch.nn.Linear(4, 8, bias=False)
            before = dpo.weights_sample(model)
            none = dpo.share_moved(before, model)
            with torch.no_grad():
                model.weight[:4] += 1
            print(json.dumps([none, dpo.share_moved(before, model)]))
            """
        )
        assert (none, half) == (0.0, 0.5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """The demo, trained once as the app trains it: by a Python of its own."""
    home = tmp_path_factory.mktemp("trained")
    folder = Path(shutil.copytree(PROJECT, home / "project"))
    env = {"HOME": str(home), "HF_HOME": str(home / "hf")}  # this fixture lives longer than the tests' own home
    return folder, run_alone("dpo.py", "--config", folder / "recipe.yaml", env=env)


@pytest.fixture(scope="module")
def measured(trained: tuple[Path, Ran]) -> Ran:
    """Reference and aligned model on the held-out pairs: scores, and one sampled answer to each prompt."""
    folder, _ = trained
    models = [
        {"name": REFERENCE, "path": str(folder / "model")},
        {"name": ALIGNED, "path": str(folder / "aligned")},
    ]
    return ask(folder, models, prompts=[row["prompt"] for row in held_out()], pairs=held_out())


@needs_training
class TestTheDemo:
    """The demo truly aligns its model."""

    def test_it_tells_what_it_does_from_start_to_end(self, trained: tuple[Path, Ran]) -> None:
        folder, ran = trained
        assert ran.code == 0, ran.errors
        phases = [event.phase for event in ran.of(events.PhaseChanged)]
        assert phases == ["load_pairs", "load_model", "tokenize", "train", "evaluate", "save"]
        (plan,) = ran.of(events.Planned)
        assert plan.train_pairs >= 640 and plan.held_out_pairs == 64 and plan.left_out == {}
        assert (plan.dtype, plan.device, plan.beta) == ("float32", "cpu", BETA)
        assert plan.output_dir == str(folder / "aligned") and plan.trainable == plan.parameters > 100_000
        assert {"trl", "torch", "transformers"} <= plan.versions.keys()
        splits = [(folder / "pairs" / f"{split}.jsonl").read_text("utf-8").splitlines() for split in ("train", "test")]
        keys = [[f"{content_hash(json.loads(line))}\n" for line in lines] for lines in splits]
        assert plan.pairs_hash == hashlib.sha256("".join([*keys[0], "--\n", *keys[1]]).encode()).hexdigest()[:32]
        (finished,) = ran.of(events.Finished)
        assert finished.step == finished.max_steps == plan.max_steps and finished.seconds > 0
        assert ran.events[-1] == finished
        (saved,) = ran.of(events.ModelSaved)
        assert (Path(saved.path) / "model.safetensors").is_file()
        (moved,) = ran.of(events.WeightsMoved)
        assert moved.share > 0.99
        steps = [event.step for event in ran.of(events.Progress)]
        assert steps == sorted(set(steps)) and steps[-1] == plan.max_steps
        logged = [event for event in ran.of(events.Metrics) if "loss" in event.values]
        assert len(logged) == plan.max_steps and logged[0].values["loss"] == pytest.approx(0.6931, abs=1e-3)

    def test_held_out_reward_accuracy(self, trained: tuple[Path, Ran]) -> None:
        """At least 95 % of the held-out pairs have a positive margin at the last step."""
        *_, last = [event for event in trained[1].of(events.Metrics) if "eval_loss" in event.values]
        assert last.step == trained[1].of(events.Planned)[0].max_steps
        assert last.values["eval_rewards/accuracies"] >= 0.95

    def test_the_answers_change_their_manner_and_stay_well_formed(self, measured: Ran) -> None:
        assert measured.code == 0, measured.errors
        settings = parse_settings(tomllib.loads((PROJECT / "smoltui.toml").read_text("utf-8"))).evaluation
        tally = Tally(beta=BETA, manner=settings.manner)
        for event in measured.events:
            tally.add(event)
        reference, aligned = tally.figures(REFERENCE), tally.figures(ALIGNED)
        assert reference.answers == aligned.answers == 64
        assert reference.manner_share is not None and 0.35 <= reference.manner_share <= 0.65
        assert aligned.manner_share is not None and aligned.manner_share >= 0.90
        assert min(reference.well_formed_share or 0, aligned.well_formed_share or 0) >= 0.95

    def test_its_margins_are_those_that_trl_measured(self, trained: tuple[Path, Ran], measured: Ran) -> None:
        """Implicit rewards from our log-probabilities agree with eval_rewards/* of DPOTrainer."""
        *_, last = [event for event in trained[1].of(events.Metrics) if "eval_loss" in event.values]
        scores = {(event.model, event.index): event for event in measured.of(events.PairScored)}
        count = len(held_out())
        assert len(scores) == 2 * count
        for side in ("chosen", "rejected"):
            gains = [getattr(scores[ALIGNED, i], side) - getattr(scores[REFERENCE, i], side) for i in range(count)]
            assert BETA * sum(gains) / count == pytest.approx(last.values[f"eval_rewards/{side}"], abs=1e-3)
            logps = sum(getattr(scores[ALIGNED, i], side) for i in range(count)) / count
            assert logps == pytest.approx(last.values[f"eval_logps/{side}"], abs=1e-2)

    def test_answers_can_be_had_again_and_batches_change_none(self, trained: tuple[Path, Ran]) -> None:
        """The same seed generates the same answers, in a batch or one by one; another seed different ones."""
        folder, _ = trained
        prompts = [row["prompt"] for row in held_out(6)] + ["hello"]
        model = [{"name": ALIGNED, "path": str(folder / "aligned")}]
        batch, single, other = (
            ask(folder, model, prompts=prompts, pairs=[], batch_size=size, seed=seed)
            for size, seed in ((8, 3), (1, 3), (8, 4))
        )
        texts = [{event.index: event.text for event in ran.of(events.Answered)} for ran in (batch, single, other)]
        assert len(texts[0]) == 7 and texts[0] == texts[1] != texts[2]
        for ran in (batch, single):
            assert not ran.of(events.AnswerPart)
            assert all(event.ended and event.tokens > 0 and "<|" not in event.text for event in ran.of(events.Answered))

    def test_an_answer_cut_by_the_token_limit_has_not_ended(self, trained: tuple[Path, Ran]) -> None:
        folder, _ = trained
        model = [{"name": ALIGNED, "path": str(folder / "aligned")}]
        ran = ask(folder, model, prompts=["How do I cook rice?"], pairs=[], max_new_tokens=4, temperature=0)
        (answer,) = ran.of(events.Answered)
        assert (answer.ended, answer.tokens) == (False, 4)


@needs_training
def test_trl_itself_runs_the_recipe_unchanged_and_measures_the_same(project: Path) -> None:
    """`trl dpo --config recipe.yaml` in the project folder: the held-out figures are ours, here after five steps."""
    recipe = project / "recipe.yaml"
    recipe.write_text(recipe.read_text("utf-8") + "\nmax_steps: 5\n", "utf-8")
    ours = run("dpo.py", "--config", recipe, "--output-dir", project / "ours")
    assert ours.code == 0, ours.errors
    trl = subprocess.run(
        [sys.executable, "-m", "trl.cli.main", "dpo", "--config", "recipe.yaml"],
        capture_output=True,
        text=True,
        cwd=project,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )
    assert trl.returncode == 0, trl.stderr[-2000:]
    reader = events.Reader()
    theirs = [event for line in trl.stdout.splitlines() for event in reader.feed(line)]
    found = [event.values for event in theirs if isinstance(event, events.Metrics) and "eval_loss" in event.values]
    assert len(found) == 1
    *_, last = [event for event in ours.of(events.Metrics) if "eval_loss" in event.values]
    for name in ("eval_loss", "eval_rewards/margins", "eval_rewards/accuracies", "eval_logps/chosen"):
        assert found[0][name] == pytest.approx(last.values[name], rel=2e-3), name


@needs_training
def test_an_adapter_is_trained_saved_and_asked(project: Path) -> None:
    """LoRA: only the adapter is trained and saved, and it is put on its model again to be asked."""
    out = project / "adapter"
    lora = ("--use_peft", "--lora_target_modules", "all-linear", "--lora_r", "4", "--max_steps", "3")
    ran = run("dpo.py", "--config", project / "recipe.yaml", "--output-dir", out, "--learning_rate", "1e-2", *lora)
    assert ran.code == 0, ran.errors
    (plan,) = ran.of(events.Planned)
    assert 0 < plan.trainable < plan.parameters / 4
    assert (out / "adapter_config.json").is_file() and not (out / "model.safetensors").exists()
    base = str(project / "model")
    models = [{"name": REFERENCE, "path": base}, {"name": ALIGNED, "path": base, "adapter": str(out)}]
    asked = ask(project, models, prompts=["How do I cook rice?"], pairs=held_out(2))
    assert asked.code == 0, asked.errors
    scores = {(event.model, event.index): event.chosen for event in asked.of(events.PairScored)}
    assert len(scores) == 4 and scores[REFERENCE, 0] != scores[ALIGNED, 0]


@needs_training
def test_freed_memory_is_returned_when_memory_is_short(tmp_path: Path) -> None:
    """Less is available than was taken at most; without such figures, as on other systems, nothing is changed."""
    (tmp_path / "system").write_text("MemTotal: 900 kB\nMemAvailable: 300 kB\n")
    (tmp_path / "less").write_text("Name: python\nVmHWM:\t 200 kB\n")
    (tmp_path / "more").write_text("Name: python\nVmHWM:\t 301 kB\n")
    said = in_prepared(f"""
import json, pathlib, freed_memory
place = pathlib.Path({str(tmp_path)!r})
short = [freed_memory.is_memory_short(place / system, place / own)
         for system, own in (("system", "less"), ("system", "more"), ("absent", "more"), ("more", "system"))]
saver, asked = freed_memory.memory_saver(), []
freed_memory.is_memory_short = lambda: asked.append(1) or len(asked) == 2
for _ in range(4):
    saver.on_step_end(None, None, None)
print(json.dumps([short, len(asked)]))
""")
    assert said == [[False, True, False, False], 2 if sys.platform == "linux" else 0]
