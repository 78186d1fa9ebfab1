"""A finished run without any training, and a leaderboard to submit it to, for tests of publishing."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from smoltui.backends.evaluation import measurements
from smoltui.backends.local.place import HERE
from smoltui.backends.project.project import Project
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.engine import Engine
from smoltui.core.evaluation.figures import Figures
from smoltui.core.evaluation.measurement import Measurement
from smoltui.core.runs.events import Event, Metrics, ModelSaved, Planned, StageChanged, WeightsMoved
from smoltui.core.runs.place import Place
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import SmoltuiError
from tests.core.publish.test_results import results
from tests.hub.repos import Repo
from tests.hub.server import LocalHub

SPACE = "smol-course/leaderboard"
MODEL = "ada/smollm3-dpo"
DETAILS = "ada/details_ada__smollm3-dpo"
RECIPE = """# mine
model_name_or_path: HuggingFaceTB/SmolLM3-3B
dataset_name: Anthropic/hh-rlhf
dataset_train_split: train
output_dir: out
hub_model_id: ada/smollm3-dpo
beta: 0.1
learning_rate: 5.0e-7
max_length: 512
"""
OLD = [{"username": "carol", "model_name": "SmolLM3-Carol", "chapter": "1", "results-dataset": "carol/d"}]
RESULTS = "results_2026-11-29T09-01-02.123456.json"
TEMPLATE = "{% if enable_thinking %}<think>{% endif %}{{ messages[0]['content'] }}"


@dataclass
class FinishedEngine:
    """Knows finished runs, and what they were started with."""

    runs: list[Run] = field(default_factory=list)
    spec: RunSpec | None = None
    place: Place = HERE
    name: str = HERE.name
    problems: dict[str, SmoltuiError] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    """What `follow` reads from the log."""

    async def list_runs(self) -> list[Run]:
        return self.runs

    async def get(self, run_id: str) -> Run:
        return next(run for run in self.runs if run.id == run_id)

    async def started_with(self, run: Run) -> RunSpec | None:
        return self.spec

    def around(self, run: Run, step: str) -> tuple[str, ...]:
        return ()

    async def follow(self, run_id: str, *, follow: bool = True) -> AsyncGenerator[Event, None]:
        for event in self.events:
            yield event


def tensors(count: int = 4) -> bytes:
    """A safetensors file with one tensor."""
    header = json.dumps({"weight": {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4 * count)


def save_model(folder: Path, *, adapter: bool = False) -> None:
    """What a training leaves behind: the model, and files that are not part of it."""
    folder.mkdir(parents=True, exist_ok=True)
    name = "adapter_model.safetensors" if adapter else "model.safetensors"
    (folder / name).write_bytes(tensors())
    (folder / ("adapter_config.json" if adapter else "config.json")).write_text("{}")
    (folder / "tokenizer_config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    (folder / "README.md").write_text("[More Information Needed] licence: license None")
    (folder / "training_args.bin").write_bytes(b"secret")
    (folder / "checkpoint-10").mkdir(exist_ok=True)
    (folder / "checkpoint-10" / "model.safetensors").write_bytes(tensors())
    (folder / "908c3a06cce1cd0e").mkdir(exist_ok=True)


PLAN = Planned(
    max_steps=20,
    epochs=1.5,
    train_pairs=9_870,
    held_out_pairs=130,
    left_out={"identical": 3, "empty": 0},
    device="cuda (NVIDIA Test)",
    dtype="float32",
    parameters=3_075_098_624,
    trainable=3_075_098_624,
    beta=0.1,
    versions={"trl": "1.16.0", "torch": "2.13.0"},
    pairs_hash="ab" * 16,
)


def finished(project: Project, *, adapter: bool = False, run_id: str = "0a1b2c3d") -> Run:
    """A completed run of `project` with plan, curve and model."""
    save_model(project.folder / "out", adapter=adapter)
    run = Run(run_id, HERE.name, "demo", Stage.RUNNING, project=str(project.folder), created_at=1.0, started_at=100.0)
    events: list[Event] = [PLAN]
    for step in range(1, 21):
        values = {"loss": 0.7 - step / 50, "rewards/margins": step / 10, "rewards/accuracies": 0.75}
        events.append(Metrics(step=step, values=values))
    events.append(Metrics(step=20, values={"eval_loss": 0.35, "eval_rewards/margins": 1.9}))
    events += [WeightsMoved(share=0.98), ModelSaved(path=str(project.folder / "out"))]
    events.append(StageChanged(stage=Stage.COMPLETED, at=1_764_460_800.0))
    for event in events:
        run = run.after(event)
    return run


def figures(model: str) -> Figures:
    """Distinct values, so that a mixed-up cell is seen."""
    if model == "reference":
        return Figures(model, pairs=130, answers=130, margin=0.0, prefers_chosen=0.41, gap=-2.5, mean_tokens=20.0)
    return Figures(
        model,
        pairs=130,
        answers=130,
        reward_accuracy=0.7846,
        reward_accuracy_interval=(0.7062, 0.8466),
        margin=1.2345,
        margin_interval=(1.1, 1.4),
        chosen_change=-3.25,
        chosen_change_interval=(-4.0, -2.5),
        rejected_change=-15.5,
        rejected_change_interval=(-16.0, -15.0),
        prefers_chosen=0.61,
        prefers_chosen_interval=(0.52, 0.69),
        gap=9.75,
        well_formed_share=0.9,
        well_formed_interval=(0.84, 0.94),
        mean_tokens=36.4,
        length_ratio=1.82,
    )


MEASURED = Measurement(
    at=1_764_460_900.0,
    date="2026-11-30",
    beta=0.1,
    seed=7,
    pairs_hash="cd" * 16,
    versions={"torch": "2.13.0"},
    reference=figures("reference"),
    aligned=figures("aligned"),
)


def make_published(
    folder: Path, *, recipe: str = RECIPE, adapter: bool = False, settings: str = ""
) -> tuple[Project, Engine, Run]:
    """A project whose only run is finished and measured."""
    folder.mkdir()
    (folder / "recipe.yaml").write_text(recipe)
    (folder / "smoltui.toml").write_text(settings)
    project = Project(folder)
    run = finished(project, adapter=adapter)
    measurements.keep(run_store.run_dir(run.id), MEASURED)
    spec = RunSpec("demo", str(folder), recipe, str(folder / "out"), "label")
    return project, cast("Engine", FinishedEngine([run], spec)), run


def board_bytes(entries: list[dict[str, Any]] | None = None) -> bytes:
    return (json.dumps({"submissions": OLD if entries is None else entries}, indent=4) + "\n").encode()


def seed(server: LocalHub, *, board: bytes | None = None, measured: Mapping[str, Any] | None = None) -> Repo:
    """A leaderboard, its base model, and the public model and results of ada. Returns the leaderboard."""
    repos = server.repos
    repos.add("model", "HuggingFaceTB/SmolLM3-3B", {"README.md": b""}, card={"license": "apache-2.0"})
    repos.add("model", MODEL, {"README.md": b"old"})
    repos.add("dataset", "Anthropic/hh-rlhf", {"README.md": b""})
    repos.add("dataset", DETAILS, {RESULTS: json.dumps(measured or results()).encode(), "README.md": b""})
    return repos.add("space", SPACE, {"submissions.json": board_bytes() if board is None else board})
