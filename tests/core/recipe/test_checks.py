"""The recipe: its fields, what is wrong with one, what it comes to, the command by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.recipe import (
    BY_KEY,
    FIELDS,
    GONE,
    Level,
    applied,
    check,
    checks,
    command,
    epochs_of,
    field_for,
    finding,
    is_ok,
    near,
    parse,
    rows_of,
    show,
    show_number,
    snapshot,
    summarise,
)
from smoltui.core.recipe.fix import repository
from smoltui.core.runs.place import Target
from smoltui.core.settings.settings import JobSettings
from tests.paths import PACKAGE

SCRIPT = PACKAGE / "scripts" / "recipe_keys.py"

GOOD: dict[str, Any] = {
    "model_name_or_path": "HuggingFaceTB/SmolLM3-3B",
    "datasets": [{"path": "Anthropic/hh-rlhf", "split": "train[:1000]"}],
    "logging_nan_inf_filter": False,
    "learning_rate": 5e-7,
}


def said(values: dict[str, Any], **more: Any) -> str:
    return "\n".join(f"{item.level} {item.key}: {item.sentence} | {item.next_step}" for item in check(values, **more))


@pytest.mark.slow
def test_the_stored_keys_are_those_of_the_installed_trl() -> None:
    """What the app calls an unknown key is one that TRL refuses, and nothing else."""
    if find_spec("trl") is None:
        pytest.skip("TRL is not installed here (the train extra), so the stored keys cannot be compared with it")
    asked = subprocess.run(
        [sys.executable, str(SCRIPT)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )
    stored = json.loads((SCRIPT.parents[1] / "core" / "recipe" / "keys.json").read_text(encoding="utf-8"))
    assert json.loads(asked.stdout) == stored
    assert len(snapshot().keys) == 167


def test_every_field_is_one_of_trls_keys_with_help_and_source() -> None:
    for field in FIELDS:
        key = snapshot().keys[field.key]
        assert field.help.endswith(".") and field.label and field.source, field.key
        assert key.choices == field.choices or field.kind == "list", field.key
        assert (field.kind == "choice") == bool(key.choices), field.key
        assert (
            not (field.default is not None and field.kind not in ("datasets", "list"))
            or parse(field, show(field, field.default)) == field.default
        ), field.key
    assert not set(GONE) & set(snapshot().keys)


def test_a_good_recipe_has_nothing_said_about_it() -> None:
    assert check(GOOD) == []
    assert check(GOOD | {"bf16": False}, has_bf16=False) == []
    assert check(GOOD | {"push_to_hub": True, "hub_model_id": "me/x"}, target=Target.JOB) == []


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"max_prompt_length": 512}, "stop max_prompt_length: TRL 1.16.0 no longer has max_prompt_length"),
    ({"max_prompt_length": 512}, "max_length limits prompt and answer together"),
    ({"warmup_ratio": 0.1}, "Write the same share as warmup_steps"),
    ({"torch_dtype": "bfloat16"}, "Write dtype instead"),
    ({"rpo_alpha": 1.0}, "loss_type: [sigmoid, sft]"),
    ({"overwrite_output_dir": True}, "stop overwrite_output_dir"),
    ({"label_pad_token_id": -100}, "stop label_pad_token_id"),
    ({"group_by_length": True}, "train_sampling_strategy: group_by_length"),
    ({"gradient_checkpointing": True}, "warn gradient_checkpointing: gradient_checkpointing is called activation"),
    ({"truncation_mode": "keep_end"}, "warn truncation_mode"),
    ({"lerning_rate": 1}, "no such key: lerning_rate | Did you mean learning_rate"),
    ({"max-steps": 1}, "stop max-steps: Keys are written with underscores"),
    ({"flavor": "a100-large"}, "stop flavor: TRL 1.16.0 has no such key"),
    ({"num_processes": 2}, "warn num_processes: Only trl dpo reads num_processes"),
    ({"env": {"HF_TOKEN": "x"}}, "stop env: A secret does not belong in a recipe"),
    ({"hub_token": "hf_x"}, "stop hub_token: A token does not belong in a recipe"),
    ({"trust_remote_code": True}, "code of the model's repository runs on this machine, with your permissions"),
    ({"model_init_kwargs": {"trust_remote_code": True}}, "warn trust_remote_code: Python code"),
    ({"beta": 0}, "stop beta: beta: beta 0 keeps the loss at ln 2 forever"),
    ({"beta": -0.1}, "a negative beta trains towards the rejected answers"),
    ({"beta": [0.1]}, "stop beta: beta: write a number, not a list"),
    ({"beta": "a lot"}, "stop beta: beta: write a number, not 'a lot'"),
    ({"max_steps": 2.5}, "stop max_steps: max_steps: write a whole number, not 2.5"),
    ({"max_steps": 0}, "stop max_steps: max_steps: 0 still trains one step"),
    ({"max_steps": -5}, "stop max_steps"),
    ({"label_smoothing": 0.5}, "stop label_smoothing: label_smoothing: write from 0 below 0.5, not 0.5"),
    ({"logging_steps": 2.5}, "values above 1 are a number of steps"),
    ({"per_device_train_batch_size": 0}, "stop per_device_train_batch_size"),
    ({"seed": None}, "stop seed: seed: no value"),
    ({"bf16": 1}, "stop bf16: bf16: write true or false, not 1"),
    ({"save_strategy": "sometimes"}, "stop save_strategy: save_strategy: unknown choice: sometimes"),
    ({"loss_type": "dpo"}, "unknown loss: dpo"),
    ({"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0]}, "loss_weights has 1 weights for 2 losses"),
    ({"loss_type": "exo_pair"}, "exo_pair needs label smoothing"),
    ({"dtype": "bfloat16"}, "stop dtype: Weights in bfloat16 hardly move at a learning rate of 5e-7"),
    ({"dtype": "auto"}, "warn dtype"),
    ({"model_init_kwargs": {"dtype": "bfloat16"}}, "stop dtype"),
    ({"use_peft": True}, "stop lora_target_modules: PEFT has no default target modules for SmolLM3"),
    ({"lora_r": 8}, "warn lora_r: lora_r has no effect"),
    ({"activation_offloading": True, "use_cpu": True}, "stop activation_offloading: Activation offloading needs"),
    ({"test_split_size": 0.1}, "warn test_split_size: TRL splits without a seed"),
    ({"eval_strategy": "steps"}, "stop eval_strategy"),
    ({"logging_nan_inf_filter": True}, "warn logging_nan_inf_filter"),
    ({"report_to": "trackio", "push_to_hub": True, "hub_model_id": "me/x"}, "warn report_to"),
    ({"push_to_hub": True, "hub_model_id": "<you>/smollm3-dpo"}, "stop hub_model_id: hub_model_id is still"),
    ({"push_to_hub": True, "hub_model_id": "your-username/x"}, "stop hub_model_id"),
    ({"push_to_hub": True, "hub_model_id": "a/b/c"}, "stop hub_model_id: Not a valid repository name"),
    ({"push_to_hub": True}, "warn hub_model_id"),
    ({"model_name_or_path": "HuggingFaceTB/SmolLM3-3B-Instruct"}, "There is no such model"),
    ({"model_name_or_path": None}, "stop model_name_or_path: The recipe has no model"),
    ({"datasets": []}, "stop datasets: The recipe has no pairs"),
    ({"datasets": [{"path": "pairs.jsonl"}]}, "Write path: json and data_files: pairs.jsonl"),
    ({"datasets": [{"split": "train"}]}, "source 1 of datasets has no path"),
    ({"datasets": [{"path": "x", "spilt": "train"}]}, "a key that TRL does not know: spilt"),
    ({"datasets": None, "dataset_name": "pairs.jsonl"}, "dataset_name takes a Hub id or a folder"),
    ({"dataset_name": "x"}, "warn dataset_name"),
    ({"streaming": True}, "stop max_steps: A stream of pairs has no length"),
    ({"bf16": True, "fp16": True}, "stop fp16: bf16 and fp16 are both on"),
]


@pytest.mark.parametrize(("more", "expected"), MISTAKES)
def test_each_mistake_gets_one_sentence_and_what_to_write(more: dict[str, Any], expected: str) -> None:
    """The key, what is wrong, and the next step, before anything is loaded or paid for."""
    found = said(GOOD | more)
    assert expected in found
    for one in check(GOOD | more):
        assert "\n" not in one.sentence and one.key


@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize("more", [more for more, _ in MISTAKES], ids=str)
def test_each_mistake_is_fixed_with_enter(more: dict[str, Any], target: Target) -> None:
    """Every finding has a fix. One that writes ends its finding, says what it writes, and never leads in a circle; any
    other opens a field, or the file where there is no field."""
    values, seen = GOOD | more, []
    for _ in range(10):
        found = check(values, target=target, has_bf16=True)
        fixes = [item.fix for item in found if item.fix is not None]
        assert len(fixes) == len(found) and all(fix.words for fix in fixes)
        assert all(fix.writes or field_for(fix.edit).kind != "file" or fix.file for fix in fixes)
        item = next((item for item in found if item.fix is not None and item.fix.writes), None)
        if item is None or item.fix is None:
            break
        values = applied(values, item.fix.for_account("me"))
        assert (item.key, item.sentence) not in seen
        seen.append((item.key, item.sentence))
        assert item.sentence not in [left.sentence for left in check(values, target=target, has_bf16=True)], values
    else:
        pytest.fail(f"the fixes never end: {seen}")


def test_the_words_of_a_fix_say_what_is_written_and_deleted() -> None:
    (found,) = [item for item in check(GOOD | {"warmup_ratio": 0.1}) if item.key == "warmup_ratio"]
    assert found.fix is not None and found.fix.words == "write warmup_steps: 0.1; delete warmup_ratio"
    placeholder = {"push_to_hub": True, "hub_model_id": "<you>/mine"}
    (found,) = check(GOOD | placeholder)
    assert found.fix is not None and found.fix.needs_account
    assert found.fix.for_account("alice").words == "write hub_model_id: alice/mine"


@pytest.mark.parametrize(
    ("name", "folder", "made"),
    [
        ("<you>/mine", "", "<account>/mine"),
        ("<you>", "runs/a b", "<account>/you"),
        (None, "runs/a b/", "<account>/a-b"),
        (None, None, "<account>/smollm3-dpo-aligned"),
        ("you/..", "x", "<account>/smollm3-dpo-aligned"),
    ],
)
def test_a_repository_of_my_own_keeps_the_name(name: object, folder: object, made: str) -> None:
    assert repository(name, folder) == made


def test_code_of_strangers_in_a_job_has_a_token() -> None:
    assert "in the Job, with a token that can write" in said({**GOOD, "trust_remote_code": True}, target=Target.JOB)
    assert "trust_remote_code" not in said({**GOOD, "model_init_kwargs": {"revision": "main"}})


def test_the_device_and_the_target_matter() -> None:
    """bf16 stops it on a machine that cannot; a Job that pushes nothing is warned about."""
    assert "stop bf16: TRL turns on bf16 by default" in said(GOOD, has_bf16=False)
    assert check(GOOD | {"use_cpu": True}, has_bf16=False) == []
    assert check(GOOD, has_bf16=None) == []
    assert "warn push_to_hub: push_to_hub is off: a Job's disk is deleted" in said(GOOD, target=Target.JOB)
    lora = GOOD | {"model_name_or_path": "./mine", "use_peft": True}
    assert is_ok(check(lora)) and not is_ok(check(lora, model_type="smollm3"))


def test_the_gravest_comes_first_and_a_wrong_value_is_said_once() -> None:
    found = check(GOOD | {"logging_nan_inf_filter": True, "beta": -1, "use_peft": "perhaps"})
    assert [item.level for item in found] == sorted((item.level for item in found), key=list(Level).index, reverse=True)
    assert [item.key for item in found].count("beta") == 1


def test_texts_that_trl_makes_numbers_of_are_fine() -> None:
    """TRL's parser converts texts: 5e-7 in quotes is a number to it."""
    assert check(GOOD | {"learning_rate": "5e-7", "max_steps": "50", "bf16": "true"}) == []


