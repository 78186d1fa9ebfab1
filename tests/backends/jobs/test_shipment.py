"""What travels to a Job: the script, the recipe, and what the recipe names, at paths that mean the same there."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from smoltui.backends.jobs import shipment as shipping
from smoltui.backends.jobs.shipment import pack, shipment
from smoltui.core.runs.run import RunSpec
from smoltui.errors import InputError
from smoltui.scripts import SCRIPTS

SCRIPT_FOLDER = SCRIPTS
OURS = set(shipping.SHIPPED) | {"recipe.yaml"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with pairs and a model beside its recipe, and things that must stay at home."""
    folder = tmp_path / "project"
    for name, text in {
        "pairs/train.jsonl": "{}\n",
        "pairs/test.jsonl": "{}\n",
        "pairs/.env": "HF_TOKEN=hf_secret",
        "model/config.json": "{}",
        "model/.git/HEAD": "x",
        "model/checkpoint-5/optimizer.pt": "x" * 50,
        "aligned/model.safetensors": "x" * 1000,
        "notes.txt": "private",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def spec(project: Path, recipe: str, **more: object) -> RunSpec:
    return RunSpec("n", str(project), recipe, "/tmp/out", "l1", flavor="cpu-basic", timeout_seconds=60, **more)  # type: ignore[arg-type]


def values(recipe: str) -> dict[str, object]:
    return dict(YAML(typ="safe").load(recipe))


def test_relative_paths_travel_as_they_are(project: Path) -> None:
    """The Job's recipe is my file, comments and all; old checkpoints, hidden files and outputs stay here."""
    recipe = "# mine\nmodel_name_or_path: model\ndataset_name: ./pairs  # two files\noutput_dir: aligned\n"
    shipped = pack(spec(project, recipe))
    assert shipped.recipe == recipe
    assert set(shipped.files) - OURS == {"pairs/train.jsonl", "pairs/test.jsonl", "model/config.json"}
    assert shipped.files["recipe.yaml"] == recipe.encode()


def test_paths_out_of_the_project_are_rewritten(project: Path, tmp_path: Path) -> None:
    """A model and pairs elsewhere on my disk are shipped too, and the shipped recipe names them where they will be."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/config.json").write_text("{}")
    recipe = f"# mine\nmodel_name_or_path: {tmp_path}/elsewhere\ndataset_name: {project}/pairs\nbeta: 0.1  # kept\n"
    shipped = pack(spec(project, recipe))
    found = values(shipped.recipe)
    assert f"{found['model_name_or_path']}/config.json" in shipped.files
    assert (found["dataset_name"], "pairs/train.jsonl" in shipped.files) == ("pairs", True)
    assert str(tmp_path) not in shipped.recipe and "# kept" in shipped.recipe and "# mine" in shipped.recipe


def test_lists_of_data_files_and_patterns(project: Path, tmp_path: Path) -> None:
    """`datasets:` with files and patterns: each is found and shipped; files of a Hub id are not looked for."""
    (tmp_path / "far.jsonl").write_text("{}\n")
    recipe = f"""
datasets:
  - {{path: json, data_files: [pairs/train.jsonl, {tmp_path}/far.jsonl]}}
  - {{path: json, data_files: {{train: "pairs/*.jsonl"}}, split: train}}
  - path: json
    data_files: "{project}/pairs/t*t.jsonl"
  - {{path: owner/name, data_files: train.jsonl}}
"""
    shipped = pack(spec(project, recipe))
    first, second, third, fourth = values(shipped.recipe)["datasets"]  # type: ignore[misc]
    assert first["data_files"][0] == "pairs/train.jsonl" and first["data_files"][1] in shipped.files
    assert second["data_files"] == {"train": "pairs/*.jsonl"}
    assert third["data_files"] == "pairs/t*t.jsonl"
    assert fourth["data_files"] == "train.jsonl"
    assert {"pairs/train.jsonl", "pairs/test.jsonl"} < set(shipped.files)


@pytest.mark.parametrize(
    ("recipe", "named"),
    [
        ("dataset_name: ./gone", "./gone"),
        ("model_name_or_path: /no/such/model", "/no/such/model"),
        ("datasets: [{path: json, data_files: gone.jsonl}]", "gone.jsonl"),
        ("datasets: [{path: csv, data_files: gone/*.csv}]", "gone/*.csv"),
        ("dataset_name: .", "."),
    ],
)
def test_what_is_not_here_is_named_before_anything_is_sent(project: Path, recipe: str, named: str) -> None:
    """A path that leads nowhere: the sentence names it, and nothing is uploaded or paid for."""
    with pytest.raises(InputError) as caught:
        pack(spec(project, recipe))
    assert caught.value.message.endswith(f": {named}") and caught.value.hint


def test_hub_ids_stay_hub_ids(project: Path) -> None:
    """owner/name is not a folder here, so the Job loads it from the Hub."""
    recipe = "model_name_or_path: HuggingFaceTB/SmolLM3-3B\ndataset_name: Anthropic/hh-rlhf\n"
    shipped = pack(spec(project, recipe))
    assert (set(shipped.files), shipped.recipe) == (OURS, recipe)


def test_the_dialog_can_say_what_is_sent(project: Path) -> None:
    """Each file with its size, the largest first, and the list of pairs I left out among them."""
    (project / "pairs/train.jsonl").write_text("x" * 200_000)
    listed = shipment(spec(project, "dataset_name: pairs\n", left_out=("ab12", "cd34")))
    assert listed[0] == ("pairs/train.jsonl", 200_000)
    assert dict(listed)["left_out.txt"] == len("ab12\ncd34\n")


def test_a_linked_file_is_shipped_and_a_link_in_a_circle_ends(project: Path) -> None:
    """Models in the Hub's cache are links to files."""
    (project / "model/config.json").rename(project / "blob")
    (project / "model/config.json").symlink_to(project / "blob")
    (project / "model/back").symlink_to(project / "model")
    files = pack(spec(project, "model_name_or_path: model\n")).files
    assert set(files) - OURS == {"model/config.json"}


def test_the_script_finds_everything_it_imports() -> None:
    """What dpo.py imports from beside it is shipped with it."""
    wanted, seen = ["dpo.py"], set()
    while wanted:
        name = wanted.pop()
        seen.add(name)
        for node in ast.walk(ast.parse((SCRIPT_FOLDER / name).read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            wanted += [f"{m}.py" for m in modules if (SCRIPT_FOLDER / f"{m}.py").exists() and f"{m}.py" not in seen]
    assert seen == set(shipping.SHIPPED)


def test_the_shipped_script_starts_alone(project: Path, tmp_path: Path) -> None:
    """In the Job there is no smoltui: the files alone, run from another folder, get as far as the recipe."""
    there = tmp_path / "data"
    for name, source in pack(spec(project, "dataset_name: pairs\n")).files.items():
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_bytes(source if isinstance(source, bytes) else source.read_bytes())
    code = f"import sys; sys.path.insert(0, {str(there)!r}); import dpo; print(dpo.__file__, 'smoltui' in sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(there / "dpo.py"), "False"]
