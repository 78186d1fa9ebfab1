"""The recipe's file: read as TRL reads it, edited a value at a time, never overwritten silently."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.backends.project.recipe_file import RecipeFile, load_recipe, render
from smoltui.cli.train import parse_assignment
from smoltui.errors import InputError, RecipeError

TEXT = """\
# My recipe, written by hand.
model_name_or_path: ./model   # the small one

datasets:
  - path: json
    data_files: pairs.jsonl
    split: train
# The pull to the reference.
beta: 0.1
learning_rate: 5e-7
save_strategy: "no"
bf16: false
run_name:
lora_target_modules: [q_proj, v_proj]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_values_are_plain_python(path: Path) -> None:
    """What I wrote is what I get: 5e-7 is a number, "no" a word, an empty value nothing."""
    recipe = load_recipe(path)
    assert recipe.values == {
        "model_name_or_path": "./model",
        "datasets": [{"path": "json", "data_files": "pairs.jsonl", "split": "train"}],
        "beta": 0.1,
        "learning_rate": 5e-7,
        "save_strategy": "no",
        "bf16": False,
        "run_name": None,
        "lora_target_modules": ["q_proj", "v_proj"],
    }
    assert [type(value) for value in recipe.values.values()] == [str, list, float, float, str, bool, type(None), list]
    assert recipe.line_of("beta") == 9 and recipe.line_of("max_steps") is None


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        ("beta", 0.25, "beta: 0.1\n", "beta: 0.25\n"),
        ("model_name_or_path", "HuggingFaceTB/SmolLM3-3B", "path: ./model   #", "path: HuggingFaceTB/SmolLM3-3B   #"),
        ("learning_rate", 1e-6, "learning_rate: 5e-7", "learning_rate: 1.0e-6"),
        ("run_name", "first try", "run_name:\n", 'run_name: "first try"\n'),
        ("bf16", True, "bf16: false", "bf16: true"),
        ("lora_target_modules", "all-linear", "[q_proj, v_proj]", "all-linear"),
        ("save_strategy", "steps", '"no"', "steps"),
    ],
)
def test_an_edit_changes_one_value_and_no_other_character(path: Path, key: str, value: Any, old: str, new: str) -> None:
    """I change one value; my comments, blank lines and order are as I left them."""
    recipe = load_recipe(path)
    recipe.set(key, value)
    recipe.save()
    assert path.read_text(encoding="utf-8") == TEXT.replace(old, new)
    assert load_recipe(path).values[key] == value


def test_a_new_key_stands_among_its_kind_and_can_be_taken_out_again(path: Path) -> None:
    """I set a field that the file did not hold: it comes behind its neighbour of the form; then I take it out."""
    recipe = load_recipe(path)
    recipe.set("max_steps", 50)
    lines = recipe.text.splitlines()
    assert lines[lines.index("max_steps: 50") - 1].startswith("learning_rate: 5e-7")
    assert [line for line in lines if line != "max_steps: 50"] == TEXT.splitlines()
    recipe.remove("max_steps")
    assert recipe.text == TEXT
    recipe.set("adam_epsilon", 1e-6)  # not in the form
    assert recipe.text == TEXT + "adam_epsilon: 1.0e-6\n"


def test_removing_a_key_keeps_the_comments_around_it(path: Path) -> None:
    """The list of datasets goes, the comment about beta stays."""
    recipe = load_recipe(path)
    recipe.remove("datasets")
    assert "datasets" not in recipe.values and "pairs.jsonl" not in recipe.text
    assert "# The pull to the reference.\nbeta: 0.1\n" in recipe.text


def test_a_list_of_datasets_can_be_changed_and_replaced(path: Path) -> None:
    """Another source, then a Hub id in one line instead."""
    recipe = load_recipe(path)
    other = [
        {"path": "Anthropic/hh-rlhf", "split": "train[:1000]"},
        {"path": "json", "data_files": ["a.json", "b.json"]},
    ]
    recipe.set("datasets", other)
    assert recipe.values["datasets"] == other
    assert "# The pull to the reference.\nbeta: 0.1\n" in recipe.text
    recipe.set("datasets", None)
    assert "datasets: null\n# The pull" in recipe.text and "hh-rlhf" not in recipe.text
    recipe.set("datasets", other)
    assert recipe.values["datasets"] == other


