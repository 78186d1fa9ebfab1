"""Checkpoints that outlive the machine, the guard against training without an accelerator, and the locked header."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from smoltui.backends.jobs.shipment import locked_script
from smoltui.core.exporting.script import requirements_of
from smoltui.core.runs import events
from smoltui.scripts import kept_checkpoints
from tests.marks import needs_training
from tests.paths import PACKAGE
from tests.scripts.running import SCRIPTS, Ran, in_scripts, run

DEMO = PACKAGE / "demo" / "project"


def checkpoint(folder: Path, step: int) -> Path:
    made = folder / f"checkpoint-{step}"
    (made / "inner").mkdir(parents=True)
    (made / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    (made / "inner" / "weights").write_bytes(b"w" * step)
    return made


class TestFolder:
    def test_the_newest_complete_one(self, tmp_path: Path) -> None:
        """A checkpoint counts once its manifest is there and each file has its size; older ones are deleted."""
        disk, kept = tmp_path / "disk", tmp_path / "kept"
        assert kept_checkpoints.newest_kept(kept) is None
        first = kept_checkpoints.keep(checkpoint(disk, 9), kept)
        assert kept_checkpoints.newest_kept(kept) == first and (first / "inner" / "weights").stat().st_size == 9
        second = kept_checkpoints.keep(checkpoint(disk, 10), kept)
        assert kept_checkpoints.newest_kept(kept) == second and not first.exists()
        checkpoint(kept, 11)  # without a manifest: the machine was stopped while it was copied
        assert kept_checkpoints.newest_kept(kept) == second
        (second / "inner" / "weights").write_bytes(b"cut")
        assert kept_checkpoints.newest_kept(kept) is None
        kept_checkpoints.forget(kept)
        assert list(kept.iterdir()) == []

    def test_what_is_told(self, tmp_path: Path) -> None:
        """Each copy is told once it is complete; one that fails is a warning, and training continues."""
        told: list[object] = []
        keeper = kept_checkpoints.Keeper(tmp_path / "kept", lambda step, path: told.append(step), told.append)
        keeper.begin(checkpoint(tmp_path, 4))
        keeper.begin(checkpoint(tmp_path, 8))
        keeper.finish()
        assert told == [4, 8]
        shutil.rmtree(tmp_path / "kept")
        (tmp_path / "kept").write_text("a file")
        keeper.begin(checkpoint(tmp_path, 12))
        keeper.finish()
        assert str(told[-1]).startswith("The checkpoint of step 12 could not be kept")


STEPS = {
    "max_steps": 6,
    "save_strategy": "steps",
    "save_steps": 2,
    "save_total_limit": 1,
    "eval_strategy": "no",
    "per_device_train_batch_size": 2,
}


def arguments(project: Path, *more: object) -> list[str]:
    steps = [f"--{key}={value}" for key, value in STEPS.items()]
    return [str(word) for word in ("--config", project / "recipe.yaml", *steps, *more)]


def losses(ran: Ran) -> dict[int, float]:
    return {event.step: event.values["loss"] for event in ran.of(events.Metrics) if "loss" in event.values}


def killed_after_a_checkpoint(words: list[str]) -> dict[int, float]:
    """The losses of a training that is killed once a checkpoint is kept."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    said = ""
    with subprocess.Popen([sys.executable, str(SCRIPTS / "dpo.py"), *words], stdout=subprocess.PIPE, env=env) as child:
        assert child.stdout is not None
        for line in child.stdout:
            said += line.decode()
            if '"event": "kept"' in said.rpartition("\n{")[2]:
                child.send_signal(signal.SIGKILL)
                break
    return losses(Ran(child.wait(), said, ""))


