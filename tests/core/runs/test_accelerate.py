"""The file for `accelerate launch`, and the commands."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from smoltui.core.runs.accelerate import (
    STRATEGIES,
    accelerate_config,
    as_yaml,
    command_for,
    job_command_for,
    mixed_precision_of,
)

needs_accelerate = pytest.mark.skipif(
    importlib.util.find_spec("accelerate") is None or importlib.util.find_spec("trl") is None,
    reason="the train extra is not installed (pip install smoltui[train])",
)


@given(st.integers(2, 64), st.sampled_from(sorted(STRATEGIES)), st.sampled_from(["no", "fp16", "bf16"]), st.booleans())
def test_the_text_is_yaml_of_the_same_values(processes: int, strategy: str, precision: str, use_cpu: bool) -> None:
    config = accelerate_config(processes, strategy, precision, use_cpu=use_cpu)
    assert YAML(typ="safe", pure=True).load(as_yaml(config)) == config


@pytest.mark.slow
@needs_accelerate
def test_accelerate_reads_it_as_meant(tmp_path: Path) -> None:
    """accelerate's own class loads each file: no unknown key, the right kind of training."""
    for name in STRATEGIES:
        (tmp_path / f"{name}.yaml").write_text(as_yaml(accelerate_config(4, name, "bf16")))
    code = (
        "import json, sys\n"
        "from accelerate.commands.config.config_args import load_config_from_file as load\n"
        "from accelerate.commands.launch import _validate_launch_command, launch_command_parser\n"
        "found = {}\n"
        "for name in sys.argv[2:]:\n"
        "    path = f'{sys.argv[1]}/{name}.yaml'\n"
        "    read, args = load(path), launch_command_parser().parse_args(['--config_file', path, 'dpo.py'])\n"
        "    args, *_ = _validate_launch_command(args)\n"
        "    found[name] = [read.distributed_type.value, read.num_processes, read.mixed_precision, args.multi_gpu,\n"
        "                   args.use_fsdp, args.use_deepspeed, args.fsdp_version if args.use_fsdp else None,\n"
        "                   args.zero_stage if args.use_deepspeed else None, args.main_process_port]\n"
        "print(json.dumps(found))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), *STRATEGIES], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found == {
        "ddp": ["MULTI_GPU", 4, "bf16", True, False, False, None, None, 0],
        "fsdp": ["FSDP", 4, "bf16", False, True, False, 2, None, 0],
        "zero3": ["DEEPSPEED", 4, "bf16", False, False, True, None, 3, 0],
    }


@needs_accelerate
@pytest.mark.parametrize(("strategy", "name"), [("ddp", "multi_gpu"), ("fsdp", "fsdp2"), ("zero3", "zero3")])
def test_the_values_are_trl_s(strategy: str, name: str) -> None:
    """What TRL ships for the same strategy says the same, but for the port and the number of processes."""
    spec = importlib.util.find_spec("trl")
    assert spec is not None and spec.origin is not None
    file = Path(spec.origin).parent / "accelerate_configs" / f"{name}.yaml"
    theirs = YAML(typ="safe", pure=True).load(file.read_text())
    ours = accelerate_config(theirs["num_processes"], strategy, theirs["mixed_precision"])
    assert ours.pop("main_process_port") == 0
    assert ours == {key: theirs[key] for key in ours}


def test_one_process_needs_no_launcher() -> None:
    with pytest.raises(ValueError, match="2 processes"):
        accelerate_config(1, "ddp")
    with pytest.raises(ValueError, match="ddp, fsdp, zero3"):
        accelerate_config(2, "zero2")
    assert command_for("dpo.py", ["--config", "r"], python=("py",)) == ["py", "dpo.py", "--config", "r"]


def test_the_commands() -> None:
    """Here and in a Job: the same launcher around the same script."""
    here = command_for("dpo.py", ["--overwrite"], processes=2, config_file="/r/a.yaml", python=("py",))
    launcher = ["-P", "-m", "accelerate.commands.launch", "--config_file"]
    assert here == ["py", *launcher, "/r/a.yaml", "dpo.py", "--overwrite"]
    assert job_command_for("/data/dpo.py", ["--config", "r"]) == ["uv", "run", "/data/dpo.py", "--config", "r"]
    there = job_command_for("/data/dpo.py", ["--x"], processes=4, strategy="zero3", config_file="/data/a.yaml")
    assert there[:5] == ["uv", "run", "--no-project", "--with-requirements", "/data/dpo.py"]
    assert there[5] == "--with" and there[6].startswith("deepspeed")
    assert there[7:] == ["python", *launcher, "/data/a.yaml", "/data/dpo.py", "--x"]
    assert "--with" not in job_command_for("dpo.py", processes=2)


@pytest.mark.parametrize(
    ("recipe", "precision"),
    [
        ({}, "bf16"),
        ({"bf16": False}, "no"),
        ({"fp16": True}, "fp16"),
        ({"bf16": True}, "bf16"),
        ({"bf16": None}, "bf16"),
    ],
)
def test_the_precision_is_the_one_trl_chooses(recipe: dict[str, object], precision: str) -> None:
    assert mixed_precision_of(recipe) == precision


def test_a_job_gets_what_its_recipe_needs() -> None:
    """Packages of the recipe beside the script's own, with one process and behind the launcher."""
    needed = ["bitsandbytes==0.50.2"]
    assert job_command_for("/data/dpo.py", packages=needed) == ["uv", "run", "--with", *needed, "/data/dpo.py"]
    several = job_command_for("/data/dpo.py", processes=2, strategy="zero3", packages=needed)
    assert several[5:7] == ["--with", *needed] and several[7] == "--with" and several[8].startswith("deepspeed")
