"""Results are found in files, folders and datasets; what is none says so in one sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from smoltui.backends.evaluation.benchmark_files import newest_in, read_dataset, read_path
from smoltui.errors import InputError, NotFoundOnHubError, SmoltuiError
from tests.core.evaluation.benchmark_samples import LIGHTEVAL_NAME, lighteval, lm_eval
from tests.hub.server import TOKEN, Dataset, LocalHub, use_hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with LocalHub().run() as found:
        use_hub(found.url, monkeypatch)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield found


def write(path: Path, data: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path


def test_a_file_or_the_newest_in_a_folder(tmp_path: Path) -> None:
    """LightEval and lm_eval both write below folders named for the model."""
    old = write(tmp_path / "results" / "ada" / "aligned" / "results_2026-11-28T09-19-24.000000.json", lm_eval())
    new = write(tmp_path / "results" / "ada" / "aligned" / LIGHTEVAL_NAME, lighteval())
    os.utime(old)
    assert newest_in(tmp_path) == new
    assert read_path(tmp_path, "aligned").model == "ada/aligned"
    assert read_path(old, "reference").role == "reference"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b'{"results": {"a', "half-written"),
        (b"\xff\xfe{}", "isn't JSON"),
        (b"[" * 200 + b"]" * 200, "nested too deeply"),
        (b'{"loss": [1, 2]}', "it has no results"),
        (b'{"results": {"x": 1}}', "neither"),
    ],
)
def test_what_is_no_results_file_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / LIGHTEVAL_NAME
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as told:
        read_path(path, "aligned")
    assert told.value.message.endswith(str(path)) and told.value.hint


def test_missing_files_and_empty_folders(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path, "no results of a benchmark"),
        (tmp_path / "gone.json", "no such file"),
        (tmp_path / "pipe", "not a regular file"),
    ):
        with pytest.raises(InputError, match=reason):
            read_path(path, "aligned")


def test_the_newest_results_of_a_dataset(hub: LocalHub) -> None:
    """LightEval's dataset has them at its root; older ones do not count for a Job."""
    old, new = json.dumps(lighteval("old/model")).encode(), json.dumps(lighteval()).encode()
    hub.datasets["ada/details_ada__aligned"] = Dataset(
        {"results_2026-11-01T00-00-00.000000.json": old, LIGHTEVAL_NAME: new, "README.md": b"", "results_x.json": b""}
    )
    result = read_dataset("ada/details_ada__aligned", "aligned", pins=("lighteval==0.13.0",), job="job1")
    assert result.model == "ada/aligned" and result.job == "job1" and result.pins == ("lighteval==0.13.0",)
    assert result.source == f"ada/details_ada__aligned/{LIGHTEVAL_NAME}"
    assert read_dataset("ada/details_ada__aligned", "aligned", since=result.at).at == result.at
    with pytest.raises(NotFoundOnHubError, match="older than this Job"):
        read_dataset("ada/details_ada__aligned", "aligned", since=(result.at or 0) + 60)


def test_datasets_without_results(hub: LocalHub) -> None:
    hub.datasets["ada/empty"] = Dataset({"README.md": b"x"})
    hub.datasets["ada/half"] = Dataset({LIGHTEVAL_NAME: b'{"results": {'})
    with pytest.raises(InputError, match="no results yet"):
        read_dataset("ada/empty", "aligned")
    with pytest.raises(InputError, match="half-written"):
        read_dataset("ada/half", "aligned")
    with pytest.raises(SmoltuiError, match="no such dataset"):
        read_dataset("ada/gone", "aligned")
