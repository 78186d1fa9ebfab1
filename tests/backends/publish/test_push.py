"""Publishing a model through the real client: card, weights and results in one commit, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.publish import publication as publishing
from smoltui.backends.publish.publication import Publication, open_publication, plan_push, send
from smoltui.backends.publish.push import slug
from smoltui.backends.runs.published import kept
from smoltui.core.publish.record import Benchmark, BenchmarkRow, Weights
from smoltui.errors import InputError, PermissionDeniedError, ServiceError
from tests.backends.publish.published import MODEL, make_published, save_model, seed
from tests.hub.server import LocalHub, local_hub

MODEL_FILES = {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with local_hub(monkeypatch) as running:
        seed(running)
        del running.repos.all["model", MODEL]
        yield running


async def opened(folder: Path, **how: Any) -> Publication:
    return await open_publication(*make_published(folder / "project", **how))


async def test_card_and_model_in_one_commit(server: LocalHub, tmp_path: Path) -> None:
    """No checkpoint, no pickle, no card of TRL's: the repository has the model, the card and the curves."""
    found = await opened(tmp_path)
    plan = await plan_push(found, Weights.FULL)
    assert plan.may_push and not plan.exists and not plan.private and plan.repo == MODEL
    assert ("model.safetensors", (found.gathered.folder or tmp_path).joinpath("model.safetensors").stat().st_size) in (
        plan.sizes
    )
    assert not [r for r in server.requests if r["method"] == "POST" and "validate" not in r["path"]], "nothing sent"
    made = await send(found, plan)
    repo = server.repos.all["model", MODEL]
    assert set(repo.files) - {".gitattributes"} == MODEL_FILES | {"README.md", "curves.png"}
    assert repo.files["curves.png"].startswith(b"\x89PNG") and len(repo.commits) == 2
    assert repo.files["README.md"].decode() == found.text and made.commit == repo.refs["main"]
    (record,) = kept(found.folder, "push")
    assert record["repo"] == MODEL and record["weights"] == "model"


async def test_the_card_passes_the_client_s_check_and_loads_back(server: LocalHub, tmp_path: Path) -> None:
    """For a model, an adapter and a merged model; its license is the base model's, asked from the Hub."""
    from huggingface_hub import ModelCard

    found = await opened(tmp_path)
    for what in (Weights.FULL, Weights.ADAPTER, Weights.MERGED):
        text = found.card_for(what)
        read = ModelCard(text)
        read.validate()
        assert read.data.license == "apache-2.0" and read.data.base_model == "HuggingFaceTB/SmolLM3-3B"
        assert read.data.library_name == ("peft" if what is Weights.ADAPTER else "transformers")
        path = tmp_path / "README.md"
        read.save(path)
        loaded = ModelCard.load(path)
        assert loaded.text == read.text and loaded.data.to_dict() == read.data.to_dict()
        assert "None" not in text and "licence" not in text and "More Information Needed" not in text
        assert "1.234 (1.100 to 1.400)" in text and "ab" * 16 in text
    await send(found, await plan_push(found, Weights.FULL))
    loaded = ModelCard(server.repos.all["model", MODEL].files["README.md"].decode())
    assert loaded.data.to_dict() == ModelCard(found.text).data.to_dict()


async def test_an_adapter_and_the_card_alone(server: LocalHub, tmp_path: Path) -> None:
    found = await opened(tmp_path, adapter=True)
    assert found.choices == (Weights.ADAPTER, Weights.MERGED, Weights.NONE)
    await send(found, await plan_push(found, Weights.ADAPTER))
    repo = server.repos.all["model", MODEL]
    assert "adapter_model.safetensors" in repo.files and b"library_name: peft" in repo.files["README.md"]
    config = json.loads(repo.files["adapter_config.json"])
    assert config["base_model_name_or_path"] == "HuggingFaceTB/SmolLM3-3B", "not the folder it was trained from"
    repo.change({"model.safetensors": b""})
    said = [check.sentence for check in (await plan_push(found, Weights.ADAPTER)).checks if check.level == "warn"]
    assert said == ["The repository also has a model: model.safetensors"]
    plan = await plan_push(found, Weights.NONE)
    assert plan.exists and set(plan.files) == {"README.md", "curves.png"}
    (found.project.folder / "recipe.yaml").write_text("beta: 0.2\n")
    await send(found, plan)
    assert "adapter_model.safetensors" in server.repos.all["model", MODEL].files, "what is there stays"


