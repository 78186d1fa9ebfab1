"""Every card says something, can be found by its names, and every metric that TRL logs has one."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest
from click.testing import CliRunner

from smoltui.cli.main import smoltui
from smoltui.core.evaluation.figure_rows import figure_rows
from smoltui.core.evaluation.figures import Figures
from smoltui.core.meanings import KINDS, all_cards, by_id, find, terms_like
from smoltui.core.pairs.audit import DEFINITIONS
from smoltui.core.pairs.columns import COLUMNS
from smoltui.core.recipe.fields import FIELDS
from smoltui.core.runs.panels import PANELS
from smoltui.core.settings.settings import Manner
from smoltui.errors import InputError
from smoltui.scripts.run_health import RULES


def test_every_card_is_whole() -> None:
    """Sentences end with periods; names that a person may type lead back to their card."""
    cards = all_cards()
    assert len(cards) > 200 and {card.kind for card in cards.values()} == set(KINDS)
    for card in cards.values():
        assert card.what.endswith((".", "?")) and len(card.what) > 5 and "  " not in card.what, card.id
        for name in card.names:
            assert card in find(name), (card.id, name)
        for label, text in card.rows():
            assert text == text.strip() and "\n" not in text, (card.id, label)


def test_what_other_tables_explain_is_found() -> None:
    for field in FIELDS:
        assert by_id(f"field:{field.key}").what == field.help
    for definition in DEFINITIONS:
        assert by_id(f"finding:{definition.name}").act == definition.act
    for column in COLUMNS:
        assert find(column), column
    for panel in PANELS:
        assert all(by_id(f"metric:{key}").source for key in panel.keys)
    rows = figure_rows(Figures("reference", not_finite=1), Figures("aligned"), Manner("courteous"), "today")
    for label, *_ in rows:
        assert find(label), label


def _logged_by_trl() -> set[str]:
    """Names of the metrics in the source of the installed trainer, and those that transformers adds."""
    trainer = pytest.importorskip("trl.trainer.dpo_trainer")
    found = set()
    for node in ast.walk(ast.parse(inspect.getsource(trainer))):
        is_metric = isinstance(node, ast.Subscript) and "_metrics" in ast.unparse(node.value)
        if is_metric and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            found.add(node.slice.value)
    return found


@pytest.mark.slow
def test_every_metric_that_the_trainer_logs_has_a_card() -> None:
    """Read from the installed TRL, so that a metric of a newer version is noticed."""
    names = _logged_by_trl()
    assert {"rewards/margins", "logps/chosen", "entropy"} <= names and len(names) >= 11
    ours = {"loss", "grad_norm", "learning_rate", "epoch", "train_loss", "train_runtime", "total_flos", "eval_runtime"}
    for name in names | ours:
        assert by_id(f"metric:{name}") in find(name)
        if not name.startswith(("train_", "eval_", "total_")):
            assert by_id(f"metric:eval_{name}").term == name
            assert find(f"eval_{name}")


def test_every_rule_of_the_reading_has_a_card() -> None:
    """A rule yields remarks whose names are terms: the source names them."""
    for rule in RULES:
        calls = [node for node in ast.walk(ast.parse(inspect.getsource(rule))) if isinstance(node, ast.Call)]
        names = {ast.literal_eval(call.args[0]) for call in calls if ast.unparse(call.func) == "Remark"}
        assert names, rule
        for name in names:
            assert by_id(f"run:{name}").what


def test_a_source_in_the_package_exists() -> None:
    root = Path(inspect.getfile(InputError)).parent
    for card in all_cards().values():
        for word in card.source.replace(",", " ").replace(";", " ").split():
            if word.startswith(("core/", "scripts/")):
                assert (root / word).exists(), (card.id, word)


def test_explain_prints_lists_and_suggests() -> None:
    """I ask for a metric, for one with two meanings, for the list, and for a word that isn't there."""
    run = CliRunner().invoke
    margin = run(smoltui, ["explain", "margin"]).output
    assert margin.startswith("Reward margin (rewards/margins)") and "nats × beta" in margin
    both = run(smoltui, ["explain", "learning", "rate"]).output
    assert "metric of the training" in both and "key of the recipe" in both
    listed = run(smoltui, ["explain"]).output
    assert all(words in listed for words in KINDS.values()) and "much_longer_chosen" in listed
    assert '"id": "field:beta"' in run(smoltui, ["explain", "BETA", "--json"]).output
    failed = run(smoltui, ["explain", "entorpy"])
    assert isinstance(failed.exception, InputError) and "Did you mean entropy" in failed.exception.hint
    assert not terms_like("qqqqqqq")


@pytest.mark.parametrize("typed", ["rewrd", "rewards", "reward", "rewrds/margin"])
def test_a_word_of_a_name_is_enough_to_suggest_it(typed: str) -> None:
    """Other words that look alike (required, words, ready) come after every name with the word that was meant."""
    like = terms_like(typed)
    assert like and all("reward" in term for term in like), like
    assert "rewards/margins" in like
