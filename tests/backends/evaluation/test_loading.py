"""What loading models takes: folders, the Hub's cache, the Hub; and the download."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from smoltui.backends.evaluation import speeds
from smoltui.backends.evaluation.loading import as_spec, fetch, load_plan
from smoltui.backends.hub import cache
from smoltui.backends.system.hub_files import model_folder
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.loading import LoadPlan
from smoltui.core.runs.events import Downloading, PhaseChanged
from smoltui.errors import InputError, NotFoundOnHubError, RunFailedError, UnreachableError
from tests.hub.cached import cache_model, weights
from tests.hub.server import LocalHub, local_hub

MODEL = {"config.json": b"{}", "model.safetensors": weights(100, "BF16"), "README.md": b"x", "optimizer.pt": b"y" * 99}
ADAPTER = {
    "adapter_config.json": json.dumps({"base_model_name_or_path": "ada/base"}).encode(),
    "adapter_model.safetensors": weights(8),
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, own_machine: Path) -> Iterator[LocalHub]:
    with local_hub(monkeypatch) as running:
        yield running


async def plan_of(path: str, folder: Path) -> LoadPlan:
    return await load_plan([Column("aligned", path)], folder)


async def test_a_folder(tmp_path: Path) -> None:
    """Sizes are those of what is loaded: not of a trainer's other files. Memory is counted in weights, not in bytes."""
    for name, data in MODEL.items():
        (tmp_path / name).write_bytes(data)
    (load,) = (await plan_of(str(tmp_path), tmp_path)).loads
    assert load.stored == len(MODEL["config.json"]) + len(MODEL["model.safetensors"])
    assert (load.download, load.files, load.memory) == (0, (), 400)  # four bytes for each on a processor
    (tmp_path / "model.safetensors").write_bytes(b"half")
    with pytest.raises(InputError, match=r"can't be loaded, model\.safetensors is damaged"):
        await plan_of(str(tmp_path), tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    (load,) = (await plan_of(str(tmp_path), tmp_path)).loads
    assert load.memory == 8  # nobody can count: two bytes per weight on the disk


async def test_a_model_on_the_hub(hub: LocalHub, tmp_path: Path) -> None:
    """Only what loading reads is downloaded, and nothing that is in the cache already."""
    hub.repos.add("model", "ada/m", MODEL)
    (load,) = (await plan_of("ada/m", tmp_path)).loads
    assert load.files == ("config.json", "model.safetensors") and load.download == load.stored
    assert load.download == len(MODEL["config.json"]) + len(MODEL["model.safetensors"])
    blobs = model_folder("ada/m", cache.folder()) / "blobs"
    blobs.mkdir(parents=True)
    blob = next(f.blob for f in [(await _repo(hub, "ada/m"))[1]])
    (blobs / str(blob)).write_bytes(MODEL["model.safetensors"])
    (load,) = (await plan_of("ada/m", tmp_path)).loads
    assert load.files == ("config.json",) and load.download == 2


async def _repo(hub: LocalHub, name: str) -> tuple[object, ...]:
    from smoltui.backends.hub import client
    from smoltui.backends.hub.models import model_repo

    async with client.session("look") as session:
        found = await model_repo(session, name, doing="look")
    return tuple(file for file in found.files if file.name in ("config.json", "model.safetensors"))


async def test_what_is_no_model(hub: LocalHub, tmp_path: Path) -> None:
    """One sentence for a repository that is missing, private, or without weights."""
    hub.repos.add("model", "ada/empty", {"README.md": b"x"})
    hub.repos.add("model", "eve/secret", MODEL, private=True)
    for name in ("ada/none", "eve/secret"):
        with pytest.raises(NotFoundOnHubError, match="There is no such model on the Hub, or this account may not"):
            await plan_of(name, tmp_path)
    with pytest.raises(InputError, match="no weights that can be loaded: ada/empty"):
        await plan_of("ada/empty", tmp_path)


async def test_without_the_hub_the_cache_counts(hub: LocalHub, tmp_path: Path) -> None:
    """The Hub does not answer: a cached model is loaded without it, another one is an error."""
    cache_model("ada/here", {"config.json": b"{}", "model.safetensors": weights(5)})
    hub.spoil("GET", "/api/models", times=9, how="close")
    (load,) = (await plan_of("ada/here", tmp_path)).loads
    assert load.download == 0 and load.memory == 20
    with pytest.raises(UnreachableError):
        await plan_of("ada/elsewhere", tmp_path)


@pytest.mark.slow
async def test_an_adapter_on_the_hub_is_put_on_its_base(hub: LocalHub, tmp_path: Path) -> None:
    """Both are stated and downloaded; the scripts get the adapter's folder and the base; nothing is fetched twice."""
    hub.repos.add("model", "ada/base", MODEL)
    hub.repos.add("model", "ada/adapter", ADAPTER)
    plan = await plan_of("ada/adapter", tmp_path)
    assert [load.place for load in plan.loads] == ["ada/base", "ada/adapter"]
    seen = [event async for event in fetch(plan, tmp_path)]
    told = [event.message for event in seen if isinstance(event, PhaseChanged)]
    assert told == ["ada/base", "ada/adapter"]
    assert any(isinstance(event, Downloading) and event.done >= (plan.loads[0].download or 0) for event in seen)
    spec = as_spec(Column("aligned", "ada/adapter"))
    assert spec["path"] == "ada/base" and spec["adapter"] == str(cache.snapshot("ada/adapter"))
    assert as_spec(Column("reference", "ada/base")) == {"name": "reference", "path": "ada/base"}
    assert (await plan_of("ada/adapter", tmp_path)).to_fetch == []
    hub.repos.add("model", "ada/gated", MODEL, gated=True)
    with pytest.raises(RunFailedError, match="gated, and this account has no access: ada/gated"):
        [event async for event in fetch(await plan_of("ada/gated", tmp_path), tmp_path)]


def test_speeds_are_kept(own_machine: Path) -> None:
    """Too small a download says nothing about the connection."""
    speeds.remember(speeds.DOWNLOAD, 1000, 1.0)
    assert speeds.known(speeds.DOWNLOAD) is None
    speeds.remember(speeds.DOWNLOAD, 4 << 20, 2.0)
    speeds.remember(speeds.LOAD, 1 << 30, 0.0)
    assert speeds.known(speeds.DOWNLOAD) == 2 << 20 and speeds.known(speeds.LOAD) is None
