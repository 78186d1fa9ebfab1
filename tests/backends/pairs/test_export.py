"""Exporting curated pairs: the same pairs come back, in TRL's form, whole or not at all."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.data_files.source import PairsSpec, open_pairs
from smoltui.backends.pairs import export_files
from smoltui.backends.pairs.curated import open_source
from smoltui.backends.pairs.export import Exported, Row, export_pairs, read_export
from smoltui.core.pairs.curation import Curation, Decision, HoldOut
from smoltui.core.pairs.facts import sound
from smoltui.core.pairs.preference import pair_of
from smoltui.errors import InputError, PairsError
from smoltui.scripts.pair_format import content_hash, schema_of, to_conversation
from smoltui.scripts.pair_shapes import SCHEMAS

USER, ANSWER, OTHER = "How do I cook rice?", "Boil it in water.", "No idea, ask somebody else."


def turn(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def said(text: str) -> list[dict[str, str]]:
    return [turn("assistant", text)]


SHAPES: dict[str, dict[str, Any]] = {
    "standard": {"prompt": USER, "chosen": ANSWER, "rejected": OTHER},
    "standard-implicit": {"chosen": f"{USER} {ANSWER}", "rejected": f"{USER} {OTHER}"},
    "conversational": {"prompt": [turn("user", USER)], "chosen": said(ANSWER), "rejected": said(OTHER)},
    "conversational-implicit": {
        "chosen": [turn("user", USER), *said(ANSWER)],
        "rejected": [turn("user", USER), *said(OTHER)],
    },
    "messages": {"messages": [turn("user", USER)], "chosen": said(ANSWER), "rejected": OTHER},
    "text-prompt": {
        "prompt": USER,
        "chosen": [turn("user", USER), *said(ANSWER)],
        "rejected": [turn("user", USER), *said(OTHER)],
        "score_chosen": 8.5,
    },
    "hh-rlhf": {
        "chosen": f"\n\nHuman: {USER}\n\nAssistant: {ANSWER}",
        "rejected": f"\n\nHuman: {USER}\n\nAssistant: {OTHER}",
    },
    "sharegpt": {
        "conversations": [{"from": "human", "value": USER}],
        "chosen": {"from": "gpt", "value": ANSWER},
        "rejected": {"from": "gpt", "value": OTHER},
    },
    "instruction": {"instruction": USER, "input": "Short, please.", "chosen": ANSWER, "rejected": OTHER},
    "openai": {
        "input": {"messages": [turn("system", "Be kind."), turn("user", USER)]},
        "preferred_output": said(ANSWER),
        "non_preferred_output": said(OTHER),
    },
    "messages-rejected": {"messages": [turn("user", USER), *said(ANSWER)], "rejected_response": OTHER},
    "templated": {
        "prompt": f"<|im_start|>user\n{USER}<|im_end|>\n<|im_start|>assistant\n",
        "chosen": f"{ANSWER}<|im_end|>",
        "rejected": f"{OTHER}<|im_end|>",
    },
    "several-rejected": {"prompt": USER, "chosen": ANSWER, "rejected": [OTHER]},
    "ranked": {"prompt": USER, "response_a": OTHER, "response_b": ANSWER, "winner": "model_b"},
}


def rows_of(rows: Iterable[Any]) -> Iterator[Row]:
    for index, row in enumerate(rows):
        yield pair_of(index, row), content_hash(row)


def pairs(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"{USER} {number}", "chosen": ANSWER, "rejected": OTHER} for number in range(count)]


def decided(*decisions: Decision) -> Curation:
    state = Curation()
    for decision in decisions:
        state.take(decision)
    return state


def export(rows: Iterable[Any], out: Path, curation: Curation | None = None, **more: Any) -> Exported:
    more = {"name": "set train", "schema": "hh-rlhf", "thinking_off": True, **more}
    made = export_pairs(rows_of(rows), curation or Curation(), out=out, **more)
    assert made is not None
    return made


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def by_definition(train: Iterable[str], test: Iterable[str]) -> str:
    text = "".join(f"{key}\n" for key in train) + "--\n" + "".join(f"{key}\n" for key in test)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def test_there_is_a_row_of_every_shape() -> None:
    assert set(SHAPES) == set(SCHEMAS) and all(schema_of(row) == name for name, row in SHAPES.items())


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_each_shape_comes_back_as_the_same_pair(tmp_path: Path, schema: str, kind: Any) -> None:
    made = export([SHAPES[schema]], tmp_path / "out", schema=schema, kind=kind)
    opened = open_pairs(tmp_path / "out", split="train")
    row = opened.row(0)
    assert (len(opened), opened.schema, opened.splits) == (1, "conversational", ("train",))
    assert content_hash(row) == content_hash(SHAPES[schema])
    assert to_conversation(row) == {side: row[side] for side in ("prompt", "chosen", "rejected")}
    assert row["chat_template_kwargs"] == {"enable_thinking": False}
    assert made.hash == by_definition([content_hash(SHAPES[schema])], [])


def test_tools_turns_and_template_arguments_are_kept(tmp_path: Path) -> None:
    """An answer that calls a tool, in a set that is converted: the export says what the row said."""
    call = {"type": "function", "function": {"name": "now", "arguments": {}}}
    row = {
        "prompt": USER,
        "chosen": [
            turn("user", USER),
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "10:00", "name": "now"},
            *said(ANSWER),
        ],
        "rejected": [turn("user", USER), *said(OTHER)],
        "tools": [{"type": "function", "function": {"name": "now"}}],
        "chat_template_kwargs": {"enable_thinking": True},
    }
    made = export([row], tmp_path / "out")
    (found,) = lines(tmp_path / "out" / "train.jsonl")
    assert found["chosen"] == row["chosen"][1:] and found["tools"] == row["tools"]
    assert found["chat_template_kwargs"] == {"enable_thinking": True}
    assert made.hash == by_definition([content_hash(row)], []) and content_hash(found) == content_hash(row)


def test_texts_stay_texts_with_system_and_history_beside_them(tmp_path: Path) -> None:
    """TRL applies no chat template to a set of plain texts, and it goes on doing so after I excluded one pair."""
    row = {**SHAPES["standard"], "system": "Be kind.", "history": [["Hi", "Hello."], ["And", "Yes."]]}
    export([SHAPES["standard"], row], tmp_path / "out", schema="standard", texts=True)
    plain, more = lines(tmp_path / "out" / "train.jsonl")
    assert plain == SHAPES["standard"]
    assert more == row and content_hash(more) == content_hash(row)


def test_texts_that_become_messages_are_told_not_to_think(tmp_path: Path) -> None:
    export([SHAPES["standard"]], tmp_path / "out", schema="standard", thinking_off=False)
    assert lines(tmp_path / "out" / "train.jsonl")[0]["chat_template_kwargs"] == {"enable_thinking": False}


def test_what_trl_knows_of_the_rows_is_kept(tmp_path: Path) -> None:
    row = SHAPES["conversational"]
    row = {**row, "chat_template_kwargs": {"enable_thinking": True}}
    supply = [(pair_of(0, {**row, "id": 7}), content_hash(row))]
    export_pairs(supply, Curation(), out=tmp_path / "o", name="n", schema="conversational", thinking_off=False)
    assert lines(tmp_path / "o" / "train.jsonl") == [row]


class TestDecisions:
    """What I decided is what is in the files, and the card and the manifest say how many."""

    def test_excluded_swapped_and_unusable_pairs(self, tmp_path: Path) -> None:
        rows = [
            *pairs(4),
            {"prompt": USER, "chosen": "", "rejected": OTHER},
            {"prompt": USER, "label": True},
            {"prompt": USER, "chosen": ANSWER, "rejected": ANSWER},
        ]
        keys = [content_hash(row) for row in rows]
        state = decided(Decision("exclude", keys[1], why="rude"), Decision("swap", keys[2]), Decision("swap", "0" * 32))
        made = export(rows, tmp_path / "out", state)
        found = lines(tmp_path / "out" / "train.jsonl")
        assert [row["prompt"][0]["content"][-1] for row in found] == ["0", "2", "3"]
        assert found[1]["chosen"] == said(OTHER) and found[1]["rejected"] == said(ANSWER)
        assert (made.rows, made.train, made.test, made.excluded, made.swapped) == (7, 3, 0, 1, 1)
        assert made.left_out == {"empty answer": 1, "unpaired": 1, "identical": 1} and made.reasons == {"rude": 1}
        turned = content_hash({**rows[2], "chosen": OTHER, "rejected": ANSWER})
        assert turned != keys[2] and made.hash == by_definition([keys[0], turned, keys[3]], [])
        assert made.hash == by_definition(map(content_hash, found), []) == made.train_hash
        assert made.touched and not (tmp_path / "out" / "test.jsonl").exists()
        text = (tmp_path / "out" / "README.md").read_text("utf-8")
        assert "1 excluded by decision (rude: 1)" in text and made.hash in text
        assert read_export(tmp_path / "out") == made

    def test_a_held_out_split_shares_no_prompt_with_the_training(self, tmp_path: Path) -> None:
        """Three pairs of each prompt: all of them are on one side, in the order they had."""
        rows = [{**row, "rejected": f"{OTHER} {number}"} for row in pairs(200) for number in range(3)]
        made = export(rows, tmp_path / "out", hold_out=HoldOut(0.2, 7))
        train, test = (lines(tmp_path / "out" / f"{split}.jsonl") for split in ("train", "test"))
        prompts = [{row["prompt"][0]["content"] for row in split} for split in (train, test)]
        assert not prompts[0] & prompts[1] and len(prompts[0] | prompts[1]) == 200
        assert (len(train), len(test)) == (made.train, made.test) and 60 < made.test < 180 and made.test % 3 == 0
        assert made.hash == by_definition(map(content_hash, train), map(content_hash, test))
        assert made.train_hash == by_definition(map(content_hash, train), [])
        shuffled = export(rows[::-1], tmp_path / "turned", hold_out=HoldOut(0.2, 7))
        assert shuffled.test == made.test and shuffled.hash != made.hash
        assert open_pairs(tmp_path / "out", split="test").splits == ("train", "test")

    def test_the_source_s_own_test_split(self, tmp_path: Path) -> None:
        rows, own = pairs(3), [{**row, "prompt": f"{row['prompt']} again"} for row in pairs(4)]
        state = decided(Decision("exclude", content_hash(own[0])))
        made = export(rows, tmp_path / "out", state, test=rows_of(own), test_of="set test")
        assert (made.train, made.test, made.excluded) == (3, 3, 1)
        assert "source's own split `set test`" in (tmp_path / "out" / "README.md").read_text("utf-8")

    def test_nothing_left_is_said(self, tmp_path: Path) -> None:
        rows = pairs(1)
        with pytest.raises(PairsError, match=r"None of the 1 rows are left to train on: excluded \(1\)"):
            export(rows, tmp_path / "out", decided(Decision("exclude", content_hash(rows[0]))))
        assert list(tmp_path.iterdir()) == []

    def test_real_transcripts(self, tmp_path: Path, shared_data: Path) -> None:
        """2 312 rows of hh-rlhf, of which 2 299 are clean: they are in the export, in order, and nothing else."""
        with gzip.open(shared_data / "hh_harmless_test.jsonl.gz", "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        opened = open_source(PairsSpec(str(shared_data / "hh_harmless_test.jsonl.gz")), tmp_path)
        told: list[int] = []
        made = export_pairs(
            ((pair, digest) for pair, digest, _ in opened.pairs()),
            Curation(),
            out=tmp_path / "out",
            name=opened.name,
            schema=opened.schema,
            thinking_off=opened.thinking_off,
            hold_out=HoldOut(0.05, 42),
            progress=told.append,
        )
        assert made is not None and (made.rows, made.train + made.test) == (2312, 2299)
        assert sum(made.left_out.values()) == 13 and 60 < made.test < 180
        assert told[-1] == 2312 and all(before <= after for before, after in pairwise(told))
        found = lines(tmp_path / "out" / "train.jsonl") + lines(tmp_path / "out" / "test.jsonl")
        usable = {content_hash(row) for row in rows if pair_of(0, row).problem is None}
        assert {content_hash(row) for row in found} == usable


class TestText:
    """Whatever the rows hold is in the file as it was."""

    def test_odd_characters(self, tmp_path: Path) -> None:
        odd = '\x00\x1b[31m\u2028\u202e\x85é 🙂 \\n "quoted" \r\n end'
        row = {"prompt": odd, "chosen": odd + "1", "rejected": odd + "2"}
        export([row], tmp_path / "out")
        assert content_hash(open_pairs(tmp_path / "out").row(0)) == content_hash(row)

    def test_half_a_surrogate_is_written_as_the_store_keeps_it(self, tmp_path: Path) -> None:
        """No file can hold it; the hash is that of what is written, whether the pair came from a file or the store."""
        row = {"prompt": "a\ud83d", "chosen": ANSWER, "rejected": OTHER}
        made = export([row], tmp_path / "out")
        (found,) = lines(tmp_path / "out" / "train.jsonl")
        assert made.hash == by_definition([content_hash(found)], [])
        kept = {**row, "prompt": sound(row["prompt"])}
        stored = [(pair_of(0, kept), content_hash(row))]
        again = export_pairs(stored, Curation(), out=tmp_path / "s", name="n", schema="hh-rlhf", thinking_off=True)
        assert again is not None and again.hash == made.hash


class TestParquet:
    def test_many_rows_in_groups(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export_files, "GROUP_ROWS", 7)
        rows = pairs(40)
        made = export(rows, tmp_path / "out", kind="parquet", hold_out=HoldOut(0.3, 1))
        import pyarrow.parquet as pq

        assert pq.ParquetFile(tmp_path / "out" / "train.parquet").num_row_groups == -(-made.train // 7)
        found = [
            content_hash(row)
            for split in ("train", "test")
            for row in pq.read_table(tmp_path / "out" / f"{split}.parquet").to_pylist()
        ]
        assert made.hash == by_definition(found[: made.train], found[made.train :])
        assert 'path: "train.parquet"' in (tmp_path / "out" / "README.md").read_text("utf-8")

    def test_a_column_that_changes_its_form_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Arrow would drop the second row's words without saying so."""
        monkeypatch.setattr(export_files, "GROUP_ROWS", 1)
        row = SHAPES["conversational"]
        kwargs = [{"enable_thinking": True}, {"style": "short"}]
        supply = [(pair_of(0, {**row, "chat_template_kwargs": each}), content_hash(row)) for each in kwargs]
        with pytest.raises(InputError, match=r"changes its type.*chat_template_kwargs") as caught:
            export_pairs(
                supply,
                Curation(),
                out=tmp_path / "o",
                kind="parquet",
                name="n",
                schema="conversational",
                thinking_off=False,
            )
        assert "jsonl" in caught.value.hint and list(tmp_path.iterdir()) == []