def test_a_hand_edit_while_it_is_open_is_noticed(path: Path) -> None:
    """I edit the file in another window: the app does not overwrite my words."""
    recipe = load_recipe(path)
    assert not recipe.changed_outside()
    path.write_text(TEXT + "max_steps: 7\n", encoding="utf-8")
    assert recipe.changed_outside()
    recipe.set("beta", 0.5)
    with pytest.raises(RecipeError, match="changed by another program"):
        recipe.save()
    assert path.read_text(encoding="utf-8") == TEXT + "max_steps: 7\n"
    recipe.save(overwrite=True)
    assert load_recipe(path).values["beta"] == 0.5
    assert not recipe.changed_outside()


def test_saving_leaves_no_litter_and_keeps_permissions_and_links(path: Path, tmp_path: Path) -> None:
    """Only the recipe is in the folder afterwards, still mine alone, and a link still leads to it."""
    path.chmod(0o600)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    recipe = load_recipe(link)
    recipe.set("beta", 0.5)
    recipe.save()
    assert link.is_symlink() and "beta: 0.5" in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    assert {item.name for item in tmp_path.iterdir()} == {"recipe.yaml", "link.yaml"}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("beta: 0.1\nseed: 1\nbeta: 0.2\n", "line 3: this key is already on line 1: beta", "Delete one"),
        ("a: {x: 1, x: 2}\n", "already on line 1: x", "Delete one"),
        ("- beta\n- 0.1\n", "has no keys, line 1", "key: value"),
        ("just words\n", "has no keys, line 1", "key: value"),
        ("beta: 0.1\nmax_steps: [1, 2\nseed: 3\n", "is not YAML", "The line is"),
        ("beta: 0.1\nmax_steps: [1, 2\n", "line 2 is not YAML: expected ',' or ']', but got the end", "max_steps: [1"),
        ("beta: 0.1\n  seed: 3\n", "line 2 is not YAML", "seed: 3"),
        ("beta: 0.1\nsave_strategy: no\n", "line 2: save_strategy is read as true or false: no", 'save_strategy: "no"'),
        ("eval_strategy: off\n", "line 1: eval_strategy", 'eval_strategy: "no"'),
        ("1: 2\n", "line 1: a key must be a word: 1", "learning_rate"),
    ],
)
def test_a_broken_file_says_which_line_and_what_to_write(tmp_path: Path, text: str, message: str, hint: str) -> None:
    """One sentence with the line, and the next step."""
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as raised:
        load_recipe(path)
    assert message in raised.value.message and hint in raised.value.hint
    assert "\n" not in raised.value.message


def test_no_file_and_no_text(tmp_path: Path) -> None:
    """A missing file, or one in another encoding, is a sentence too; an empty one is an empty recipe."""
    with pytest.raises(RecipeError, match="No recipe here"):
        load_recipe(tmp_path / "recipe.yaml")
    (tmp_path / "a.yaml").write_bytes(b"beta: 0.1\n# caf\xe9\n")
    with pytest.raises(RecipeError, match="line 2 is not UTF-8"):
        load_recipe(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text("# nothing yet\n", encoding="utf-8")
    empty = load_recipe(tmp_path / "b.yaml")
    assert empty.values == {}
    empty.set("beta", 0.1)
    assert empty.text == "# nothing yet\nbeta: 0.1\n"


@pytest.mark.parametrize(
    ("text", "key"),
    [("x: &a 1\nz: *a\n", "z"), ("{beta: 0.1}\n", "seed")],
)
def test_what_cannot_be_edited_safely_is_refused_and_unchanged(tmp_path: Path, text: str, key: str) -> None:
    """An alias or braces: nothing is touched, and I am told to use the editor."""
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    recipe = load_recipe(path)
    with pytest.raises(RecipeError):
        recipe.set(key, 5)
    assert recipe.text == text


def test_values_are_what_pyyaml_gives_trl(tmp_path: Path) -> None:
    """The app and TRL never disagree about a value (but for 5e-7, which TRL turns into a number itself)."""
    yaml = pytest.importorskip("yaml", reason="PyYAML, which TRL reads the file with, is not installed")
    path = tmp_path / "recipe.yaml"
    text = (
        "a: on\nb: 010\nc: 1_000\nd: 1:30\ne: 1.0e-6\nf: .inf\ng: NaN\nh: ~\ni: 'x''y'\nj: y\nk: 0x1F\nl: +5\n"
        "m: {lr: 1e-1, n: 2, when: yes}\nn: |\n  two\n  lines\no: >-\n  folded\n  text\np: 'no'\nq: [1, 2.5, x]\n"
    )
    path.write_text(text.replace("n: |", "nn: |").replace("n: 2", "k: 2"), encoding="utf-8")
    ours, theirs = load_recipe(path).values, yaml.safe_load(path.read_text(encoding="utf-8"))
    assert ours == theirs
    assert {key: type(value) for key, value in ours.items()} == {key: type(value) for key, value in theirs.items()}


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        None,
        0,
        -3,
        1e-6,
        5e-7,
        1e22,
        0.1,
        3.0,
        "no",
        "yes",
        "5e-7",
        "1",
        "",
        " x",
        "a: b",
        "x # y",
        "é\n",
        "~",
        "train[:1000]",
        "null",
        "2024-01-01",
        [],
        ["a", "no"],
        [1.5, 2],
        {"a": "no", "b": 1e-3},
        "- x",
        "@x",
        "it's",
    ],
)
def test_whatever_is_written_is_read_back_the_same(tmp_path: Path, value: Any) -> None:
    """Every value survives the file, for us and for TRL's own reader."""
    yaml = pytest.importorskip("yaml")
    path = tmp_path / "recipe.yaml"
    path.write_text("seed: 1\n", encoding="utf-8")
    recipe = load_recipe(path)
    recipe.set("key", value)
    recipe.set("seed", value)
    recipe.save()
    again = load_recipe(path)
    assert again.values == {"seed": value, "key": value}
    assert type(again.values["key"]) is type(value)
    assert yaml.safe_load(f"key: {render(value)}")["key"] == value
    assert isinstance(again, RecipeFile)


