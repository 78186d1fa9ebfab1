"""smoltui.toml as strangers write it: one sentence with the line, and never a traceback."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.backends.pairs.session import shown_columns
from smoltui.backends.project.project import Project, too_nested
from smoltui.backends.project.settings_file import set_pair_reading, set_shown_columns
from smoltui.core.settings.settings import parse_settings
from smoltui.errors import RecipeError
from smoltui.scripts.pair_how import How


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
