"""A plan is made once: what it shows is what runs, and no file is read twice for it."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.data_files import source
from smoltui.backends.data_files.source import PairsSpec, pairs_of
from smoltui.backends.guide.situation import count_pairs
from smoltui.backends.hub import client as hub
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.local.place import HERE
from smoltui.backends.pairs import curated
from smoltui.backends.pairs.counted import PairCounts
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.backends.pairs.opened_set import imported
from smoltui.backends.project import recipe_file
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import Content, RecipeFile, load_recipe
from smoltui.backends.runs import plan, preflight
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.plan import Plan, make_plan, settled
from smoltui.backends.runs.preflight import gather
from smoltui.backends.runs.spec import Options
from smoltui.backends.services import Services
from smoltui.backends.system import data_folder
from smoltui.cli import train
from smoltui.cli.main import run
from smoltui.core.machine.account import Account
from smoltui.core.pairs.curation import Decision, held_out, prompt_hash
from smoltui.core.pairs.preference import pair_of
from smoltui.core.preflight.check import Check
from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.run import Run
from smoltui.core.settings.settings import Settings
from smoltui.scripts.pair_format import content_hash
from tests.backends.runs.test_token_check import TOKEN
from tests.hub.server import Dataset, local_hub
from tests.paths import DEMO, FAKE_TRAINING
from tests.toy_engine import TOY, ToyEngine


@pytest.fixture
def demo(tmp_path: Path) -> Project:
    return Project(Path(shutil.copytree(DEMO, tmp_path / "project")))


@pytest.fixture
def rows(demo: Project) -> list[dict[str, Any]]:
    text = (demo.folder / "pairs" / "train.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def exclude(project: Project, *rows: dict[str, Any]) -> None:
    CurationFile(project.folder).append([Decision("exclude", content_hash(row)) for row in rows])


@pytest.fixture
def reads(demo: Project, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the files of the project are parsed, and its pairs curated."""
    found: Counter[str] = Counter()
    parse, loads, curate = recipe_file.parse, tomllib.loads, curated.curate
    own = demo.recipe_path.read_text("utf-8")

    def parsed(name: str, text: str) -> Content:
        found["recipe.yaml"] += text == own
        return parse(name, text)

    def loaded(text: str) -> dict[str, Any]:
        found["smoltui.toml"] += 1
        return loads(text)

    def made(*arguments: Any, **named: Any) -> Any:
        found["curate"] += 1
        return curate(*arguments, **named)

    monkeypatch.setattr(recipe_file, "parse", parsed)
    monkeypatch.setattr(tomllib, "loads", loaded)
    for module in (plan, curated):
        monkeypatch.setattr(module, "curate", made)
    return found


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, opening a file of pairs fails the test."""

    def refuse(*_: object) -> None:
        raise AssertionError("the source was read")

    return lambda: monkeypatch.setattr(source, "open_file", refuse)


@pytest.mark.parametrize("decided", [False, True])
def test_one_train_reads_each_file_once(
    demo: Project, rows: list[dict[str, Any]], reads: Counter[str], monkeypatch: pytest.MonkeyPatch, decided: bool
) -> None:
    """I train, with everything that is checked before and kept after: one look at each file."""
    if decided:
        exclude(demo, rows[0])
    plans: list[Plan] = []

    async def looked_at(plan: Plan, engine: Engine, *, force: bool) -> list[Check]:
        """Without a verdict: what trains may not be installed here."""
        plans.append(plan)
        await gather(plan, engine)
        return []

    monkeypatch.setattr(preflight, "check_plan", looked_at)
    monkeypatch.setattr(train, "default_services", lambda: Services({"local": LocalEngine(FAKE_TRAINING)}))
    assert run(["train", str(demo.folder), "--on", "local", "--json"]) == 0
    assert reads == {"recipe.yaml": 1, "smoltui.toml": 1, "curate": 1}
    (made,) = plans
    (run_id,) = run_store.run_ids()
    kept = data_folder.read_json(run_store.run_dir(run_id) / "spec.json")
    assert kept is not None and (kept["recipe"], kept["pairs_hash"]) == (made.spec.recipe, made.spec.pairs_hash)
    assert (kept["pairs_hash"] is not None) == decided


async def test_what_was_shown_is_what_runs(demo: Project, rows: list[dict[str, Any]]) -> None:
    """While I read the dialog somebody else edits every file of the project; my run is the one that I was shown."""
    exclude(demo, rows[0])
    shown = await make_plan(demo, HERE)
    recipe = demo.recipe_path.read_text("utf-8")
    demo.recipe_path.write_text(recipe.replace("beta:", "beta: 9 #"))
    (demo.folder / "smoltui.toml").write_text("[local]\nprocesses = 2\n")
    exclude(demo, *rows[1:5])
    begun = await LocalEngine(FAKE_TRAINING).submit(await settled(shown))
    folder = run_store.run_dir(begun.id)
    spec = data_folder.read_json(folder / "spec.json")
    assert spec is not None and "1 excluded" in spec["pairs_from"] and spec["processes"] == 1
    given = load_recipe(folder / "recipe.yaml").values
    assert given["beta"] == shown.values["beta"]
    assert shown.pairs.sentence == spec["pairs_from"] and shown.pairs.rows == len(rows) - 1


async def test_a_set_on_the_hub_is_curated_by_the_decisions_that_were_shown(
    demo: Project, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not opened before I say yes; what I decide after that is for the next run."""
    opened = []

    def hub_set(spec: PairsSpec, folder: Path) -> curated.PairSet:
        opened.append(spec.source)

        def pairs() -> Iterator[Any]:
            for index, row in enumerate(rows):
                yield pair_of(index, row), content_hash(row), True

        return curated.PairSet("owner/name, train", "conversational", False, lambda: len(rows), pairs)

    monkeypatch.setattr(curated, "open_source", hub_set)
    exclude(demo, rows[0])
    shown = await make_plan(demo, HERE, Options({"dataset_name": "owner/name", "eval_strategy": "no"}))
    assert opened == [] and shown.spec.pairs_hash is None
    assert shown.pairs.sentence == "owner/name, curated when the run starts: 1 excluded"
    exclude(demo, *rows[1:5])
    spec = await settled(shown)
    assert opened == ["owner/name"] and spec.pairs_hash and spec.label == shown.spec.label
    assert spec.pairs_from == f"{len(rows) - 1} pairs of owner/name, train, curated: 1 excluded"


