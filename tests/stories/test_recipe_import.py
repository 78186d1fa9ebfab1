"""A recipe made of a script or a command: imported, checked, trained, undone."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest

from smoltui.backends.project.journal import Journal
from smoltui.backends.project.new_project import create_project
from smoltui.cli.main import run
from tests.marks import needs_training

SCRIPT = """
from trl import DPOConfig, DPOTrainer

pairs = load_dataset("pairs", split="train").select(range(32))
model = AutoModelForCausalLM.from_pretrained("model", torch_dtype="float32")
args = DPOConfig(output_dir="aligned", max_steps=2, max_prompt_length=64, warmup_ratio=0.5, use_cpu=True, bf16=False,
                 per_device_train_batch_size=4, max_length=256, report_to="none", learning_rate=1e-4,
                 logging_nan_inf_filter=False, save_strategy="no")
trainer = DPOTrainer(model=model, args=args, train_dataset=pairs)
trainer.train()
trainer.save_model("aligned")
"""


def test_imported_into_a_new_folder_and_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails today is named with its line; a second import asks, and can be undone byte for byte."""
    script, folder = tmp_path / "train.py", tmp_path / "mine"
    script.write_text(SCRIPT)
    assert run(["recipe", "import", str(script), str(folder)]) == 0
    said = capsys.readouterr().out
    assert "line 6    max_prompt_length no longer exists" in said and "Written as warmup_steps" in said
    recipe = folder / "recipe.yaml"
    first = recipe.read_bytes()
    assert b"# Imported from train.py." in first and b'split: "train[:32]"' in first
    assert run(["recipe", "import", str(script), str(folder)]) == 2
    assert "already contains a recipe" in capsys.readouterr().err and recipe.read_bytes() == first
    monkeypatch.setattr("sys.stdin", io.StringIO("trl dpo --model_name_or_path org/model --beta 0.3"))
    assert run(["recipe", "import", "-", str(folder), "--replace", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["values"] == {"model_name_or_path": "org/model", "beta": 0.3}
    Journal(folder).undo()
    assert recipe.read_bytes() == first


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"print(1)\n", "no DPOConfig"), (b"\xff\xfe\x00", "not text"), (b"trl sft --x 1", "does not train with DPO")],
)
def test_nothing_is_written_of_what_is_no_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, words: str
) -> None:
    """One sentence with the next step, exit code 2, no folder."""
    source, folder = tmp_path / "source", tmp_path / "mine"
    source.write_bytes(content)
    assert run(["recipe", "import", str(source), str(folder)]) == 2
    assert words in capsys.readouterr().err and not folder.exists()
    assert run(["recipe", "import", str(tmp_path / "missing"), str(folder)]) == 2
    assert "cannot be read" in capsys.readouterr().err


@needs_training
def test_an_imported_script_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a script that TRL of today refuses to a trained model, with no file edited."""
    made, folder, script = create_project(tmp_path / "demo", "demo").folder, tmp_path / "mine", tmp_path / "train.py"
    script.write_text(SCRIPT)
    assert run(["recipe", "import", str(script), str(folder)]) == 0
    for name in ("model", "pairs"):
        shutil.copytree(made / name, folder / name)
    assert run(["recipe", "check", str(folder)]) == 0, capsys.readouterr().out
    assert run(["train", str(folder)]) == 0, capsys.readouterr().err
    assert (folder / "aligned" / "model.safetensors").is_file()
