"""The model card: every figure is the record's, nothing is a gap, and foreign text means nothing."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from smoltui.core.evaluation.figures import Figures
from smoltui.core.evaluation.measurement import Measurement
from smoltui.core.publish.card import card
from smoltui.core.publish.record import Base, Benchmark, BenchmarkRow, Pairs, Record, Vote, Weights

REFERENCE = Figures("reference", pairs=130, answers=120, margin=0.0, prefers_chosen=0.41, gap=-2.51, mean_tokens=20.04)
ALIGNED = Figures(
    "aligned",
    pairs=131,
    answers=121,
    reward_accuracy=0.78,
    reward_accuracy_interval=(0.71, 0.85),
    margin=1.2345,
    margin_interval=(1.1, 1.4),
    chosen_change=-3.25,
    chosen_change_interval=(-4.0, -2.5),
    rejected_change=-15.5,
    rejected_change_interval=(-16.0, -15.0),
    prefers_chosen=0.61,
    prefers_chosen_interval=(0.52, 0.69),
    gap=9.76,
    well_formed_share=0.9,
    mean_tokens=36.43,
    length_ratio=1.82,
)
VOTES = Vote("this model and its reference, on 64 prompts", (("win rate", "60 % (47–71)"), ("ties", "12")), "No claim.")
HARNESS = Benchmark(
    "lighteval 0.13.0",
    ("lighteval==0.13.0", "xxhash<4"),
    (BenchmarkRow("gsm8k|0", "extractive_match", 0.5534, 0.0137, 0.5011, 0.0138), BenchmarkRow("arc|0", "acc", 0.61)),
    settings="thinking off",
    date="2026-11-29",
    dataset="ada/details_ada__m",
)
RECORD = Record(
    name="smollm3-dpo",
    run_id="0a1b2c3d",
    base=Base("HuggingFaceTB/SmolLM3-3B", "HuggingFaceTB/SmolLM3-3B", "ab" * 20, "apache-2.0"),
    pairs=Pairs(
        "Anthropic/hh-rlhf",
        "Anthropic/hh-rlhf",
        "train",
        "cd" * 16,
        9870,
        130,
        {"identical": 3},
        "made from x",
        12,
        4,
        ("10,000 rows", "Length bias: 54.3 %"),
        (("warn", 17, "duplicate pairs"),),
    ),
    recipe="beta: 0.1\n",
    beta=0.1,
    learning_rate="5e-07",
    max_length="512",
    seed="42",
    step=995,
    steps=1000,
    epochs=1.6,
    seconds=3725.0,
    device="cuda (NVIDIA H200)",
    dtype="float32",
    parameters=3_075_098_624,
    trainable=3_075_098_624,
    moved=0.98,
    trained_at="2026-11-28",
    chapter="3",
    template=True,
    thinks=True,
    versions={"trl": "1.16.0"},
    curves={"loss": [(1, 0.7)]},
    measurement=Measurement(1.0, "2026-11-30", 0.1, 7, "ef" * 16, {"torch": "2.13.0"}, REFERENCE, ALIGNED),
    votes=(VOTES,),
    benchmarks=(HARNESS,),
    tool="0.1.0",
)
EMPTY = Record("m", "r", Base("model"), Pairs("pairs"), "", 0.1)
GAPS = ("None", "licence", "More Information Needed", "nan", "<you>")


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def rows(text: str) -> dict[str, list[str]]:
    """The rows of the tables in a part of a card: first cell → the others."""
    found = {}
    for line in text.splitlines():
        if line.startswith("| "):
            label, *cells = [cell.strip() for cell in line.strip("|").split("|")]
            found[label.strip("`")] = cells
    return found


def metadata(text: str) -> dict[str, object]:
    _, head, _ = text.split("---\n", 2)
    found = YAML(typ="safe").load(StringIO(head))
    assert isinstance(found, dict)
    return found


def test_the_metadata_is_what_the_hub_reads() -> None:
    assert metadata(card(RECORD, "ada/m")) == {
        "base_model": "HuggingFaceTB/SmolLM3-3B",
        "base_model_relation": "finetune",
        "datasets": ["Anthropic/hh-rlhf"],
        "library_name": "transformers",
        "license": "apache-2.0",
        "model_name": "smollm3-dpo",
        "pipeline_tag": "text-generation",
        "tags": ["dpo", "preference", "smol-course", "smoltui", "trl"],
    }


@pytest.mark.parametrize("record", [RECORD, EMPTY, replace(RECORD, weights=Weights.ADAPTER, votes=())])
def test_nothing_is_a_gap(record: Record) -> None:
    """What is not known is said in words, or left out of the metadata."""
    text = card(record, "ada/m")
    assert not [gap for gap in GAPS if gap in text]
    assert not [value for value in metadata(text).values() if value in (None, "", [])]


def test_every_figure_of_the_training_is_the_record_s() -> None:
    text = card(RECORD, "ada/m")
    training, pairs = rows(section(text, "Training")), rows(section(text, "Preference pairs"))
    assert training["its commit"] == [f"`{'ab' * 20}`"] and training["steps"] == ["995 of 1,000 (1.6 epochs)"]
    assert training["method"] == ["DPO, loss `sigmoid`, beta 0.1"] and training["learning rate"] == ["5e-07"]
    assert training["parameters"] == ["3,075,098,624, all trained"] and training["weights that changed"] == ["98 %"]
    assert training["longest pair, tokens"] == ["512"] and training["seed"] == ["42"]
    assert training["trained on"] == ["2026-11-28"] and training["smol-course chapter"] == ["3"]
    assert pairs["trained on"] == ["9,870"] and pairs["held out"] == ["130"]
    assert pairs["hash of the rows"] == [f"`{'cd' * 16}`"] and pairs["warn"] == ["17", "duplicate pairs"]
    said = section(text, "Preference pairs")
    assert "12 pairs excluded, 4 swapped" in said and "identical: 3" in said and "54.3 %" in said
    assert "trl 1.16.0" in section(text, "Versions") and "beta: 0.1" in section(text, "Recipe")


def test_every_held_out_figure_is_the_record_s() -> None:
    found = rows(section(card(RECORD, "ada/m"), "Held-out pairs"))
    assert found["reward accuracy"] == ["–", "78 % (71–85)"]
    assert found["reward margin, nats"] == ["0.000", "1.234 (1.100 to 1.400)"]
    assert found["prefers chosen by itself"] == ["41 %", "61 % (52–69)"]
    assert found["log-prob chosen − rejected, nats"] == ["-2.51", "9.76"]
    assert found["change of chosen, nats"] == ["–", "-3.25 (-4.00 to -2.50)"]
    assert found["change of rejected, nats"] == ["–", "-15.50 (-16.00 to -15.00)"]
    assert found["tokens per answer"] == ["20.0", "36.4"] and found["well-formed"] == ["–", "90 %"]
    assert found["held-out pairs / answers"] == ["130 / 120", "131 / 121"]
    assert found["answer length ÷ reference's"] == ["–", "1.82"] and found["template's date"][0] == "2026-11-30"
    text = section(card(RECORD, "ada/m"), "Held-out pairs")
    assert "ef" * 16 in text and "seed 7" in text and "torch 2.13.0" in text


def test_votes_and_benchmarks_are_the_record_s() -> None:
    text = card(RECORD, "ada/m")
    votes, benchmarks = rows(section(text, "Blind votes")), rows(section(text, "Benchmarks"))
    assert votes["win rate"] == ["60 % (47–71)"] and votes["ties"] == ["12"] and "No claim." in text
    assert benchmarks["gsm8k¦0"] == ["`extractive_match`", "0.5011 ± 0.0138", "0.5534 ± 0.0137"]
    assert benchmarks["arc¦0"] == ["`acc`", "–", "0.6100"]
    said = section(text, "Benchmarks")
    assert "xxhash\\<4" in said and "thinking off" in said
    assert "datasets/ada/details_ada__m" in said


def test_figures_of_two_harnesses_are_in_two_tables() -> None:
    other = replace(HARNESS, harness="lm_eval 0.4.13", rows=(BenchmarkRow("gsm8k", "exact_match", 0.3),))
    said = section(card(replace(RECORD, benchmarks=(HARNESS, other)), "ada/m"), "Benchmarks")
    first, second = said.split("### lm\\_eval 0.4.13")
    assert "0.5534" in first and "0.3000" in second and "0.5534" not in second and "### lighteval 0.13.0" in first


def test_a_rehearsal_is_not_published() -> None:
    text = card(replace(RECORD, benchmarks=(replace(HARNESS, rehearsal=True),)), "ada/m")
    assert "0.5534" not in text and "Not measured." in section(text, "Benchmarks")


def test_limits_follow_from_the_figures() -> None:
    """Fewer than 200 pairs, longer answers, both changes negative: each has its sentence."""
    said = section(card(RECORD, "ada/m"), "Limits")
    assert "131 pairs" in said and "1.82 times as long" in said and "became less likely too" in said
    assert "not measured on held-out pairs" in section(card(EMPTY, "ada/m"), "Limits")


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (Weights.FULL, "from transformers import AutoModelForCausalLM, AutoTokenizer"),
        (Weights.MERGED, "from transformers import AutoModelForCausalLM, AutoTokenizer"),
        (Weights.ADAPTER, "from peft import AutoPeftModelForCausalLM"),
    ],
)
def test_how_to_use_is_python(weights: Weights, words: str) -> None:
    """With the template and thinking off; without a template, plain text."""
    text = card(replace(RECORD, weights=weights), "ada/m")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    compile(code, "card", "exec")
    assert words in code and "enable_thinking=False" in code and 'name = "ada/m"' in code
    relation = "adapter" if weights is Weights.ADAPTER else "finetune"
    assert metadata(text)["base_model_relation"] == relation
    assert "merged" in text if weights is Weights.MERGED else True
    plain = card(replace(RECORD, plain_text=True), "ada/m")
    assert "apply_chat_template" not in plain and "without a chat template" in plain


def test_a_base_model_in_a_folder_is_no_link() -> None:
    text = card(EMPTY, "ada/m")
    assert "base_model" not in metadata(text) and "not on the Hub" in text and "curves.png" not in text


def test_figures_that_are_not_finite_are_words() -> None:
    broken = replace(ALIGNED, margin=math.nan, reward_accuracy=None, not_finite=5)
    measured = replace(RECORD.measurement, aligned=broken) if RECORD.measurement else None
    found = rows(section(card(replace(RECORD, measurement=measured), "ada/m"), "Held-out pairs"))
    assert found["reward margin, nats"][1].startswith("NaN") and found["pairs that are not finite"] == ["0", "5"]


hostile = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(hostile, hostile, hostile)
def test_foreign_text_changes_neither_metadata_nor_tables(name: str, reason: str, recipe: str) -> None:
    """Names, reasons and recipes with dashes, bars, markup and escapes: the card still reads as before."""
    record = replace(
        RECORD,
        name=name,
        device=name,
        recipe=recipe,
        pairs=replace(RECORD.pairs, left_out={reason: 1}, origin=reason, findings=(("warn", 1, reason),)),
    )
    text = card(record, "ada/m")
    assert metadata(text)["license"] == "apache-2.0" and "\x1b" not in text and "\u202e" not in text
    assert rows(section(text, "Training"))["seed"] == ["42"]


def test_a_token_in_a_recipe_does_not_reach_the_card() -> None:
    """A push refuses it anyway; the preview hides it."""
    token = "hf_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3h"
    assert token not in card(replace(RECORD, recipe=f"hub_token: {token}\n"), "ada/m")