@given(
    st.dictionaries(
        st.sampled_from([*snapshot().keys, "nonsense", "env"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.lists(st.integers() | st.text(max_size=4) | st.none(), max_size=3)
        | st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
        max_size=6,
    )
)
def test_no_recipe_whatever_breaks_the_checks(values: dict[str, Any]) -> None:
    """A half-typed or mangled file gets findings and sums, never a crash."""
    check(GOOD | values, target=Target.JOB)
    assert summarise(GOOD | values).sentence
    for key, value in values.items():
        show(field_for(key), value)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("learning_rate", "5e-7", 5e-7),
        ("max_steps", " 1000 ", 1000),
        ("max_steps", "-1", -1),
        ("warmup_steps", "0.1", 0.1),
        ("warmup_steps", "100", 100),
        ("bf16", "yes", True),
        ("save_strategy", "no", "no"),
        ("loss_type", "sigmoid, sft", ["sigmoid", "sft"]),
        ("lora_target_modules", "all-linear", "all-linear"),
        ("run_name", "first try", "first try"),
        ("datasets", "Anthropic/hh-rlhf train[:1000]", [{"path": "Anthropic/hh-rlhf", "split": "train[:1000]"}]),
        (
            "datasets",
            "my/pairs.jsonl.gz + a/b test",
            [{"path": "json", "data_files": "my/pairs.jsonl.gz", "split": "train"}, {"path": "a/b", "split": "test"}],
        ),
    ],
)
def test_what_is_typed_becomes_a_value_and_is_shown_again_the_same(key: str, text: str, value: Any) -> None:
    assert parse(BY_KEY[key], text) == value
    assert type(parse(BY_KEY[key], text)) is type(value)
    assert parse(BY_KEY[key], show(BY_KEY[key], value)) == value


