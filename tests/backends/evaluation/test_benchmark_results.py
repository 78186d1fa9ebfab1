"""Results are kept with the run, and nothing that is kept is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.evaluation.benchmark_results import NAME, keep, kept
from smoltui.errors import InputError
from tests.core.evaluation.benchmark_samples import lighteval, lm_eval
from tests.core.evaluation.test_benchmark_reading import read


def test_results_are_kept_in_order_and_the_same_source_once(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert kept(folder) == []
    first, rehearsal = read(lm_eval(), source="a"), read(lighteval(max_samples=3), source="b")
    keep(folder, first)
    keep(folder, rehearsal)
    assert kept(folder) == [first, rehearsal] and kept(folder)[1].is_rehearsal
    again = replace(first, at=5.0)
    keep(folder, again)
    assert kept(folder) == [rehearsal, again]
    assert (folder / NAME).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ['{"results": [{"harness"', '{"results": 5}', "[]", '{"results": [{}]}', ""])
def test_a_broken_file_is_reported_and_never_overwritten(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(InputError, match="can't be read"):
        kept(tmp_path)
    with pytest.raises(InputError, match="can't be read"):
        keep(tmp_path, read(lm_eval()))
    assert (tmp_path / NAME).read_text() == text


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="could not be saved"):
        keep(tmp_path / "file" / "run", read(lm_eval()))
