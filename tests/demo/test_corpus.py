"""The demo's pairs: what they promise, and that the script which made them still makes them."""

from __future__ import annotations

import itertools
import json
import random
import re
import struct
import tomllib
from pathlib import Path
from typing import Any

import pytest

from smoltui.core.evaluation.figures import manner_of, read_prompts, well_formed
from smoltui.core.settings.settings import Manner, Settings, parse_settings
from smoltui.demo import corpus, make_demo

PROJECT = Path(make_demo.__file__).parent / "project"


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (PROJECT / "pairs" / f"{name}.jsonl").read_text("utf-8").splitlines()]


def sentences(text: str) -> set[str]:
    return {part.strip().casefold() for part in re.split(r"(?<=[.!?])\s+", text) if part.strip()}


def prompt_of(row: dict[str, Any]) -> str:
    return " ".join(message["content"] for message in row["prompt"])


@pytest.fixture(scope="module")
def settings() -> Settings:
    return parse_settings(tomllib.loads((PROJECT / "smoltui.toml").read_text("utf-8")))


@pytest.fixture(scope="module")
def manner(settings: Settings) -> Manner:
    assert settings.evaluation.manner is not None
    return settings.evaluation.manner


class TestPairs:
    def test_there_are_enough_and_each_prompt_comes_once(self) -> None:
        train, test = rows("train"), rows("test")
        assert len(train) >= 640 and len(test) >= 64
        prompts = [prompt_of(row) for row in train + test]
        assert len(set(prompts)) == len(prompts)

    def test_they_are_in_trls_conversational_form_with_thinking_off(self) -> None:
        for row in rows("train") + rows("test"):
            assert [message["role"] for message in row["prompt"]] == ["user"]
            assert [message["role"] for message in row["chosen"] + row["rejected"]] == ["assistant", "assistant"]
            assert row["chat_template_kwargs"] == {"enable_thinking": False}

    def test_held_out_prompts_share_no_sentence_with_training_prompts(self) -> None:
        trained = set[str]().union(*(sentences(prompt_of(row)) for row in rows("train")))
        held_out = set[str]().union(*(sentences(prompt_of(row)) for row in rows("test")))
        assert not trained & held_out

    def test_what_the_model_was_taught_before_holds_no_held_out_sentence_either(self) -> None:
        draw = make_demo.examples(random.Random(3), corpus.curt)
        taught = set[str]().union(*(sentences(prompt) for prompt, _ in itertools.islice(draw, 20_000)))
        held_out = set[str]().union(*(sentences(prompt_of(row)) for row in rows("test")))
        assert not {text.rstrip("?.!") for text in taught} & {text.rstrip("?.!") for text in held_out}

    def test_the_judge_tells_every_chosen_answer_from_every_rejected_one(self, manner: Manner) -> None:
        for row in rows("train") + rows("test"):
            chosen, rejected = row["chosen"][0]["content"], row["rejected"][0]["content"]
            assert manner_of(chosen, manner), chosen
            assert not manner_of(rejected, manner), rejected
            assert well_formed(chosen, ended=True), chosen
            assert well_formed(rejected, ended=True), rejected

    def test_chosen_answers_hold_what_was_asked_for(self) -> None:
        asked = {item.prompt: item for side in (corpus.TRAINING, corpus.HELD_OUT) for item in corpus.prompts(side)}
        useful = 0
        for row in rows("train") + rows("test"):
            if (item := asked.get(prompt_of(row))) is not None and item.thing is not None:
                answer = row["chosen"][0]["content"].casefold()
                assert item.thing.first.casefold() in answer and item.thing.second.casefold() in answer
                useful += 1
        assert useful >= 640

    def test_they_vary(self) -> None:
        train = rows("train")
        assert len({row["chosen"][0]["content"] for row in train}) > 0.9 * len(train)
        assert len({row["rejected"][0]["content"] for row in train}) > 60
        openings = {corpus.COURTEOUS[i].split()[0] for i in range(len(corpus.COURTEOUS))}
        assert len(openings) == len(corpus.COURTEOUS) == len(corpus.CURT)

    def test_the_script_that_made_them_makes_them_again(self) -> None:
        assert make_demo.pairs(corpus.TRAINING, make_demo.TRAIN_PAIRS) == rows("train")
        assert make_demo.pairs(corpus.HELD_OUT, make_demo.HELD_OUT_PAIRS) == rows("test")


class TestProject:
    def test_the_model_is_a_small_smollm3(self) -> None:
        """At most 3 million weights, at most 8 MB with tokenizer and chat template."""
        config = json.loads((PROJECT / "model" / "config.json").read_text("utf-8"))
        assert config["architectures"] == ["SmolLM3ForCausalLM"]
        assert sum(path.stat().st_size for path in (PROJECT / "model").iterdir()) <= 8_000_000
        with (PROJECT / "model" / "model.safetensors").open("rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        count = 0
        for name, tensor in header.items():
            if name != "__metadata__":
                size = 1
                for length in tensor["shape"]:
                    size *= length
                count += size
        assert 100_000 < count <= 3_000_000

    def test_the_chat_template_knows_thinking(self) -> None:
        template = (PROJECT / "model" / "chat_template.jinja").read_text("utf-8")
        assert template == make_demo.CHAT_TEMPLATE
        assert "enable_thinking" in template and "<|im_end|>" in template

    def test_there_are_four_prompts_to_ask(self) -> None:
        prompts = read_prompts((PROJECT / "prompts.txt").read_text("utf-8"))
        assert len(prompts) == 4
        trained = set[str]().union(*(sentences(prompt_of(row)) for row in rows("train")))
        assert not trained & set[str]().union(*map(sentences, prompts))

    def test_the_words_of_the_judge_are_those_of_the_corpus(self, manner: Manner) -> None:
        assert manner.any_of == corpus.COURTEOUS_WORDS
        assert manner.none_of == corpus.CURT_WORDS