@pytest.mark.parametrize(
    ("key", "text", "sentence"),
    [
        ("learning_rate", "5e", "write a number, such as 5e-7"),
        ("learning_rate", "-1", "write above 0 to 1, not -1"),
        ("learning_rate", "nan", "write a finite number"),
        ("beta", "0", "beta 0 keeps the loss at ln 2"),
        ("max_steps", "ten", "write a whole number"),
        ("bf16", "maybe", "write true or false"),
        ("lr_scheduler_type", "cos", "write one of cosine, cosine_with_restarts"),
        ("loss_type", "dpo", "unknown loss: dpo"),
        ("hub_model_id", "<you>/x", "write your own user name"),
        ("hub_model_id", "me/x y", "write owner/name"),
        ("datasets", "", "write a Hub id or a file"),
    ],
)
def test_what_is_typed_wrong_is_said_at_once(key: str, text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse(BY_KEY[key], text)
    assert sentence in str(raised.value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_shown_short_and_exact(value: float) -> None:
    assert float(show_number(value)) == value


def test_what_a_recipe_comes_to() -> None:
    """Steps, epochs and pairs a step of the course's two runs."""
    job = {
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 8,
        "max_steps": 1000,
        "warmup_steps": 100,
        "save_steps": 250,
        "save_total_limit": 2,
        "datasets": [{"path": "x", "split": "train[:10000]"}],
    }
    found = summarise(job)
    assert found.sentence == "16 pairs per step · 1,000 steps · 1.6 epochs of 10,000 pairs"
    assert (found.warmup, found.checkpoints, epochs_of(job)) == (100, 2, 1.6)
    by_epochs = {"per_device_train_batch_size": 3, "gradient_accumulation_steps": 2, "num_train_epochs": 2}
    assert summarise(by_epochs, rows=10).steps == 4  # four batches, two steps a pass
    assert summarise(by_epochs | {"warmup_steps": 0.5}, rows=10).warmup == 2
    assert summarise(by_epochs).steps is None and "steps unknown" in summarise(by_epochs).sentence
    assert rows_of({"datasets": [{"split": "train[100:250]"}, {"split": "test[:50]"}]}) == 200
    assert rows_of({"datasets": [{"split": "train"}]}) is None


def test_the_command_by_hand_is_quoted_and_holds_only_what_differs() -> None:
    assert command(Target.LOCAL) == "trl dpo --config recipe.yaml"
    jobs = command(Target.JOB, script="/a b/dpo.py", beside=["/a b/pair_format.py"], jobs=JobSettings())
    assert jobs == (
        "hf jobs uv run --flavor a100-large --timeout 3h --secrets HF_TOKEN "
        "'/a b/dpo.py' --config recipe.yaml --beside '/a b/pair_format.py'"
    )
    more = command(Target.JOB, jobs=JobSettings(namespace="org", labels={"a": "b"}), ships_project=True)
    assert "--namespace org --label a=b -v .:/project:ro" in more and more.endswith("--work-dir /project")
    assert "--config=" not in jobs  # the client would look for a file of that whole name


def test_near_names_help_with_a_slip() -> None:
    assert near("learning-rate")[0] == "learning_rate"
    assert near("zzzz") == []


@pytest.mark.parametrize("odd", [1e400, -1e400, float("nan"), 10**18, -(10**18), 1e308, "9" * 400, "9" * 5000, "1e400"])
def test_numbers_beyond_all_measure(odd: object) -> None:
    """Whatever key holds one: it is found or passed over, and the sums are made without it."""
    for key in snapshot().keys:
        values = {"datasets": [{"path": "a/b", "split": "train[:100]"}], key: odd}
        for target in Target:
            check(values, target=target)
        assert summarise(values).sentence
        if key in BY_KEY:
            with suppress(ValueError):
                parse(BY_KEY[key], str(odd))
    assert rows_of({"datasets": [{"split": f"train[:{'9' * 5000}]"}]}) is None


def test_a_rule_is_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees values of the right type, TRL's defaults and the target, and never a key that is already wrong."""
    rules = list(finding.RULES)
    monkeypatch.setattr(finding, "RULES", rules)
    monkeypatch.setattr(checks, "RULES", rules)
    seen: list[finding.Recipe] = []

    @finding.rule
    def seed(recipe: finding.Recipe) -> Iterator[finding.Finding]:
        seen.append(recipe)
        yield finding.Finding("seed", Level.WARN, "a seed")
        yield finding.Finding("beta", Level.STOP, "not reached: the key is wrong already")

    found = check({**GOOD, "seed": "5", "beta": "much"}, target=Target.JOB)
    assert finding.Finding("seed", Level.WARN, "a seed") in found and "not reached" not in str(found)
    (recipe,) = seen
    assert (recipe.given("seed"), recipe.given("beta"), recipe.get("beta")) == (5, None, 0.1)
    assert recipe.target == Target.JOB and not recipe.is_quantized
