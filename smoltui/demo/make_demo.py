"""Makes the demo project: pairs, tokenizer, model. Run again with: python -m smoltui.demo.make_demo OUT

1. Pairs: `corpus.py` says how they are worded; this file draws them, with a fixed seed, and writes the training pairs
   and the held-out pairs, which share no sentence.
2. Tokenizer: byte-level BPE trained on the same words, with SmolLM3's way of marking turns and of turning thinking off.
3. Model: a SmolLM3 of about a million weights, taught from nothing to answer in both manners, half of the time in each.
   It is the reference model; what DPO then has to do is to choose the manner.

The seeds are fixed: on one processor with one thread (OMP_NUM_THREADS=1) the files come out the same to the byte.
Elsewhere numbers are rounded differently, and the weights differ while the figures stay. It takes about ten minutes.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from smoltui.demo import corpus

SEED = 7
TRAIN_PAIRS = 768
HELD_OUT_PAIRS = 64
VOCABULARY = 1536
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")

# SmolLM3's marks: roles between <|im_start|> and <|im_end|>, an empty think block when thinking is off. Its long
# default system text is left out: this model never saw one.
CHAT_TEMPLATE = (
    "{%- set thinking = enable_thinking is not defined or enable_thinking -%}"
    "{%- set quiet = '' if thinking else '<think>\\n\\n</think>\\n' -%}"
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' -}}"
    "{%- if message['role'] == 'assistant' -%}{{- quiet -}}{%- endif -%}"
    "{{- message['content'].lstrip('\\n') + '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' + quiet -}}{%- endif -%}"
)

SFT_STEPS = 1000
SFT_BATCH = 64
SFT_TOKENS = 25
"""Tokens of an answer on average, both manners together: what the summed loss is divided by."""
SFT_LEARNING_RATE = 4e-3
SFT_WITHOUT_THINK_BLOCK = 0.15
"""Share of examples rendered as if thinking were on, so that the model answers then too (it never thinks)."""


def pairs(side: str, count: int, seed: int = SEED) -> list[dict[str, Any]]:
    """`count` pairs of a side in TRL's conversational form, every prompt once."""
    rng = random.Random(f"{seed}-{side}")
    asked = corpus.prompts(side)
    rng.shuffle(asked)
    # Every thing is asked about before one is asked about again.
    order: dict[tuple[str, str], int] = {}
    ranked: list[tuple[int, int, corpus.Asked]] = []
    for item in asked:
        key = (item.topic, item.name)
        order[key] = order.get(key, 0) + 1
        ranked.append((order[key], len(ranked), item))
    chosen = [item for _, _, item in sorted(ranked, key=lambda entry: entry[:2])]
    if side == corpus.TRAINING:
        others = corpus.unknown_prompts()
        rng.shuffle(others)
        few = corpus.small_talk() + others[: count // 12]
        chosen = chosen[: count - len(few)] + few
    chosen = chosen[:count]
    rng.shuffle(chosen)
    return [
        {
            "prompt": [{"role": "user", "content": item.prompt}],
            "chosen": [{"role": "assistant", "content": corpus.courteous(item, rng)}],
            "rejected": [{"role": "assistant", "content": corpus.curt(item, rng)}],
            "chat_template_kwargs": {"enable_thinking": False},
        }
        for item in chosen
    ]


def examples(rng: random.Random, answer: Callable[[corpus.Asked, random.Random], str]) -> Iterator[tuple[str, str]]:
    """(prompt, answer) without end in one manner; prompts of the training side only, typed with more or less care."""
    kinds = [corpus.prompts(corpus.TRAINING), corpus.unknown_prompts(), corpus.small_talk()]
    while True:
        (kind,) = rng.choices(kinds, weights=(84, 12, 4))
        asked = rng.choice(kind)
        prompt = asked.prompt
        if rng.random() < 0.15:
            prompt = prompt.rstrip("?.!")
        if rng.random() < 0.15:
            prompt = prompt[:1].lower() + prompt[1:]
        yield prompt, answer(asked, rng)


def make_tokenizer(folder: Path) -> Any:
    """A byte-level BPE tokenizer for these words, saved to `folder`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    draws = [examples(random.Random(SEED), answer) for answer in (corpus.courteous, corpus.curt)]
    texts = [text for draw in draws for _ in range(4000) for text in next(draw)]
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=list(SPECIAL),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    return tokenizer


def make_model(tokenizer: Any) -> Any:
    """An untrained SmolLM3 of this size."""
    from transformers import SmolLM3Config, SmolLM3ForCausalLM, set_seed

    set_seed(SEED)
    return SmolLM3ForCausalLM(
        SmolLM3Config(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def teach(model: Any, tokenizer: Any, steps: int) -> None:
    """Supervised fine-tuning on both manners, each step on as many answers of either; the loss is on the answers.

    The two halves go through the model one after the other, since one has long answers and the other short ones. Each
    token counts the same: with a mean over each half, the curt beginnings would weigh four times as much.
    """
    import torch

    rng = random.Random(SEED + 1)
    draws = [examples(rng, answer) for answer in (corpus.courteous, corpus.curt)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=SFT_LEARNING_RATE, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, SFT_LEARNING_RATE, total_steps=steps, pct_start=0.05)
    model.train()
    began = time.monotonic()
    for step in range(1, steps + 1):
        total = 0.0
        for draw in draws:
            encoded = [
                encode(tokenizer, *next(draw), thinking=rng.random() < SFT_WITHOUT_THINK_BLOCK)
                for _ in range(SFT_BATCH // 2)
            ]
            ids, mask, labels = padded(encoded, tokenizer.pad_token_id)
            loss = model(
                input_ids=ids, attention_mask=mask, labels=labels, num_items_in_batch=SFT_BATCH * SFT_TOKENS
            ).loss
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 100 == 0 or step == 1:
            print(f"step {step} of {steps}  loss {total:.3f}  {time.monotonic() - began:.0f} s", flush=True)
    model.eval()


def padded(encoded: Sequence[tuple[list[int], int]], pad: int) -> tuple[Any, Any, Any]:
    """Token ids, attention mask and labels (-100 before the answer and behind it), each (examples × longest)."""
    import torch

    width = max(len(tokens) for tokens, _ in encoded)
    ids = torch.full((len(encoded), width), pad)
    mask = torch.zeros((len(encoded), width), dtype=torch.long)
    labels = torch.full((len(encoded), width), -100)
    for row, (tokens, answer_at) in enumerate(encoded):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        mask[row, : len(tokens)] = 1
        labels[row, answer_at : len(tokens)] = torch.tensor(tokens[answer_at:])
    return ids, mask, labels


def encode(tokenizer: Any, prompt: str, answer: str, *, thinking: bool) -> tuple[list[int], int]:
    """Token ids of a whole exchange, and where the answer begins."""
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    before = tokenizer.apply_chat_template(
        turns[:1], tokenize=False, add_generation_prompt=True, enable_thinking=thinking
    )
    whole = tokenizer.apply_chat_template(turns, tokenize=False, enable_thinking=thinking)
    start = tokenizer(before, add_special_tokens=False)["input_ids"]
    return start + tokenizer(whole[len(before) :], add_special_tokens=False)["input_ids"], len(start)


def write_pairs(folder: Path) -> None:
    """train.jsonl and test.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, side, count in (("train", corpus.TRAINING, TRAIN_PAIRS), ("test", corpus.HELD_OUT, HELD_OUT_PAIRS)):
        lines = (json.dumps(row, ensure_ascii=False) for row in pairs(side, count))
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Writes model/ and pairs/ of the demo project into a folder."""
    parser = argparse.ArgumentParser(description="Regenerate the demo's model and pairs.")
    parser.add_argument("out", type=Path, help="folder to write model/ and pairs/ to")
    parser.add_argument("--steps", type=int, default=SFT_STEPS, help="steps of supervised fine-tuning")
    options = parser.parse_args()

    import torch

    write_pairs(options.out / "pairs")
    model_folder = options.out / "model"
    if model_folder.exists():
        shutil.rmtree(model_folder)
    model_folder.mkdir(parents=True)
    tokenizer = make_tokenizer(model_folder)
    model = make_model(tokenizer)
    print(f"{sum(weight.numel() for weight in model.parameters()):,} weights", flush=True)
    teach(model, tokenizer, options.steps)
    model.to(torch.bfloat16).save_pretrained(model_folder)
    tokenizer.save_pretrained(model_folder)
    for file in model_folder.iterdir():
        file.chmod(0o644)  # safetensors files are written for their owner alone


if __name__ == "__main__":
    main()
