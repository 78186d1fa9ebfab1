"""A run trains on exactly the pairs that were decided on, and a project without decisions on what its recipe says."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.data_files.source import PairsSpec, open_pairs, pairs_of
from smoltui.backends.jobs.place import JOBS
from smoltui.backends.jobs.shipment import pack
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.local.place import HERE
from smoltui.backends.pairs import curated
from smoltui.backends.pairs.curated import curate, curated_spec, open_source, set_name
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.backends.pairs.export import export_pairs, read_export
from smoltui.backends.pairs.opened_set import imported
from smoltui.backends.pairs.set_export import export_set
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import RecipeFile, load_recipe
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.plan import make_plan
from smoltui.backends.runs.preflight import gather
from smoltui.backends.system import data_folder
from smoltui.core.pairs.curation import Curation, Decision, HoldOut
from smoltui.core.pairs.preference import pair_of
from smoltui.core.preflight.preflight import preflight
from smoltui.core.runs import events
from smoltui.core.runs.run import Run, RunSpec
from smoltui.errors import PairsError, RecipeError
from smoltui.scripts.pair_choices import unfold
from smoltui.scripts.pair_format import content_hash, to_conversation
from tests.backends.pairs.test_export import SHAPES
from tests.backends.runs.specs import make_spec
from tests.marks import needs_training
from tests.paths import DEMO, FAKE_TRAINING
from tests.scripts.running import Ran, in_prepared, run

FAKE_SCRIPT = FAKE_TRAINING


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def values(spec: RunSpec) -> dict[str, Any]:
    return RecipeFile(Path("recipe.yaml"), spec.recipe, "").values


def decide(project: Project, *decisions: Decision) -> Curation:
    return CurationFile(project.folder).append(decisions)


def write(path: Path, rows: list[Any]) -> list[str]:
    """The content hashes of the rows of a new file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return [content_hash(row) for row in rows]


def complaints(ran: Ran) -> list[str]:
    """What was said on stderr, but for transformers' words about itself and about texts beyond its length."""
    return [
        line
        for line in ran.errors.splitlines()
        if line.strip() and "transformers" not in line and line.strip() != "warnings.warn("
    ]


def transcript(asked: str, one: str = "Gladly.", two: str = "No.") -> dict[str, str]:
    return {side: f"\n\nHuman: {asked}\n\nAssistant: {said}" for side, said in (("chosen", one), ("rejected", two))}


def small(folder: Path, recipe: str) -> Project:
    """A project with this recipe, beside which the pairs of a test are written."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(f"model_name_or_path: model\noutput_dir: aligned\n{recipe}", "utf-8")
    return Project(folder)


@pytest.fixture
def demo(tmp_path: Path) -> Project:
    return Project(Path(shutil.copytree(DEMO, tmp_path / "project")))


@pytest.fixture
def keys(demo: Project) -> list[str]:
    """Content hashes of the demo's training pairs."""
    return [content_hash(row) for row in lines(demo.folder / "pairs" / "train.jsonl")]


class TestUncurated:
    """Nothing is converted, copied or renamed where nothing was decided."""

    def test_no_decisions(self, demo: Project) -> None:
        spec = make_spec(demo, HERE)
        assert curated_spec(spec) is spec and curate(demo, values(spec)) is None

    @pytest.mark.parametrize("act", ["note", "pin", "exclude"])
    def test_decisions_that_do_not_touch_these_pairs(self, demo: Project, keys: list[str], act: str) -> None:
        """A note changes nothing, and neither do pairs of another set that I decided about."""
        decide(demo, Decision(act, "0" * 32 if act == "exclude" else keys[0], note="n" if act == "note" else None))
        spec = make_spec(demo, HERE)
        assert curated_spec(spec) is spec
        assert curated_spec(spec) is spec, "the second time it is known"
        left = {path.name for path in curated.folder().iterdir()} if curated.folder().exists() else set()
        assert left <= {".known"}, "nothing was kept"

    def test_what_was_included_again_or_held_out_no_more(self, demo: Project, keys: list[str]) -> None:
        of = set_name(PairsSpec("pairs", split="train"), demo.folder)
        decide(demo, Decision("exclude", keys[0]), Decision("include", keys[0]))
        decide(demo, Decision("hold_out", of=of, share=0.1, seed=1), Decision("hold_out", of=of, share=0.0))
        spec = make_spec(demo, HERE)
        assert curated_spec(spec) is spec and not curated.folder().exists()


