"""Training scripts as recipes: what they set, what no longer works, and what only running them would show."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.importing.imported import Imported
from smoltui.core.importing.script import read_script
from smoltui.errors import InputError

JOB = """# /// script
# dependencies = ["trl[dpo]>=0.7.0", "transformers>=4.36.0"]
# ///
import torch
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

STEPS = 10 * 100

def main():
    rows = load_dataset("Anthropic/hh-rlhf", split="train")
    some = rows.select(range(10000))
    name = "HuggingFaceTB/SmolLM3-3B-Instruct"
    model = AutoModelForCausalLM.from_pretrained(name, device_map="auto")
    tokenizer = AutoTokenizer.from_pretrained(name)
    tokenizer.pad_token = tokenizer.eos_token
    args = DPOConfig(
        beta=0.1,
        max_prompt_length=512,
        learning_rate=5e-7,
        max_steps=STEPS,
        warmup_ratio=0.1,
        gradient_checkpointing=True,
        output_dir="./aligned",
        push_to_hub=True,
        hub_model_id="your-username/aligned",
        report_to="trackio",
        betta=1,
    )
    trainer = DPOTrainer(model=model, args=args, train_dataset=some, tokenizer=tokenizer)
    trainer.train()

main()
"""


def said(found: Imported) -> dict[int, str]:
    """Line → what is said of it."""
    lines: dict[int, str] = {}
    for note in found.notes:
        lines[note.line] = f"{lines.get(note.line, '')} {note.what}: {note.done}".strip()
    return lines


def test_a_script_of_the_course_kind() -> None:
    """Its values, under the names of today, and each line that fails today."""
    found = read_script(JOB)
    assert found.values == {
        "beta": 0.1,
        "learning_rate": 5e-7,
        "max_steps": 1000,
        "warmup_steps": 0.1,
        "activation_checkpointing": True,
        "output_dir": "./aligned",
        "push_to_hub": True,
        "hub_model_id": "your-username/aligned",
        "report_to": "trackio",
        "datasets": [{"path": "Anthropic/hh-rlhf", "split": "train[:10000]"}],
        "model_name_or_path": "HuggingFaceTB/SmolLM3-3B",
        "dtype": "float32",
    }
    lines = said(found)
    wanted = {
        1: "trackio",
        2: "no extra [dpo]",
        14: "no model HuggingFaceTB/SmolLM3-3B-Instruct",
        15: "device_map",
        17: "padding token",
        20: "max_prompt_length no longer exists",
        23: "merged into warmup_steps",
        24: "Written as activation_checkpointing",
        27: "placeholder",
        29: "Did you mean beta?",
        31: "processing_class",
    }
    assert {line: words for line, words in wanted.items() if words not in lines.get(line, "")} == {}
    assert "bfloat16 weights hardly move" in lines[15] and "never pushes the final model" in lines[31]


def test_an_adapter_and_held_out_pairs() -> None:
    """LoRA, quantization and the type of weights have keys of their own; what the pairs go through is named."""
    found = read_script(
        """
pairs = load_dataset("json", data_files="pairs.jsonl", split="train").map(clean).shuffle(seed=1)
quant = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16)
model = AutoModelForCausalLM.from_pretrained("org/model", torch_dtype=torch.bfloat16, quantization_config=quant)
lora = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type=TaskType.CAUSAL_LM, bias="none",
                  layers_to_transform=[0])
trainer = DPOTrainer(model, None, DPOConfig(output_dir=os.environ.get("OUT", "out"), seed=int(sys.argv[1])),
                     beta=0.2, train_dataset=pairs, peft_config=lora)
trainer.train()
trainer.save_model()
"""
    )
    assert found.values == {
        "output_dir": "out",
        "beta": 0.2,
        "dataset_name": "pairs.jsonl",
        "model_name_or_path": "org/model",
        "dtype": "bfloat16",
        "use_peft": True,
        "lora_r": 8,
        "lora_alpha": 16,
        "lora_target_modules": ["q_proj", "v_proj"],
        "lora_task_type": "CAUSAL_LM",
        "load_in_4bit": True,
        "use_bnb_nested_quant": True,
    }
    told = " ".join(said(found).values())
    for words in ("changes the pairs (map)", "shuffled by the script", "seed is computed", "layers_to_transform"):
        assert words in told, words
    assert "beta is now an argument of DPOConfig" in told


def test_a_reference_and_splits() -> None:
    """A second model as reference isn't needed; splits and ranges are written as TRL reads them."""
    found = read_script(
        """
data = load_dataset("a/b", "easy")
model = AutoModelForCausalLM.from_pretrained("m", dtype="auto")
reference = AutoModelForCausalLM.from_pretrained("m")
DPOTrainer(model=model, ref_model=reference, args=DPOConfig(), train_dataset=data["train"].select(range(5, 9)),
           eval_dataset=data["test"])
"""
    )
    assert found.values["datasets"] == [{"path": "a/b", "split": "train[5:9]", "name": "easy"}]
    assert found.values["dataset_test_split"] == "test" and found.values["dtype"] == "auto"
    told = " ".join(said(found).values())
    assert "makes the reference" in told and "never calls train()" in told and "doesn't save the model" in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def broken(:", "not a Python script"),
        ("print('hello')", "no DPOConfig"),
        ("x" * (1 << 20) + "x", "larger than 1 MiB"),
        ("(" * 3000, "not a Python script"),
        ("\0", "not a Python script"),
    ],
)
def test_what_is_no_training_script(text: str, words: str) -> None:
    """One sentence, and nothing is run."""
    with pytest.raises(InputError, match=words):
        read_script(text)


def test_a_script_that_would_do_harm_is_only_read() -> None:
    """Calls, loops of names and huge powers give no value and do nothing."""
    found = read_script(
        "a = b\nb = a\nDPOConfig(seed=a, beta=__import__('os').system('exit 1'), max_steps=9**9**9, max_length=2 * '8')"
    )
    assert found.values == {"dtype": "float32"}
    assert sum("computed when the script runs" in note.what for note in found.notes) == 4


@given(st.text(alphabet="DPOConfig(beta=1,)\n x=[]{}*-'\"#:", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No input raises anything but the expected error."""
    with contextlib.suppress(InputError):
        assert isinstance(read_script(f"{text}\nDPOConfig()"), Imported)
