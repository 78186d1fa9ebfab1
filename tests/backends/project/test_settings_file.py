"""smoltui.toml as strangers write it: one sentence with the line, and never a traceback."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.backends.pairs.session import shown_columns
from smoltui.backends.project.journal import Journal
from smoltui.backends.project.project import Project, too_nested
from smoltui.backends.project.settings_file import (
    digest_of_settings,
    load_settings,
    set_pair_reading,
    set_settings,
    set_shown_columns,
)
from smoltui.core.recipe.changes import ABSENT
from smoltui.core.setting_fields.fields import flat
from smoltui.core.settings.settings import parse_settings
from smoltui.errors import InputError, RecipeError
from smoltui.scripts.pair_how import How
from tests.examples import examples
from tests.paths import PACKAGE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\na = " + "[" * 2000, "smoltui.toml line 2 is nested too deeply"),
        ("a = " + "{b = " * 2000, "smoltui.toml line 1 is nested too deeply"),
        ("x = '''\n'''\n[" + "a." * 2000 + "b]", "smoltui.toml line 3 is nested too deeply"),
        ("a = " + "9" * 5000, "smoltui.toml cannot be read as TOML"),
        (
            "[jobs]\nprocesses = 0x" + "f" * 5000,
            "jobs.processes in smoltui.toml does not fit in 64 bits",
        ),
        ("[watch]\ncost_usd = " + "9" * 400, "watch.cost_usd in smoltui.toml does not fit in 64 bits"),
        ("[watch]\ncost_usd = inf", "watch.cost_usd in smoltui.toml must be a number: inf"),
        ("[watch]\nmargin_steps = nan", "watch.margin_steps in smoltui.toml must be"),
        ("[evaluation]\ntemperature = nan", "evaluation.temperature in smoltui.toml must be a number: nan"),
        (f'[jobs]\ntimeout = "{"9" * 400}h"', "jobs.timeout in smoltui.toml is not a timeout"),
        ("# " + "x" * 140_000, "smoltui.toml cannot be read: it is larger than"),
    ],
)
def test_settings_made_to_do_harm(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "smoltui.toml").write_text(text)
    with pytest.raises(RecipeError) as error:
        Project(tmp_path).settings()
    assert error.value.message.startswith(said)
    with pytest.raises(RecipeError):
        set_pair_reading(Project(tmp_path), {"prompt": "p"})


def test_brackets_that_are_none() -> None:
    brackets = "[" * 50
    fine = f"a = '{brackets}'\nb = \"{brackets}\\\"{brackets}\"\n# {brackets}\nc = '''\n{brackets}\n'''"
    assert too_nested(f"{fine}\nd = [[1, {{e = 2}}]]") is None
    assert too_nested(f'a = """\n"""\nb = {brackets}') == 3


@given(st.text(alphabet="ab=[]{}.\"'#\\\n 019-:") | st.text())
def test_any_text_is_settings_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "settings"
    folder.mkdir(exist_ok=True)
    (folder / "smoltui.toml").write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    with suppress(RecipeError):
        Project(folder).settings()


def test_half_a_character_in_the_name_of_a_column(tmp_path: Path) -> None:
    set_pair_reading(Project(tmp_path), {"prompt": "x\ud800"})
    assert Project(tmp_path).settings().pair_columns == {"prompt": "x\ufffd"}


def test_a_wrong_value_is_shown_in_part() -> None:
    with pytest.raises(RecipeError) as error:
        parse_settings({"jobs": ["x" * 10_000]})
    assert len(error.value.message) < 300


def test_shown_columns_are_kept_with_the_rest(tmp_path: Path) -> None:
    """In the order in which they were chosen; without any, the key is gone. Comments and other keys stay."""
    path = tmp_path / "smoltui.toml"
    path.write_text('# mine\n[pairs]\nsource = "a.jsonl"  # the set\n')
    project = Project(tmp_path)
    set_shown_columns(project, ["score", 'a"b\x1b\ud800'])
    assert project.settings().pairs_show == ("score", 'a"b\x1b\ufffd') and project.settings().pairs == "a.jsonl"
    assert path.read_text().startswith('# mine\n[pairs]\nsource = "a.jsonl"  # the set\n')
    set_shown_columns(project, [])
    assert project.settings().pairs_show == () and "show" not in path.read_text()
    path.write_text("[pairs]\nshow = [1]\n")
    with pytest.raises(RecipeError) as error:
        project.settings()
    assert error.value.message == "pairs.show in smoltui.toml must be a list of texts: [1]"
    assert shown_columns(project) == ()


def test_how_a_set_is_read_is_written_and_taken_back(tmp_path: Path) -> None:
    """Only what differs from what the rows show; everything else in the file stays."""
    project, path = Project(tmp_path), tmp_path / "smoltui.toml"
    path.write_text("# mine\n[pairs]\nsource = 'a.jsonl'  # here\n")
    how = How(("a", "b"), score="stars", pick="all", min_margin=0.5)
    set_pair_reading(project, {"prompt": "q", "system": ""}, how)
    assert (project.settings().pair_how, project.settings().pair_columns) == (how, {"prompt": "q", "system": ""})
    assert "seed" not in path.read_text() and "winner" not in path.read_text()
    set_pair_reading(project, {}, How(winner="w"))
    assert (project.settings().pair_how, project.settings().pair_columns) == (How(winner="w"), {})
    set_pair_reading(project, {})
    assert path.read_text().rstrip("\n") + "\n" == "# mine\n[pairs]\nsource = 'a.jsonl'  # here\n"


KEYS_AND_VALUES = st.one_of(
    st.tuples(st.sampled_from(["jobs.flavor", "pairs.source", "judge.model", "submit.license"]), st.text(max_size=8)),
    st.tuples(st.sampled_from(["watch.nan", "evaluation.thinking", "submit.private"]), st.booleans()),
    st.tuples(st.sampled_from(["evaluation.seed", "judge.max_tokens"]), st.integers(1, 99)),
    st.tuples(st.sampled_from(["pairs.show", "evaluation.benchmarks"]), st.lists(st.text(max_size=5), max_size=3)),
    st.tuples(st.sampled_from(["jobs.labels"]), st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)),
    st.tuples(
        st.sampled_from(["jobs.flavor", "watch.nan", "evaluation.seed", "run.on", "jobs.labels"]), st.just(ABSENT)
    ),
)


@given(st.lists(KEYS_AND_VALUES, max_size=5), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "course-jobs"]))
@examples(40)
def test_any_settings_are_written_and_undone(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, Any]], newline: str, preset: str
) -> None:
    """Each value is the one asked for, no other changes, every comment stays, and undo restores every byte."""
    folder = tmp_path_factory.mktemp("set")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMOLTUI_HOME", str(folder / "data"))
        project, path = Project(folder), folder / "smoltui.toml"
        before = None
        if preset:
            before = (PACKAGE / "presets" / preset / "smoltui.toml").read_text("utf-8").replace("\n", newline).encode()
            path.write_bytes(before)
        comments = [line for line in (before or b"").decode().splitlines() if line.startswith("#")]
        wanted = flat(load_settings(project).data)
        for key, value in changes:
            set_settings(project, {key: value})
            wanted = {name: old for name, old in wanted.items() if name != key}
            wanted |= {} if value is ABSENT else {key: value}
            file = load_settings(project)
            assert flat(file.data) == wanted and file.problem is None
            assert not [comment for comment in comments if comment not in file.text]
            assert digest_of_settings(project) == file.digest
        with suppress(InputError):
            while True:
                Journal(folder).undo()
        assert (path.read_bytes() if path.exists() else None) == before


def test_a_new_key_stands_in_its_table_and_not_below_the_comment_of_the_next(tmp_path: Path) -> None:
    path = tmp_path / "smoltui.toml"
    path.write_text('[jobs]\nflavor = "x"  # mine\n\n# about answers\n[evaluation]\nseed = 1\n')
    made = set_settings(Project(tmp_path), {"jobs.processes": 2, "evaluation.manner.name": "kind"})
    assert made.said == "jobs.processes 0 (the default) → 2 · evaluation.manner.name none (the default) → kind"
    assert path.read_text() == (
        '[jobs]\nflavor = "x"  # mine\nprocesses = 2\n\n# about answers\n[evaluation]\nseed = 1\n\n'
        '[evaluation.manner]\nname = "kind"\n'
    )
    assert load_settings(Project(tmp_path)).line_of("jobs.processes") == 3


def test_two_people_change_the_same_setting(tmp_path: Path) -> None:
    project = Project(tmp_path)
    set_settings(project, {"jobs.timeout": "5h"})
    with pytest.raises(RecipeError, match="another program set it to 5h"):
        set_settings(project, {"jobs.timeout": "2h"}, expected={"jobs.timeout": ABSENT})
    set_settings(project, {"jobs.timeout": "2h"}, expected={"jobs.timeout": "5h"})
    assert project.settings().jobs.timeout == "2h"


def test_a_broken_value_can_be_fixed_and_a_file_in_one_line_is_refused(tmp_path: Path) -> None:
    project, path = Project(tmp_path), tmp_path / "smoltui.toml"
    path.write_text("[jobs]\nprocesses = 99\n[watch]\nnan = 3\n")
    with pytest.raises(RecipeError, match="from 0 to 64"):
        set_settings(project, {"jobs.processes": 98})
    set_settings(project, {"jobs.processes": 2})
    set_settings(project, {"watch.nan": ABSENT})
    assert project.settings().jobs.processes == 2
    path.write_text("jobs = {flavor = 'x'}\n")
    set_settings(project, {"jobs.timeout": "2h"})
    assert project.settings().jobs.timeout == "2h" and "flavor = 'x'" in path.read_text()
