"""The undo journal: every byte comes back, whoever else writes the file meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.backends.project import journal as journals
from smoltui.backends.project.journal import (
    AskFirstError,
    ChangedOutsideError,
    Journal,
    digest,
)
from smoltui.backends.project.new_project import create_project
from smoltui.backends.project.recipe_file import load_recipe
from smoltui.backends.project.settings_file import set_watch
from smoltui.backends.system import data_folder
from smoltui.core.undo.history import NO_FILE
from smoltui.errors import InputError
from tests.examples import examples

FILES = ("recipe.yaml", "smoltui.toml")


def contents(folder: Path) -> dict[str, bytes | None]:
    return {name: journals.contents(folder / name) for name in FILES}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SMOLTUI_HOME", str(tmp_path / "data"))
    return tmp_path


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(FILES), st.binary(max_size=40)),
        st.tuples(st.just("outside"), st.sampled_from(FILES), st.one_of(st.none(), st.binary(max_size=40))),
        st.tuples(st.just("undo"), st.sampled_from((None, *FILES)), st.just(b"")),
        st.tuples(st.just("redo"), st.sampled_from((None, *FILES)), st.just(b"")),
    ),
    max_size=25,
)


@given(operations=OPERATIONS)
@examples(50)
def test_whatever_happens_undo_leads_back_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, str, bytes | None]]
) -> None:
    """Writes, undos and redos in any order, and other programs that write or delete the files in between: undoing
    everything restores each file as it was before its first change, and redoing that leads to where it began."""
    base = tmp_path_factory.mktemp("any")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMOLTUI_HOME", str(base / "data"))
        folder = base / "project"
        folder.mkdir()
        first: dict[str, bytes | None] = {}
        for what, name, data in operations:
            journal = Journal(folder)  # as after a restart
            now = contents(folder)
            if what == "write":
                assert data is not None
                journal.write(folder / name, data, f"wrote {len(data)}")
            elif what == "outside":
                _outside(folder / name, data)
            else:
                _move(journal.undo if what == "undo" else journal.redo, name)
            applied = _applied(folder)
            first = {name: first.get(name, now[name]) for name in applied}
        reached, undone = contents(folder), 0
        while _move(Journal(folder).undo, None):
            undone += 1
        found = contents(folder)
        assert found == {**reached, **first}
        for _ in range(undone):
            Journal(folder).redo()
        assert contents(folder) == reached


def _applied(folder: Path) -> set[str]:
    """Files with a change that applies."""
    return {step.file for step in Journal(folder)._load()[0].steps if not step.undone}


def _outside(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(data)


def _move(move: Callable[..., object], name: str | None) -> bool:
    """Whether there was something to undo or redo. What others wrote is never replaced without a question."""
    try:
        move(name)
    except AskFirstError:
        move(name, agreed=True)
    except InputError:
        return False
    return True


def test_a_change_by_another_program_is_asked_about_and_comes_back(home: Path) -> None:
    project = create_project(home / "mine", "course-jobs")
    recipe = load_recipe(project.recipe_path)
    recipe.set("beta", 0.5)
    assert recipe.save().said == "beta 0.1 (TRL's default) → 0.5"
    ours = project.recipe_path.read_bytes()
    theirs = b"# somebody else\n" + ours
    project.recipe_path.write_bytes(theirs)
    journal = Journal(project.folder)
    with pytest.raises(AskFirstError, match="changed by another program"):
        journal.undo()
    assert project.recipe_path.read_bytes() == theirs
    assert journal.undo(agreed=True).said == "the change by another program"
    assert project.recipe_path.read_bytes() == ours
    assert journal.undo().said == "beta 0.1 (TRL's default) → 0.5"
    assert [journal.redo().by == 0 for _ in range(2)] == [False, True] and project.recipe_path.read_bytes() == theirs


def test_redo_does_not_replace_what_others_wrote_either(home: Path) -> None:
    path = home / "recipe.yaml"
    path.write_bytes(b"a")
    journal = Journal(home)
    journal.write(path, b"b", "b")
    journal.undo()
    path.write_bytes(b"theirs")
    with pytest.raises(AskFirstError):
        journal.redo()
    assert path.read_bytes() == b"theirs" and journal.redo(agreed=True).said == "b" and path.read_bytes() == b"b"
    journal.undo()
    assert path.read_bytes() == b"theirs"


def test_a_file_that_did_not_exist_is_gone_again(home: Path) -> None:
    """The first setting of a project creates smoltui.toml."""
    project = create_project(home / "mine", "course-jobs")
    (project.folder / "smoltui.toml").unlink()
    set_watch(project, "margin_steps", 7)
    assert Journal(project.folder).undo("smoltui.toml").said == "watch.margin_steps 7"
    assert not (project.folder / "smoltui.toml").exists()
    Journal(project.folder).redo()
    assert project.settings().watch.margin_steps == 7


def test_nothing_is_written_over_what_the_caller_has_not_read(home: Path) -> None:
    path = home / "recipe.yaml"
    path.write_bytes(b"theirs")
    for expected in (NO_FILE, digest(b"mine")):
        with pytest.raises(ChangedOutsideError):
            Journal(home).write(path, b"new", "new", expected=expected)
    assert path.read_bytes() == b"theirs" and Journal(home).next_steps() == (None, None)


WRITER = """
import sys
from pathlib import Path
from smoltui.backends.project.journal import Journal
journal, path = Journal(Path(sys.argv[1])), Path(sys.argv[1], "recipe.yaml")
for number in range(15):
    journal.write(path, f"{sys.argv[2]} {number}".encode(), f"{sys.argv[2]} {number}")