@needs_training
def test_another_machine_continues_with_the_same_losses(tmp_path: Path) -> None:
    """The training is killed, its disk is gone; on another disk it continues from the kept checkpoint, step by step as
    an unbroken run."""
    project, kept = Path(shutil.copytree(DEMO, tmp_path / "project")), tmp_path / "bucket"
    whole = run("dpo.py", *arguments(project, "--output-dir", tmp_path / "whole"))
    before = killed_after_a_checkpoint(arguments(project, "--output-dir", tmp_path / "lost", "--keep", kept))
    shutil.rmtree(tmp_path / "lost")
    again = ("--output-dir", tmp_path / "new", "--keep", kept, "--must-resume")
    after = run("dpo.py", *arguments(project, *again))
    assert after.code == 0, after.errors
    first = min(losses(after))
    assert 2 < first < 6 and first - 1 in before and f"kept checkpoint of step {first - 1}" in after.output
    assert {**before, **losses(after)} == losses(whole) and len(losses(whole)) == 6
    model = tmp_path / "new" / "model.safetensors"
    weights = model.read_bytes()
    model.unlink()  # the disk was full when it was to be saved
    last = run("dpo.py", *arguments(project, "--resume_from_checkpoint", model.parent / "checkpoint-6", *again[:2]))
    assert last.code == 0, last.errors
    assert not losses(last) and model.read_bytes() == weights
    (finished,) = last.of(events.Finished)
    assert (finished.step, finished.max_steps) == (6, 6)
    refused = run(
        "dpo.py", *arguments(project, "--output-dir", tmp_path / "x", "--keep", tmp_path / "no", "--must-resume")
    )
    assert refused.code == 2 and "No complete checkpoint is kept" in refused.failure.cause


@pytest.mark.parametrize(
    ("recipe", "flags", "env", "said"),
    [
        ({"bf16": True}, [], {}, "bf16: true needs one"),
        ({}, ["--fp16"], {}, "fp16: true needs one"),
        ({"bf16": True}, ["--bf16", "false"], {}, ""),
        ({"bf16": True, "use_cpu": True}, [], {}, ""),
        ({}, [], {"JOB_ID": "1", "ACCELERATOR": "A100"}, "the flavor of this Job has one (A100)"),
        ({}, [], {"JOB_ID": "1", "ACCELERATOR": "none"}, ""),
        ({}, [], {"SLURM_JOB_GPUS": "0,1"}, "Slurm allocated GPUs to this job (0,1)"),
        ({}, [], {}, ""),
    ],
)
def test_what_asks_for_an_accelerator(
    recipe: Mapping[str, object], flags: list[str], env: dict[str, str], said: str
) -> None:
    assert guard(recipe, flags, env) == said


def guard(recipe: Mapping[str, object], flags: list[str], env: dict[str, str]) -> object:
    sys.path.insert(0, str(SCRIPTS))
    try:
        import accelerator_guard
    finally:
        sys.path.pop(0)
    return accelerator_guard.why_intended(recipe, flags, env)


@needs_training
def test_without_a_gpu_it_stops_and_names_the_cause(tmp_path: Path) -> None:
    """bf16: true where torch sees no accelerator: it stops before anything is loaded, with driver and CUDA versions."""
    if in_scripts("import json, torch; print(json.dumps(torch.accelerator.is_available()))"):
        pytest.skip("this machine has an accelerator")
    (tmp_path / "recipe.yaml").write_text("model_name_or_path: x\ndataset_name: y\nbf16: true\n")
    ran = run("dpo.py", "--config", tmp_path / "recipe.yaml")
    assert ran.code == 2 and ran.failure.cause.startswith("No accelerator: bf16: true needs one, but torch")
    assert "NVIDIA driver" in ran.failure.cause and "It is built for" in ran.failure.cause


class TestLockedHeader:
    SCRIPT = locked_script((SCRIPTS / "dpo.py").read_text("utf-8"))

    def test_every_direct_package_is_in_it(self) -> None:
        direct = {line.replace("_", "-") for line in requirements_of((SCRIPTS / "dpo.py").read_text("utf-8"))}
        locked = requirements_of(self.SCRIPT)
        assert direct <= set(locked) and len(locked) == len({line.partition("==")[0] for line in locked}) > 60
        assert "def main(" in self.SCRIPT.partition("# ///\n")[2]

    @pytest.mark.slow
    @pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
    def test_it_resolves_and_leaves_nothing_open(self, python: str, tmp_path: Path) -> None:
        """On Linux, each Python gets exactly the packages of the header."""
        if shutil.which("uv") is None:
            pytest.skip("uv is not installed")
        asked, made = tmp_path / "requirements.in", tmp_path / "requirements.txt"
        locked = requirements_of(self.SCRIPT)
        asked.write_text("\n".join(locked))
        plain = ("--no-header", "--no-annotate", "--no-config", "-q", "-o", str(made))
        where = ("--python-version", python, "--python-platform", "x86_64-manylinux_2_28")
        done = subprocess.run(["uv", "pip", "compile", str(asked), *where, *plain], capture_output=True, text=True)
        if done.returncode and ("error sending request" in done.stderr or "Failed to fetch" in done.stderr):
            pytest.skip("the package index cannot be reached")
        assert done.returncode == 0, done.stderr
        assert {line.lower() for line in made.read_text().split()} == set(locked)