async def test_a_lost_answer_pushes_once(server: LocalHub, tmp_path: Path) -> None:
    """The commit is found by its title."""
    found = await opened(tmp_path)
    server.repos.faults = ["lost"]
    made = await send(found, await plan_push(found, Weights.FULL))
    repo = server.repos.all["model", MODEL]
    assert len(repo.commits) == 2 and made.commit == repo.refs["main"]


async def test_a_commit_that_never_arrived(server: LocalHub, tmp_path: Path) -> None:
    found = await opened(tmp_path)
    plan = await plan_push(found, Weights.FULL)
    server.spoil("POST", "/commit/", how="close")
    with pytest.raises(ServiceError, match="no commit was made"):
        await send(found, plan)
    assert "README.md" not in server.repos.all["model", MODEL].files and not kept(found.folder, "push")


async def test_no_permission(server: LocalHub, tmp_path: Path) -> None:
    """Somebody else's repository: I am warned before, and nothing is created."""
    found = await opened(tmp_path, settings='[submit]\nmodel = "carol/hers"\n')
    plan = await plan_push(found, Weights.FULL)
    assert any("somebody else's: carol/hers" in check.sentence for check in plan.checks)
    with pytest.raises(PermissionDeniedError):
        await send(found, plan)
    assert ("model", "carol/hers") not in server.repos.all


async def test_a_private_repository(server: LocalHub, tmp_path: Path) -> None:
    found = await opened(tmp_path, settings="[submit]\nprivate = true\n")
    plan = await plan_push(found, Weights.NONE)
    assert plan.private
    await send(found, plan)
    assert server.repos.all["model", MODEL].private


def _half(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-3])


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _garbage(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 99)


def _missing_shard(folder: Path) -> None:
    index = '{"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}'
    (folder / "model.safetensors.index.json").write_text(index)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_half, "model.safetensors is only partly written"),
        (_no_weights, "has no weights"),
        (_garbage, "model.safetensors is damaged"),
        (_missing_shard, "model-2.safetensors is missing"),
    ],
)
async def test_weights_that_are_not_whole(spoil: Any, words: str, server: LocalHub, tmp_path: Path) -> None:
    """Half-written files are noticed before anything is sent."""
    found = await opened(tmp_path)
    spoil(tmp_path / "project" / "out")
    plan = await plan_push(found, Weights.FULL)
    assert not plan.may_push and any(words in check.sentence for check in plan.checks)
    with pytest.raises(InputError):
        await send(found, plan)
    assert ("model", MODEL) not in server.repos.all


async def test_a_token_in_the_recipe_stops_the_push(server: LocalHub, tmp_path: Path) -> None:
    from tests.backends.publish.published import RECIPE

    found = await opened(tmp_path, recipe=f"{RECIPE}hub_token: hf_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3h\n")
    plan = await plan_push(found, Weights.NONE)
    assert not plan.may_push and any("token" in check.sentence for check in plan.checks if check.level == "stop")


async def test_an_edited_card_that_the_hub_refuses(server: LocalHub, tmp_path: Path) -> None:
    """I broke the metadata: it says so before anything is sent. Undone, the generated card is back."""
    project, engine, run = make_published(tmp_path / "project")
    found = await open_publication(project, engine, run)
    path = publishing.write_card_to_edit(found)
    assert publishing.drop_edited(found, only_if_same=True) and not path.exists(), "nothing was changed"
    publishing.write_card_to_edit(found)
    path.write_text(found.text.replace("license: ", "license: my-own-").replace('my-own-"', '"my-own-'))
    assert not publishing.drop_edited(found, only_if_same=True)
    edited = await open_publication(project, engine, run)
    assert edited.is_edited and "my-own" in edited.text
    plan = await plan_push(edited, Weights.FULL)
    assert not plan.may_push and any('"license" must be one of' in check.sentence for check in plan.checks)
    path.write_text("no metadata")
    plan = await plan_push(await open_publication(project, engine, run), Weights.FULL)
    assert any("must begin with" in check.sentence for check in plan.checks)
    assert publishing.drop_edited(edited)
    assert not (await open_publication(project, engine, run)).is_edited
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="edited card cannot be read"):
        await open_publication(project, engine, run)