BOMB = "x: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"k{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "recipe.yaml line 5 cannot be used: its aliases expand to more than 20,000 values"),
        ("a: 1\nfoo: " + "[" * 3000, "recipe.yaml line 2 cannot be used: nested more than 30 deep"),
        ("a: 1\n" + "- " * 3000, "recipe.yaml line 2"),
        ("a: " + "{b: " * 3000, "recipe.yaml line 1 cannot be used: nested more than 30 deep"),
        ("a: 1\nb: &a [*a]\n", "recipe.yaml line 2 cannot be used: a value contains itself"),
        ("a: [" + "1," * 30_000 + "]", "recipe.yaml line 1 cannot be used: more than 20,000 values"),
        ("a: " + "x" * 140_000, "recipe.yaml cannot be read: it is larger than"),
        ("seed: " + "9" * 5000, "recipe.yaml line 1 is not YAML"),
        ("seed: 0x" + "f" * 5000, "recipe.yaml line 1: seed holds a whole number that does not fit in 64 bits"),
        ("seed: 99999999999999999999", "recipe.yaml line 1: seed holds a whole number that does not fit in 64 bits"),
        ("a: 1\nb: !!binary aGk=", "recipe.yaml line 2: b holds an unsupported value"),
        ("a: 1\nb: {c: !!set {x}}", "recipe.yaml line 2: b holds an unsupported value"),
        ("a: {? [1] : 2}", "recipe.yaml line 1"),
        ('a: "\\ud800"', "recipe.yaml line 1: a holds half a character"),
        ("b: 1\na: !!float x", "recipe.yaml line 2 is not YAML"),
    ],
)
def test_a_recipe_made_to_do_harm_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    """Aliases of aliases, brackets without end, numbers without end: a sentence with the line, at once."""
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=f"^{re.escape(said)}"):
        load_recipe(path)


def test_aliases_that_people_write(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("a: &a {x: 1}\nb: [*a, *a]\nc: {<<: *a, y: 2}\n")
    assert load_recipe(path).values == {"a": {"x": 1}, "b": [{"x": 1}, {"x": 1}], "c": {"x": 1, "y": 2}}


@given(st.text(alphabet="ab0:-[]{}&*!?|>'\"#%@,. \n\t\\<~e9") | st.text(), st.integers(0, 40))
def test_any_text_is_a_recipe_or_a_sentence(text: str, repeated: int) -> None:
    with suppress(RecipeError):
        RecipeFile(Path("recipe.yaml"), text * repeated, "")


def test_an_assignment_made_to_do_harm() -> None:
    for value in ("[" * 3000, "&a [*a]", "!!float x", "x" * 200_000):
        with pytest.raises(InputError, match=r"cannot be read|nested too deeply"):
            parse_assignment(f"seed={value}")