class TestPlace:
    """The folder is there whole, or it is not there; nothing of mine is ever replaced."""

    def test_what_is_no_export_is_left_alone(self, tmp_path: Path) -> None:
        mine = tmp_path / "mine"
        mine.mkdir()
        (mine / "notes.txt").write_text("private")
        (tmp_path / "file").write_text("x")
        (tmp_path / "link").symlink_to(mine)
        for name in ("mine", "file", "link"):
            with pytest.raises(InputError, match="This path already exists"):
                export(pairs(2), tmp_path / name, overwrite=True)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "mine"]
        assert (mine / "notes.txt").read_text() == "private"

    def test_an_export_is_replaced_when_i_say_so(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        out.mkdir()  # an empty folder is no obstacle
        export(pairs(2), out, hold_out=None)
        with pytest.raises(InputError, match="An export already exists") as caught:
            export(pairs(3), out)
        assert "--overwrite" in caught.value.hint and len(lines(out / "train.jsonl")) == 2
        assert export(pairs(3), out, overwrite=True).train == len(lines(out / "train.jsonl")) == 3
        (out / "mine.txt").write_text("x")
        with pytest.raises(InputError, match=r"smoltui did not write \(mine\.txt\)"):
            export(pairs(4), out, overwrite=True)
        assert [path.name for path in tmp_path.iterdir()] == ["out"]

    @pytest.mark.parametrize("kind", ["jsonl", "parquet"])
    def test_a_full_disk_leaves_nothing(self, tmp_path: Path, kind: Any) -> None:
        """A real one: /dev/full takes no byte."""
        if not Path("/dev/full").exists():
            pytest.skip("this system has no /dev/full")
        export(pairs(2), tmp_path / "out")
        before = (tmp_path / "out" / "train.jsonl").read_bytes()

        def rows() -> Iterator[Row]:
            (beside,) = (path for path in tmp_path.iterdir() if path.name.startswith("."))
            (beside / f"train.{kind}").symlink_to("/dev/full")
            yield from rows_of(pairs(3))

        with pytest.raises(InputError, match=r"The disk is full, so the pairs were not written: .*out") as caught:
            export_pairs(
                rows(),
                Curation(),
                out=tmp_path / "out",
                kind=kind,
                name="n",
                schema="standard",
                thinking_off=True,
                overwrite=True,
            )
        assert "Free some space" in caught.value.hint
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        assert (tmp_path / "out" / "train.jsonl").read_bytes() == before

    def test_a_rename_that_fails_brings_the_old_one_back(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        out = tmp_path / "out"
        export(pairs(2), out)
        rename = Path.rename

        def failing(self: Path, target: Path) -> Path:
            if Path(target) == out and ".old-" not in self.name:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", failing)
        with pytest.raises(InputError, match=r"cannot be written \(Input/output error\)"):
            export(pairs(3), out, overwrite=True)
        assert [path.name for path in tmp_path.iterdir()] == ["out"] and len(lines(out / "train.jsonl")) == 2

    def test_stopping_leaves_nothing(self, tmp_path: Path) -> None:
        looks: list[int] = []
        made = export_pairs(
            rows_of(pairs(5000)),
            Curation(),
            out=tmp_path / "out",
            name="n",
            schema="standard",
            thinking_off=True,
            progress=looks.append,
            stopped=lambda: len(looks) > 3,
        )
        assert made is None and looks == [0, 500, 1000, 1500] and list(tmp_path.iterdir()) == []

    def test_an_export_of_which_files_were_cut_is_not_whole(self, tmp_path: Path) -> None:
        made = export(pairs(5), tmp_path / "out")
        assert read_export(tmp_path / "out") == made
        (tmp_path / "out" / "train.jsonl").write_text("{}\n")
        assert read_export(tmp_path / "out") is None
        shutil.rmtree(tmp_path / "out")
        assert read_export(tmp_path / "out") is None
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "smoltui.manifest").write_text('{"format": 1, "files": 3}')
        assert read_export(tmp_path / "out") is None


@pytest.mark.slow
def test_memory_does_not_grow_with_the_set(tmp_path: Path) -> None:
    """500 and 3,000 pairs take the same memory, but for 16 bytes a held-out pair."""
    import tracemalloc

    def peak(count: int) -> int:
        tracemalloc.start()
        rows = ({"prompt": f"{USER} {number}", "chosen": ANSWER, "rejected": OTHER} for number in range(count))
        export(rows, tmp_path / str(count), hold_out=HoldOut(0.5, 1))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    small, large = peak(500), peak(3_000)
    assert large - small < 1 << 18