print("written", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_two_apps_at_once(home: Path) -> None:
    """Both write the same file as fast as they can: no step is lost, and none of the other's is undone unasked."""
    path = home / "recipe.yaml"
    path.write_bytes(b"as it was")
    apps = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(home), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("left", "right")
    ]
    for app in apps:
        assert app.stdout is not None and app.stdout.readline() == "written\n"
    journal = Journal(home)
    assert len(journal._load()[0].steps) == 30
    with pytest.raises(AskFirstError, match="another smoltui that is still open"):
        journal.undo()
    for app in apps:
        app.communicate()
    for _ in range(30):
        journal.undo()
    assert path.read_bytes() == b"as it was"


def test_a_version_with_a_token_stays_out_of_the_data_folder(home: Path) -> None:
    """It can be undone in the app that is open, and never after it was closed."""
    path, token = home / "recipe.yaml", "hf_AbCdEfGhIjKlMnOpQrStUvWxYz01234567"
    path.write_text(f"run_name: {token}\n")
    journal = Journal(home)
    journal.write(path, b"run_name: x\n", "run_name")
    stored = b"".join(file.read_bytes() for file in data_folder.home().rglob("*") if file.is_file())
    assert b"run_name" in stored and not journals._with_secrets.keys() & journal._load()[1].keys()
    journal.undo()
    assert token in path.read_text()
    journal.redo()
    journals._with_secrets.clear()
    with pytest.raises(InputError, match="it contained a token"):
        journal.undo()
    assert path.read_bytes() == b"run_name: x\n"


def test_without_a_data_folder_changes_are_written_and_that_is_said(home: Path) -> None:
    (home / "data").write_text("a file")
    path = home / "recipe.yaml"
    made = Journal(home).write(path, b"new", "new")
    assert path.read_bytes() == b"new" and "data folder cannot be written" in made.not_undoable
    with pytest.raises(InputError, match="data folder cannot be written"):
        Journal(home).undo()


def test_a_damaged_journal_is_an_empty_one(home: Path) -> None:
    path = home / "recipe.yaml"
    journal = Journal(home)
    journal.write(path, b"1", "1")
    (file,) = data_folder.home().rglob("journal.json")
    for damage in ("", "{", "[]", '{"steps": [{"file": "recipe.yaml"}], "contents": {"a": 1, "b": "!"}}'):
        file.write_text(damage)
        with pytest.raises(InputError, match="nothing to undo"):
            journal.undo()
        assert path.read_bytes() == b"1"
    journal.write(path, b"2", "2")
    journal.undo()
    assert path.read_bytes() == b"1"


def test_the_journal_is_bounded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest change can always be undone, however large."""
    monkeypatch.setattr(journals, "MOST_STORED", 2_000)
    path = home / "recipe.yaml"
    journal = Journal(home)
    for number in range(30):
        journal.write(path, digest(str(number).encode()).encode() * 3, str(number))
    kept = len(journal._load()[0].steps)
    assert 1 < kept < 29
    for _ in range(kept):
        journal.undo()
    with pytest.raises(InputError, match="nothing to undo"):
        journal.undo()
