"""Files beside the pairs that never end, wait for somebody, or are far too large."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from smoltui.backends.data_files.source import open_pairs
from smoltui.backends.pairs import curation_file
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.backends.project.model_configs import config_in
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import load_recipe
from smoltui.backends.system import data_folder
from smoltui.backends.system.small_file import read_small, replace_small
from smoltui.core.pairs.curation import Decision
from smoltui.errors import InputError, PairsError, RecipeError


def test_what_is_read_and_what_is_not(tmp_path: Path) -> None:
    small, pipe = tmp_path / "small", tmp_path / "pipe"
    small.write_bytes(b"12345")
    os.mkfifo(pipe)
    assert read_small(small, 5) == b"12345"
    for path, most, said in (
        (small, 4, "larger than 4 bytes"),
        (pipe, 5, "not a regular file"),
        (Path("/dev/zero"), 5, "not a regular file"),
        (tmp_path, 5, "Is a directory"),
        (tmp_path / "none", 5, "No such file"),
    ):
        with pytest.raises(OSError, match=said):
            read_small(path, most)


def test_a_pipe_in_the_place_of_each_file(tmp_path: Path) -> None:
    """Opening one would wait forever; each reader refuses it, or treats it as missing."""
    names = ("recipe.yaml", "smoltui.toml", "curation.jsonl", "state.json", "dataset_dict.json", "config.json")
    for name in names:
        os.mkfifo(tmp_path / name)
    with pytest.raises(RecipeError, match="not a regular file"):
        load_recipe(tmp_path / "recipe.yaml")
    with pytest.raises(RecipeError, match="not a regular file"):
        Project(tmp_path).settings()
    with pytest.raises(InputError, match="not a regular file"):
        CurationFile(tmp_path).load()
    with pytest.raises(InputError, match="not a regular file"):
        CurationFile(tmp_path).append([Decision("pin", "0" * 32)])
    assert config_in(tmp_path) is None and data_folder.read_json(tmp_path / "state.json") is None
    with pytest.raises(PairsError, match="contains no file that can be read"):
        open_pairs(tmp_path)


def test_a_folder_that_leads_into_itself(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "round.jsonl").symlink_to("round.jsonl")
    with pytest.raises(PairsError, match="contains no file that can be read"):
        open_pairs(tmp_path)


@pytest.mark.parametrize("text", ["[" * 5000, '{"splits": ' * 3000, '{"_data_files": 5}', "\ud800", "1" * 5000])
def test_a_deep_state_file_is_no_saved_set(tmp_path: Path, text: str) -> None:
    for name in ("state.json", "dataset_dict.json", "config.json"):
        (tmp_path / name).write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(PairsError):
        open_pairs(tmp_path)
    assert config_in(tmp_path) is None or text.startswith('{"_data')


def test_half_a_character_in_a_record(tmp_path: Path) -> None:
    """An answer may hold one; it is kept, and reads the same again."""
    path = tmp_path / "record.json"
    data_folder.write_json(path, {"answer": "a\ud800b ü", "x\udfff": 1})
    assert data_folder.read_json(path) == {"answer": "a\ud800b ü", "x\udfff": 1}
    assert "\\ud800" in path.read_text(encoding="utf-8")
    note = Decision("note", "0" * 32, note="\ud800")
    assert CurationFile(tmp_path).append([note]).notes == CurationFile(tmp_path).load().notes == {"0" * 32: "\ud800"}


def test_decisions_beyond_all_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = json.dumps({"pair": "0" * 32, "act": "pin"})
    path = tmp_path / "curation.jsonl"
    path.write_text(good + "\n" + "x" * 5_000_000 + "\n" + good.replace("0", "1"))
    read = CurationFile(tmp_path).load()
    assert (read.decisions, read.unreadable) == (2, 1) and read.pinned == {"0" * 32, "1" * 32}
    monkeypatch.setattr(curation_file, "MOST_BYTES", 1 << 20)
    with pytest.raises(InputError, match="larger than 1 MB"):
        CurationFile(tmp_path).load()


def test_a_replacement_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: the file that was there is still whole, and nothing lies beside it."""
    path = tmp_path / "card.md"
    path.write_text("the old card")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_small(path, b"the new card")
    assert path.read_text() == "the old card" and list(tmp_path.iterdir()) == [path]


def test_a_device_is_written_to() -> None:
    """`-o /dev/null` replaces no device."""
    replace_small(Path(os.devnull), b"text")
    assert Path(os.devnull).is_char_device()
