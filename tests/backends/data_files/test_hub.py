"""Sets on the Hub: the first pairs without a download, and a sentence for everything that can go wrong."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from smoltui.backends.data_files import hub_repo, range_file
from smoltui.backends.data_files.head import open_head
from smoltui.backends.data_files.source import PairsSpec, open_spec
from smoltui.errors import NotFoundOnHubError, PairsError, PermissionDeniedError, SmoltuiError, UnreachableError
from tests.hub.server import Dataset, LocalHub, local_hub

SET = "owner/set"
LONG = "Kindly, and at some length. " * 40
ROWS = [{"prompt": f"Question {n}?", "chosen": f"{n} {LONG}", "rejected": f"No {n}."} for n in range(8000)]
"""10 MB."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, own_machine: Path) -> Iterator[LocalHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(own_machine / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with local_hub(monkeypatch) as running:
        yield running


def as_lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_parquet(rows: list[dict[str, Any]], group: int = 1000) -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), sink, row_group_size=group, compression="none")
    return sink.getvalue()


def as_arrow(rows: list[dict[str, Any]]) -> bytes:
    table, sink = pa.Table.from_pylist(rows), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=1000)
    return sink.getvalue()


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([rows[0], *(row.values() for row in rows)])
    return text.getvalue().encode()


FORMS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "train.jsonl": as_lines,
    "train.json": lambda rows: json.dumps(rows).encode(),
    "train.csv": as_csv,
    "train.jsonl.gz": lambda rows: gzip.compress(as_lines(rows), 0),
    "train.parquet": as_parquet,
    "train.arrow": as_arrow,
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("ranges", [True, False])
def test_the_first_pairs_come_before_the_download(name: str, ranges: bool, server: LocalHub) -> None:
    """Of 10 MB at most a fifth is asked for; after the download the same pairs come from this machine."""
    server.datasets[SET] = Dataset({name: FORMS[name](ROWS), name.replace("train", "test"): b"{}"}, ranges=ranges)
    spec = PairsSpec(SET)
    head = open_head(spec, None)
    assert (head.name, head.split, head.schema, head.whole) == (SET, "train", "standard", False)
    assert head.rows == ROWS[:64] and head.spec == spec
    if ranges:
        assert server.file_bytes < 2_100_000
        assert len(server.requests) <= 5
    if name.startswith("train.json"):
        source = open_spec(spec, None)
        assert (len(source), source.splits, source.row(7999)) == (8000, head.splits, ROWS[7999])
        before = server.file_bytes
        assert open_head(spec, None).rows == ROWS[:64]
        assert server.file_bytes == before


def test_shards_and_small_files(server: LocalHub) -> None:
    """The beginning goes on in the next file, and knows when that was all."""
    files = {
        f"data/train-{shard:05}-of-00003.parquet": as_parquet(ROWS[shard * 20 : shard * 20 + 20]) for shard in range(3)
    }
    server.datasets[SET] = Dataset(files)
    head = open_head(PairsSpec(SET), None)
    assert (head.rows, head.whole) == (ROWS[:60], True)
    assert open_head(PairsSpec(SET, split="train[30:40]"), None).rows == ROWS[30:40]
    server.datasets[SET] = Dataset({"a.jsonl": b"", "b.jsonl": as_lines(ROWS[:2])})
    assert open_head(PairsSpec(SET), None).rows == ROWS[:2]
    server.datasets[SET] = Dataset({"a.jsonl": b""})
    with pytest.raises(PairsError, match=r"a.jsonl is empty"):
        open_head(PairsSpec(SET), None)


def test_configurations_and_revisions(server: LocalHub) -> None:
    """owner/name:config@revision; what the card says about splits holds, whether the answer brings it or the README."""
    files = {"a/x.jsonl": as_lines(ROWS[:1]), "b/x.jsonl": as_lines(ROWS[1:2]), "b/y.jsonl": as_lines(ROWS[2:3])}
    configs = [
        {"config_name": "first", "data_files": "a/*"},
        {"config_name": "second", "data_files": [{"split": "train", "path": "b/x*"}, {"split": "dev", "path": "b/y*"}]},
    ]
    readme = f"---\nconfigs: {json.dumps(configs)}\n---\n# A set\n".encode()
    for dataset in (Dataset(files, card={"configs": configs}), Dataset({**files, "README.md": readme})):
        server.datasets[SET] = dataset
        with pytest.raises(PairsError, match="several configurations: first, second"):
            open_head(PairsSpec(SET), None)
        assert open_head(PairsSpec(f"{SET}:first"), None).rows == ROWS[:1]
        head = open_head(PairsSpec(f"{SET}:second@v1", split="dev"), None)
        assert (head.rows, head.splits) == (ROWS[2:3], ("train", "dev"))
        assert open_head(PairsSpec(SET, config="second", revision="v1"), None).rows == ROWS[1:2]
        with pytest.raises(PairsError, match="no such configuration: third"):
            open_head(PairsSpec(f"{SET}:third"), None)
        with pytest.raises(NotFoundOnHubError, match="no such revision: owner/set"):
            open_head(PairsSpec(f"{SET}@v9"), None)
        with pytest.raises(PairsError, match="no such split: test"):
            open_head(PairsSpec(f"{SET}:first", split="test"), None)
    assert {request["path"].split("/")[5] for request in server.asked("GET", "/resolve/v1/b/")} == {"v1"}