async def test_a_card_that_was_edited_before_the_account_was_known(server: LocalHub, tmp_path: Path) -> None:
    """It says you/demo in the example: noticed before it is published."""
    recipe = "model_name_or_path: a/b\ndataset_name: c/d\noutput_dir: out\n"
    project, engine, run = make_published(tmp_path / "project", recipe=recipe)
    offline = await open_publication(project, engine, run, ask_hub=False)
    path = publishing.write_card_to_edit(offline)
    path.write_text(f"{offline.text}mine\n")
    plan = await plan_push(await open_publication(project, engine, run), Weights.FULL)
    assert not plan.may_push and any("names the repository you/demo" in check.sentence for check in plan.checks)
    path.write_text(path.read_text().replace("you/demo", "ada/demo"))
    assert (await plan_push(await open_publication(project, engine, run), Weights.FULL)).may_push


GSM8K = Benchmark(
    "lighteval 0.13.0", (), (BenchmarkRow("gsm8k|0", "extractive_match", 0.5534),), date="2026-11-29", dataset="ada/d"
)


async def test_results_of_registered_benchmarks(server: LocalHub, tmp_path: Path) -> None:
    """Only where the data set is a benchmark of the Hub, and its task is the one that was measured."""
    found = await opened(tmp_path)
    record = replace(found.gathered.record, benchmarks=(GSM8K,))
    found = replace(found, gathered=replace(found.gathered, record=record))
    assert ".eval_results/gsm8k.yaml" not in (await plan_push(found, Weights.NONE)).files
    bench = server.repos.add("dataset", "openai/gsm8k", {"eval.yaml": b"tasks:\n- id: other\n"})
    assert ".eval_results/gsm8k.yaml" not in (await plan_push(found, Weights.NONE)).files
    bench.change({"eval.yaml": b"name: GSM8K\ntasks:\n- id: gsm8k\n  config: main\n"})
    plan = await plan_push(found, Weights.NONE)
    await send(found, plan)
    assert b"value: 55.34" in server.repos.all["model", MODEL].files[".eval_results/gsm8k.yaml"]


async def test_offline_the_card_is_still_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing answers: the card has no license, and says so."""
    from tests.hub.server import use_hub

    use_hub("http://127.0.0.1:9", monkeypatch)
    found = await opened(tmp_path)
    assert "license:" not in found.text and "The license of the base model applies" in found.text
    assert found.repo == MODEL


async def test_where_the_model_goes(server: LocalHub, tmp_path: Path) -> None:
    """smoltui.toml, the last push, the recipe, or my account."""
    recipe = "model_name_or_path: a/b\ndataset_name: c/d\noutput_dir: out\n"
    project, engine, run = make_published(tmp_path / "project", recipe=recipe)
    assert (await open_publication(project, engine, run)).repo == "ada/demo"
    publishing.published.keep(publishing.run_store.run_dir(run.id), "push", {"repo": "lab/pushed"})
    assert (await open_publication(project, engine, run)).repo == "lab/pushed"
    (project.folder / "smoltui.toml").write_text('[submit]\nmodel = "lab/named"\n')
    found = await open_publication(project, engine, run)
    assert found.repo == "lab/named" and publishing.entry_of(found).username == "lab"
    assert slug("Größe .. x--y/z") == "Gr-e-x-y-z" and slug("a..b") == "a-b" and slug("…") == "model"


def test_a_model_folder_has_only_the_model(tmp_path: Path) -> None:
    from smoltui.backends.publish.push import model_files

    save_model(tmp_path)
    assert set(model_files(tmp_path)) == MODEL_FILES
    with pytest.raises(InputError):
        model_files(tmp_path / "gone")