class TestCurated:
    def test_excluded_and_swapped(self, demo: Project, keys: list[str]) -> None:
        """I leave two pairs out and swap one; the test split that the set has by itself is measured on as before."""
        before = demo.recipe_path.read_bytes()
        decide(demo, Decision("exclude", keys[0]), Decision("exclude", keys[5]), Decision("swap", keys[9]))
        spec = make_spec(demo, HERE)
        made = curated_spec(spec)
        assert demo.recipe_path.read_bytes() == before
        old, new = values(spec), values(made)
        folder = Path(new["dataset_name"])
        assert folder.parent == data_folder.home() / "pairs" and folder.name == made.pairs_hash
        assert new == {**old, "dataset_name": str(folder)}, "everything else is unchanged"
        assert "# pull towards the reference model" in made.recipe
        train, source = lines(folder / "train.jsonl"), lines(demo.folder / "pairs" / "train.jsonl")
        assert len(train) == len(source) - 2
        assert train[0] == source[1] and train[7]["chosen"] == source[9]["rejected"]
        assert lines(folder / "test.jsonl") == lines(demo.folder / "pairs" / "test.jsonl")
        assert made.pairs_from == (
            f"{len(train)} pairs of pairs, train, curated: 2 excluded, 1 swapped, "
            f"{len(lines(folder / 'test.jsonl'))} held out"
        )
        assert curated_spec(made) is made

    def test_it_is_made_once(self, demo: Project, keys: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        decide(demo, Decision("exclude", keys[0]))
        first = curate(demo, values(make_spec(demo, HERE)))
        assert first is not None

        def again(*_: Any, **__: Any) -> None:
            raise AssertionError("it was exported again")

        with monkeypatch.context() as patched:
            patched.setattr(curated, "export_pairs", again)
            assert curate(demo, values(make_spec(demo, HERE))) == first
        (first.exported.folder / "train.jsonl").write_text("{}\n")  # somebody tidied up
        rewritten = curate(demo, values(make_spec(demo, HERE)))
        assert rewritten == first and read_export(first.exported.folder) is not None
        decide(demo, Decision("exclude", keys[1]))
        other = curate(demo, values(make_spec(demo, HERE)))
        assert other is not None and other.exported.hash != first.exported.hash

    def test_the_same_pairs_in_another_form_do_not_mix(self, tmp_path: Path) -> None:
        """Texts and messages of one pair have one hash; who trains on texts must not be given messages."""
        row = {"prompt": "Hi", "chosen": "Hello.", "rejected": "Go."}
        other = {"prompt": "Bye", "chosen": "Bye.", "rejected": "So."}
        found = []
        for name, rows in (
            ("texts", [row, other]),
            (
                "instruction",
                [
                    {"instruction": each["prompt"], "chosen": each["chosen"], "rejected": each["rejected"]}
                    for each in (row, other)
                ],
            ),
        ):
            project = small(tmp_path / name, "dataset_name: pairs\n")
            hashes = write(project.folder / "pairs" / "train.jsonl", rows)
            decide(project, Decision("exclude", hashes[1]))
            found.append(curate(project, load_recipe(project.recipe_path).values))
        one, two = found
        assert one is not None and two is not None
        assert one.exported.hash == two.exported.hash and one.exported.folder != two.exported.folder
        assert lines(one.exported.folder / "train.jsonl") == [row]
        (message,) = lines(two.exported.folder / "train.jsonl")
        assert message["chat_template_kwargs"] == {"enable_thinking": False}

    @pytest.mark.parametrize("evaluates", [True, False])
    def test_a_held_out_split(self, demo: Project, evaluates: bool) -> None:
        """A tenth of the prompts is held out; without a measuring the run still does not train on them."""
        decide(demo, Decision("hold_out", of="pairs train", share=0.1, seed=3))
        spec = make_spec(demo, HERE, overrides={"eval_strategy": "epoch" if evaluates else "no"})
        made = curated_spec(spec)
        found = read_export(Path(values(made)["dataset_name"]))
        assert found is not None and found.test > 0 and found.train + found.test == found.rows
        assert made.pairs_hash == (found.hash if evaluates else found.train_hash)
        assert found.hash != found.train_hash

    def test_a_set_of_one_file(self, tmp_path: Path) -> None:
        """`datasets:` names a file; it has no held-out split until I carve one, and the run needs one or none."""
        project = small(
            tmp_path / "p",
            "datasets:\n- path: json\n  data_files: hh.jsonl\n  split: train\neval_strategy: steps\nbeta: 0.1\n",
        )
        hashes = write(project.folder / "hh.jsonl", [transcript(f"Question {number}?") for number in range(60)])
        decide(project, Decision("exclude", hashes[3]))
        with pytest.raises(RecipeError, match=r"measures on held-out pairs, but hh\.jsonl has none") as caught:
            curated_spec(make_spec(project, HERE))
        assert "Pairs room" in caught.value.hint
        decide(project, Decision("hold_out", of=set_name(PairsSpec("hh.jsonl"), project.folder), share=0.2, seed=1))
        made = curated_spec(make_spec(project, HERE))
        new = values(made)
        assert "datasets" not in new and new["dataset_train_split"] == "train" and new["dataset_test_split"] == "test"
        found = read_export(Path(new["dataset_name"]))
        assert found is not None and (found.rows, found.excluded, found.train + found.test) == (60, 1, 59)
        assert lines(found.folder / "train.jsonl")[0]["chat_template_kwargs"] == {"enable_thinking": False}

    def test_the_name_of_a_set_is_that_of_the_room(self, demo: Project) -> None:
        """However it is opened: as the recipe names it, by an absolute path, split by split."""
        for spec in (PairsSpec("pairs", split="train"), PairsSpec(str(demo.folder / "pairs"), split="train")):
            opened = open_pairs(spec.source, split=spec.split, base=demo.folder)
            assert set_name(spec, demo.folder) == f"{opened.name} {opened.split}" == "pairs train"
        file = demo.folder / "pairs" / "test.jsonl"
        mixed = pairs_of({"datasets": [{"path": "json", "data_files": "pairs/test.jsonl"}]})
        assert mixed is not None
        assert set_name(mixed, demo.folder) == set_name(PairsSpec(str(file)), demo.folder) == "test.jsonl train"
        assert set_name(PairsSpec("owner/name", split="test"), demo.folder) == "owner/name test"

    def test_a_mixture_with_fractions(self, tmp_path: Path) -> None:
        """TRL takes the first rows of each set, as many as the smallest allows; curated, they are the same rows."""
        project = small(
            tmp_path / "p",
            "datasets:\n- path: json\n  data_files: a.jsonl\n  fraction: 1\n"
            "- path: json\n  data_files: b.jsonl\n  fraction: 3\n",
        )
        first = write(project.folder / "a.jsonl", [transcript(f"A {number}?") for number in range(10)])
        second = write(project.folder / "b.jsonl", [transcript(f"B {number}?") for number in range(12)])
        decide(project, Decision("exclude", second[1]))
        made = curate(project, load_recipe(project.recipe_path).values)
        assert made is not None and (made.exported.rows, made.exported.train) == (16, 15)  # 4 of a, 12 of b
        wanted = [*first[:4], second[0], *second[2:]]
        assert [content_hash(row) for row in lines(made.exported.folder / "train.jsonl")] == wanted

    def test_columns_that_i_named(self, tmp_path: Path) -> None:
        """TRL cannot read my columns; with their names in smoltui.toml the run trains on them, without any decision."""
        project = small(tmp_path / "p", "dataset_name: pairs\n")
        write(
            project.folder / "pairs" / "train.jsonl",
            [{"q": [{"role": "user", "content": "Hi"}], "good": "Yes", "bad": "No"}],
        )
        (project.folder / "smoltui.toml").write_text(
            '[pairs.columns]\nprompt = "q"\nchosen = "good"\nrejected = "bad"\n'
        )
        made = curated_spec(make_spec(project, HERE))
        (row,) = lines(Path(values(made)["dataset_name"]) / "train.jsonl")
        assert row["prompt"] == [{"role": "user", "content": "Hi"}] and row["chosen"][0]["content"] == "Yes"
        settings = (project.folder / "smoltui.toml").read_text()
        (project.folder / "smoltui.toml").write_text(f'[pairs]\nsource = "other.jsonl"\n{settings}')
        spec = make_spec(project, HERE)
        with pytest.raises(PairsError):  # the names are those of the other set's columns
            decide(project, Decision("exclude", "0" * 32))
            curated_spec(spec)

    def test_texts_stay_texts_only_if_all_rows_are(self, tmp_path: Path) -> None:
        """One row in another form, and all become conversations, as in the script; each is exactly what it says."""
        project = small(tmp_path / "p", "dataset_name: pairs\n")
        texts = [{"prompt": f"p{number}", "chosen": "a", "rejected": "b"} for number in range(3)]
        templated = "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
        odd: list[dict[str, Any]] = [
            {**texts[0], "prompt": templated},
            {**texts[0], "chosen": json.dumps([{"role": "assistant", "content": "in a cell"}])},
            {**texts[0], "rejected": ["c", "d"]},
            {**texts[0], "system": "Be brief."},
            {**texts[0], "history": [["Hi", "Hello"]]},
        ]
        decide(project, Decision("exclude", content_hash(texts[1])))
        for row in (None, *odd):
            rows = [*texts, *([row] if row else [])]
            write(project.folder / "pairs" / "train.jsonl", rows)
            made = lines(Path(values(curated_spec(make_spec(project, HERE)))["dataset_name"]) / "train.jsonl")
            wanted = [pair for one in rows if one is not texts[1] for pair in unfold(one)]
            assert [to_conversation(pair) for pair in made] == [to_conversation(pair) for pair in wanted], row
            if row is None:
                assert made == [texts[0], texts[2]]
            else:
                assert all(pair["chat_template_kwargs"] == {"enable_thinking": False} for pair in made), row

    def test_messages_are_kept_only_if_all_rows_are_in_trls_form(self, tmp_path: Path) -> None:
        """An unusable or excluded odd row changes nothing; a usable one turns thinking off in the silent rows."""
        project = small(tmp_path / "p", "dataset_name: pairs\n")
        says = {"user": "Why?", "assistant": "So."}
        one, other = ([{"role": role, "content": text}] for role, text in says.items())
        own = {"prompt": one, "chosen": other, "rejected": [{**other[0], "content": "No."}]}
        whole = {**own, "chosen": [*one, {**other[0], "content": "It is."}], "rejected": [*one, *own["rejected"]]}
        decide(project, Decision("swap", content_hash(own)))
        for row, converted in (({**own, "chosen": []}, False), (whole, True)):
            write(project.folder / "pairs" / "train.jsonl", [own, row])
            made = lines(Path(values(curated_spec(make_spec(project, HERE)))["dataset_name"]) / "train.jsonl")
            assert ["chat_template_kwargs" in pair for pair in made] == [converted] * (2 if converted else 1)
            assert made[0]["chosen"] == own["rejected"]

    def test_pairs_made_as_smoltui_toml_says(self, tmp_path: Path) -> None:
        """Winner, pick and margin: the run trains on exactly these pairs; its record and the card say how."""
        project = small(tmp_path / "p", "dataset_name: pairs\n")
        rows = [
            {"ask": f"q{number}", "out": [{"text": f"{number} {score}", "stars": score} for score in scores]}
            for number, scores in enumerate([(1, 5, 3), (2, 2), (4, 3.5)])
        ]
        write(project.folder / "pairs" / "train.jsonl", rows)
        (project.folder / "smoltui.toml").write_text(
            '[pairs]\nanswers = ["out"]\nscore = "stars"\npick = "best-each"\nmin_margin = 1\n'
            '[pairs.columns]\nprompt = "ask"\n'
        )
        made = curated_spec(make_spec(project, HERE))
        folder = Path(values(made)["dataset_name"])
        said = [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in lines(folder / "train.jsonl")]
        assert said == [("0 5", "0 3"), ("0 5", "0 1")]
        how = (
            "made from its rows: prompt from ask; answers in out; score in stars; "
            "the best answer against each of the others; a margin of 1 at least"
        )
        assert made.pairs_from is not None and made.pairs_from.endswith(f"curated: 2 unusable; {how}")
        card = (folder / "README.md").read_text()
        assert "the best answer against each of the others" in card and "tie: 1" in card and "too close: 1" in card
        assert curated_spec(make_spec(project, HERE)).pairs_from == made.pairs_from  # known now
        text = (project.folder / "smoltui.toml").read_text()
        (project.folder / "smoltui.toml").write_text(text.replace("best-each", "best-worst"))
        assert curated_spec(make_spec(project, HERE)).pairs_hash != made.pairs_hash

    def test_all_left_out_is_said_before_anything_starts(self, demo: Project, keys: list[str]) -> None:
        decide(demo, *(Decision("exclude", key) for key in keys))
        with pytest.raises(PairsError, match="are left to train on"):
            curated_spec(make_spec(demo, HERE))
        assert not list(curated.folder().glob("*"))

    def test_a_share_that_holds_out_nothing_is_said(self, tmp_path: Path) -> None:
        project = small(tmp_path / "p", "dataset_name: pairs\neval_strategy: epoch\n")
        write(project.folder / "pairs" / "train.jsonl", [transcript("Hi?"), transcript("Yo?")])
        decide(project, Decision("hold_out", of="pairs train", share=1e-9, seed=1))
        with pytest.raises(PairsError, match="none are left") as caught:
            curated_spec(make_spec(project, HERE))
        assert "larger test set" in caught.value.hint


class TestStarting:
    """What the dialog says, what a run on this machine keeps, and what a Job is given."""

    async def test_preflight_says_what_is_trained_on(self, demo: Project, keys: list[str]) -> None:
        decide(demo, Decision("exclude", keys[0]), Decision("swap", keys[1]))
        decide(demo, Decision("hold_out", of="pairs train", share=0.1, seed=3))
        facts = await gather(await make_plan(demo, HERE), LocalEngine())
        (made,) = (found for path in curated.folder().iterdir() if (found := read_export(path)))
        wanted = f"{made.train} pairs of pairs, train, curated: 1 excluded, 1 swapped, {made.test} held out"
        assert made.train + made.test + 1 == len(keys)
        (line,) = (check for check in preflight(facts) if check.name == "pairs")
        assert line.sentence == wanted

    async def test_preflight_of_a_set_on_the_hub_opens_nothing(self, tmp_path: Path) -> None:
        project = small(tmp_path / "p", "dataset_name: owner/name\n")
        decide(project, Decision("exclude", "0" * 32), Decision("hold_out", of="owner/name train", share=0.05, seed=1))
        facts = await gather(await make_plan(project, HERE), LocalEngine())
        assert facts.pairs == ("owner/name, curated when the run starts: 1 excluded, 5 % of the prompts held out")

    async def test_a_local_run_keeps_what_it_was_given(self, demo: Project, keys: list[str]) -> None:
        decide(demo, Decision("exclude", keys[0]))
        run = await LocalEngine(FAKE_SCRIPT).submit((await make_plan(demo, HERE)).spec)
        folder = run_store.run_dir(run.id)
        spec = data_folder.read_json(folder / "spec.json")
        assert spec is not None and spec["pairs_from"].endswith("held out") and "1 excluded" in spec["pairs_from"]
        given = load_recipe(folder / "recipe.yaml").values
        assert given["dataset_name"] == str(curated.folder() / spec["pairs_hash"])

    def test_a_job_is_given_the_curated_pairs_and_not_the_others(self, demo: Project, keys: list[str]) -> None:
        """All of it goes where the shipment goes, which is a private bucket; what I excluded stays at home."""
        rows = lines(demo.folder / "pairs" / "train.jsonl")
        decide(demo, Decision("exclude", keys[0]))
        spec = curated_spec(replace(make_spec(demo, JOBS), flavor="cpu-basic", timeout_seconds=60))
        shipped = pack(spec)
        place = values(replace(spec, recipe=shipped.recipe))["dataset_name"]
        assert place.startswith("outside/") and place.endswith(str(spec.pairs_hash))
        assert {f"{place}/{name}" for name in ("train.jsonl", "test.jsonl", "README.md")} <= set(shipped.files)
        assert not any(name.startswith("pairs/") for name in shipped.files) and "curation.jsonl" not in shipped.files
        data = shipped.files[f"{place}/train.jsonl"]
        assert isinstance(data, Path)
        assert rows[0] not in lines(data) and rows[1:] == lines(data)

    def test_a_run_tells_the_hash_of_its_plan(self) -> None:
        run = Run("r", "local", "n", "RUNNING")
        assert run.summary()["pairs_hash"] is None
        assert run.after(events.Planned(max_steps=2, pairs_hash="ab" * 16)).summary()["pairs_hash"] == "ab" * 16


@needs_training
class TestTrained:
    """The script says of what it trains on the hash that the export has."""

    def test_every_form_loads_with_the_same_hash(self, tmp_path: Path) -> None:
        odd = '\u2028 \x00 é 🙂 2024-01-01 \\n "q" \r\n'
        rows = [
            {"prompt": f"{odd}{number}", "chosen": f"a{odd}", "rejected": f"b{odd}", "system": "Be kind."}
            for number in range(30)
        ]
        wanted = {}
        for name, kind, texts in (("lines", "jsonl", False), ("columns", "parquet", False), ("texts", "jsonl", True)):
            made = export_pairs(
                [(pair_of(0, row), content_hash(row)) for row in rows],
                Curation(),
                out=tmp_path / name,
                kind=kind,  # type: ignore[arg-type]
                name="n",
                schema="standard",
                thinking_off=not texts,
                hold_out=HoldOut(0.3, 1),
                texts=texts,
            )
            assert made is not None and made.test
            wanted[name] = [made.hash, made.train_hash]
        found = in_prepared(
            f"""
            import json
            from datasets import load_dataset
            import dpo
            found = {{}}
            for name in {list(wanted)!r}:
                rows = load_dataset({str(tmp_path)!r} + "/" + name)
                assert sorted(rows) == ["test", "train"], rows
                found[name] = [dpo.pairs_hash(rows["train"], rows["test"]), dpo.pairs_hash(rows["train"], None)]
            streamed = load_dataset({str(tmp_path)!r} + "/lines", streaming=True)["train"]
            assert dpo.pairs_hash(streamed, None) is None
            print(json.dumps(found))
            """
        )
        assert found == wanted

    def test_the_demo_curated_and_trained(self, demo: Project, keys: list[str], own_machine: Path) -> None:
        """Two steps on a curated set: its hash is in the plan, and TRL has nothing to complain about."""
        decide(demo, Decision("exclude", keys[0]), Decision("swap", keys[1]))
        decide(demo, Decision("hold_out", of="pairs train", share=0.05, seed=3))
        spec = curated_spec(make_spec(demo, HERE, overrides={"max_steps": 2}))
        recipe = own_machine / "recipe.yaml"
        recipe.write_text(spec.recipe, "utf-8")
        ran = run("dpo.py", "--config", recipe, "--work-dir", demo.folder, "--output-dir", demo.folder / "aligned")
        assert ran.code == 0, ran.errors
        (plan,) = ran.of(events.Planned)
        made = read_export(Path(values(spec)["dataset_name"]))
        assert made is not None and plan.pairs_hash == made.hash == spec.pairs_hash
        assert (plan.train_pairs, plan.held_out_pairs, plan.left_out) == (made.train, made.test, {})
        assert not complaints(ran)

    def test_real_transcripts_exported_and_trained(self, demo: Project, shared_data: Path) -> None:
        """hh-rlhf, exported by hand into the project; the recipe names the folder as the card says."""
        opened = open_source(PairsSpec(str(shared_data / "hh_harmless_test.jsonl.gz")), demo.folder)
        made = export_pairs(
            ((pair, digest) for pair, digest, _ in opened.pairs()),
            Curation(),
            out=demo.folder / "hh",
            name=opened.name,
            schema=opened.schema,
            thinking_off=opened.thinking_off,
            hold_out=HoldOut(0.02, 42),
        )
        assert made is not None
        ran = run(
            "dpo.py",
            "--config",
            demo.recipe_path,
            "--dataset_name",
            "hh",
            "--max_steps",
            "2",
            "--per_device_train_batch_size",
            "2",
        )
        assert ran.code == 0, ran.errors
        (plan,) = ran.of(events.Planned)
        assert plan.pairs_hash == made.hash
        assert set(plan.left_out) <= {"prompt longer than max_length"}
        assert not complaints(ran)

    def test_every_shape_trains(self, demo: Project, own_machine: Path) -> None:
        """A small file of each shape, opened, imported and exported; two steps see all of their pairs."""
        lines_of_all = []
        for schema, row in SHAPES.items():
            path = demo.folder / "raw" / f"{schema}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps([row]), "utf-8")
            opened = imported(PairsSpec(str(path)), demo.folder)
            assert opened.schema == schema
            made = export_set(opened, Curation(), demo.folder / "exported" / schema)
            assert made is not None and made.train == 1
            (line,) = lines(made.folder / "train.jsonl")
            assert content_hash(line) == content_hash(row)
            lines_of_all.append({**line, "chat_template_kwargs": {"enable_thinking": False}})
        write(demo.folder / "all" / "train.jsonl", lines_of_all)
        ran = run(
            "dpo.py",
            "--config",
            demo.recipe_path,
            "--dataset_name",
            "all",
            "--eval_strategy",
            "no",
            "--max_steps",
            "2",
            "--per_device_train_batch_size",
            str(-(-len(SHAPES) // 2)),
        )
        assert ran.code == 0, ran.errors
        (plan,) = ran.of(events.Planned)
        assert (plan.train_pairs, plan.left_out) == (len(SHAPES), {})
        assert not complaints(ran)