@pytest.mark.parametrize("opened", [open_head, open_spec])
def test_each_refusal_has_its_sentence(
    opened: Callable[..., Any], server: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gated, missing, private, empty, and not a set at all: what it is, and what to do."""
    server.datasets[SET] = Dataset({"train.jsonl": as_lines(ROWS[:3])}, gated=True)
    with pytest.raises(PermissionDeniedError, match=r"gated.*owner/set") as gated:
        opened(PairsSpec(SET), None)
    assert "/datasets/owner/set" in gated.value.hint
    with pytest.raises(NotFoundOnHubError, match="no such dataset, or it is private: owner/nope"):
        opened(PairsSpec("owner/nope"), None)
    server.datasets["owner/code"] = Dataset({"README.md": b"# code", "make.py": b""})
    with pytest.raises(PairsError, match="owner/code contains no file that can be read as pairs"):
        opened(PairsSpec("owner/code"), None)
    server.datasets["owner/kto"] = Dataset({"train.jsonl": b'{"prompt": "a", "completion": "b", "label": true}\n'})
    with pytest.raises(PairsError, match=r"owner/kto does not contain preference pairs .row 1.. Unpaired"):
        opened(PairsSpec("owner/kto"), None)
    with pytest.raises(PairsError, match="Not the id of a dataset"):
        opened(PairsSpec("-owner/set--x"), None)
    server.datasets["owner/own"] = Dataset({"train.jsonl": as_lines(ROWS[:3])}, private=True)
    assert opened(PairsSpec("owner/own"), None).columns == ("prompt", "chosen", "rejected")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(NotFoundOnHubError, match="no such dataset, or it is private: owner/own") as private:
        opened(PairsSpec("owner/own", revision="v1"), None)
    assert "hf auth login" in private.value.hint


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"status": 500}, "The Hub had an internal error"),
        ({"status": 429, "headers": {"Retry-After": "7"}}, "rate limit was reached"),
        ({"how": "close"}, "connection to the Hub was lost"),
        ({"how": "html"}, "Something other than the Hub answered"),
    ],
)
def test_a_request_for_a_part_that_fails(how: dict[str, Any], words: str, server: LocalHub) -> None:
    """It is said at once, not after many tries, and the next try works."""
    server.datasets[SET] = Dataset({"train.jsonl": as_lines(ROWS)})
    server.spoil("GET", "/resolve/", **how)
    with pytest.raises(SmoltuiError) as refused:
        open_head(PairsSpec(SET), None)
    assert words in refused.value.message and refused.value.hint
    assert len(server.asked("GET", "/resolve/")) == 1
    assert len(open_head(PairsSpec(SET), None).rows) == 64


@pytest.mark.parametrize("how", ["silent", "trickle"])
def test_a_hub_that_does_not_go_on(how: str, server: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence, or a byte now and then: nobody waits for ever."""
    server.datasets[SET] = Dataset({"train.jsonl": as_lines(ROWS)}, slow=0.05 if how == "trickle" else 0)
    if how == "silent":
        server.spoil("GET", "/resolve/", how="silent")
        monkeypatch.setattr(hub_repo, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(range_file, "HEAD_SECONDS", 0.3)
    with pytest.raises(UnreachableError, match="did not answer in time"):
        open_head(PairsSpec(SET), None)


def test_damaged_files(server: LocalHub) -> None:
    """The sentence is that of a local file."""
    for name, data, words in (
        ("train.parquet", b"PAR1 but no more", "train.parquet is not a Parquet file"),
        ("train.parquet", as_parquet(ROWS[:100])[:-20], "train.parquet is not a Parquet file"),
        ("train.arrow", b"hello world, no arrow here", "train.arrow is not an Arrow file"),
        ("train.json.gz", gzip.compress(b'[{"prompt": "a"')[:-12], "train.json.gz cannot be unpacked"),
        ("train.json", b'[{"chosen": "a",\n "rejected" "b"}]', "train.json line 2 is not valid JSON"),
    ):
        server.datasets[SET] = Dataset({name: data})
        with pytest.raises(PairsError) as refused:
            open_head(PairsSpec(SET), None)
        assert words in refused.value.message, name