async def test_a_set_on_the_hub_has_the_number_of_its_last_reading(
    demo: Project, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_machine: Path
) -> None:
    """I looked through it, from another folder: steps, lengths and checklist are known before it is opened again."""
    values = {"dataset_name": "owner/name", "eval_strategy": "no"}
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(own_machine / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with local_hub(monkeypatch) as server:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        server.datasets["owner/name"] = Dataset({"train.jsonl": text.encode()})
        assert (await make_plan(demo, HERE, Options(values))).pairs.rows is None
        imported(PairsSpec("owner/name"), tmp_path)
    shown = (await make_plan(demo, HERE, Options(values))).pairs
    assert shown.rows == len(rows) and shown.sizes is not None and shown.decided is None
    assert shown.sentence == f"{len(rows)} pairs of owner/name, train, as last read here"
    exclude(demo, rows[0])
    CurationFile(demo.folder).append([Decision("hold_out", share=0.5, seed=1, of="owner/name train")])
    shown = (await make_plan(demo, HERE, Options(values))).pairs
    held = sum(held_out(prompt_hash(pair_of(0, row).prompt), 1, 0.5) for row in rows[1:])
    assert shown.rows == len(rows) - 1 - held and shown.decided is not None
    assert shown.sentence.endswith("; curated when the run starts: 1 excluded, 50 % of the prompts held out")
    demo.recipe_path.write_text("model_name_or_path: model\ndataset_name: owner/name\neval_strategy: 'no'\n")
    counts = PairCounts()
    known, _ = count_pairs(demo, counts)
    assert known is not None and known.train == counts.rows(demo, values, Settings()) == len(rows)


async def test_a_run_from_a_record_is_curated_as_the_files_are_now(demo: Project, rows: list[dict[str, Any]]) -> None:
    """I rerun a run that trained on everything, and have excluded a pair since."""
    engine = LocalEngine(FAKE_TRAINING)
    first = await engine.submit((await make_plan(demo, HERE)).spec)
    assert first.raw["spec"]["pairs_hash"] is None
    exclude(demo, rows[0])
    second = await engine.rerun(first.id)
    assert isinstance(second, Run) and "1 excluded" in second.raw["spec"]["pairs_from"]


async def test_an_imported_set_is_not_read_again(demo: Project, unread: Callable[[], None]) -> None:
    """t on a set that I looked through: rows and broken lines are known from there."""
    wanted = pairs_of(load_recipe(demo.recipe_path).values)
    assert wanted is not None
    before = await make_plan(demo, HERE)
    imported(wanted, demo.folder)
    unread()
    assert (await make_plan(demo, HERE)).pairs == before.pairs
    assert before.pairs.sentence == f"{before.pairs.rows} pairs in pairs, train"


async def test_a_curated_set_that_is_there_is_not_made_again(
    demo: Project, rows: list[dict[str, Any]], unread: Callable[[], None]
) -> None:
    exclude(demo, rows[0])
    before = await make_plan(demo, HERE)
    unread()
    again = await make_plan(demo, HERE)
    assert (again.pairs, again.spec.pairs_hash) == (before.pairs, before.spec.pairs_hash)


async def test_with_a_token_in_a_file_nothing_is_looked_at_or_written(
    demo: Project, rows: list[dict[str, Any]], unread: Callable[[], None]
) -> None:
    exclude(demo, rows[0])
    demo.recipe_path.write_text(demo.recipe_path.read_text("utf-8") + f"# {TOKEN}\n")
    unread()
    found = await make_plan(demo, HERE)
    assert found.leaks and found.pairs.problem is None and not curated.folder().exists()
    assert (await gather(found, LocalEngine())).leaks == found.leaks


async def test_no_text_is_parsed_twice(
    demo: Project, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed recipe, curated pairs, a free folder: each edit is proved by parsing its result, once."""
    exclude(demo, rows[0])
    (demo.folder / "aligned").mkdir()
    (demo.folder / "aligned" / "config.json").write_text("{}")
    texts: list[str] = []
    parse = recipe_file.parse

    def parsed(name: str, text: str) -> Content:
        texts.append(text)
        return parse(name, text)

    monkeypatch.setattr(recipe_file, "parse", parsed)
    found = await make_plan(demo, HERE, Options({"beta": 0.2}), free_output=True)
    assert texts[-1] == found.spec.recipe and len(texts) == len(set(texts)) > 3
    assert await settled(found) == found.spec and texts[-1] == found.spec.recipe


class Rented(ToyEngine):
    """A service that costs money, with an account and flavors of its own."""

    place = replace(TOY, pays=True, can=frozenset({"hardware"}))

    async def account(self) -> Account:
        return Account("carol", token_role="write")

    async def hardware(self) -> list[Flavor]:
        return [Flavor("a100-large", "", "", None, "A100", 1, 80 << 30, 9.0, 0.0)]


async def test_an_engine_is_asked_for_its_own_account_and_prices(
    demo: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks of a paid run name the account and the price of the engine that would run it, never the Hub's."""
    monkeypatch.setattr(hub, "session", None)
    engine = Rented()
    facts = await gather(await make_plan(demo, engine.place), engine)
    assert facts.account == await engine.account() and facts.flavors_known
    assert facts.flavor is not None and facts.flavor.usd_per_minute == 9.0


async def test_a_free_folder_beside_a_model(demo: Project) -> None:
    """The plan, and the copy of the recipe that runs, name the folder that is free."""
    taken = demo.folder / "aligned"
    taken.mkdir()
    (taken / "config.json").write_text("{}")
    found = await make_plan(demo, HERE, free_output=True)
    assert found.spec.output_dir == f"{taken}-2" and found.values["output_dir"] == f"{taken.name}-2"
    assert RecipeFile(Path("recipe.yaml"), found.spec.recipe, "").values == found.values
    assert (await make_plan(demo, HERE)).spec.output_dir == str(taken), "only where that is asked for"


async def test_what_is_wrong_with_the_pairs_is_in_the_plan(demo: Project) -> None:
    train = demo.folder / "pairs" / "train.jsonl"
    train.write_text(train.read_text("utf-8") + '{"torn\n')
    found = await make_plan(demo, HERE, counts=PairCounts())
    assert found.pairs.problem is not None and "train.jsonl" in found.pairs.problem.sentence
    assert found.pairs.problem.fix.startswith("One such line stops the training.")


@pytest.mark.parametrize(
    ("arguments", "settings"), [(["check"], 1), (["check", "--on", "hub"], 1), (["command"], 1), (["show"], 0)]
)
def test_the_recipe_commands_read_each_file_once(
    demo: Project, reads: Counter[str], arguments: list[str], settings: int
) -> None:
    run(["recipe", arguments[0], str(demo.folder), *arguments[1:], "--json"])
    assert (reads["recipe.yaml"], reads["smoltui.toml"]) == (1, settings)


def test_the_pairs_command_reads_each_file_once(demo: Project, reads: Counter[str]) -> None:
    assert run(["pairs", str(demo.folder), "--json"]) == 0
    assert reads == {"recipe.yaml": 1, "smoltui.toml": 1}
