"""The README names every key, command and setting, and its links lead somewhere."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.widget import Widget

from smoltui.core.settings import EvaluationSettings, JobSettings, LocalSettings, Manner
from smoltui.core.watch import WatchSettings
from smoltui.screens.pairs.audit_pane import AuditPane
from smoltui.screens.pairs.list_pane import ListPane
from smoltui.screens.pairs.pair_pane import PairPane
from smoltui.screens.pairs.set_view import SetView
from smoltui.screens.pairs.tokens_pane import TokensPane

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()

ROOMS = {
    "device": "DeviceRoom",
    "pairs": "PairsRoom",
    "recipe": "RecipeRoom",
    "runs": "RunsRoom",
    "evaluate": "EvaluateRoom",
}
PANES: dict[str, tuple[type[Widget], ...]] = {"pairs": (SetView, PairPane, ListPane, AuditPane, TokensPane)}
"""The parts of a room that have keys of their own."""
WRITTEN = {"question_mark": "?", "slash": "/", "right": "→", "left": "←", "escape": "esc", "left_square_bracket": "[",
           "right_square_bracket": "]"}  # fmt: skip


@pytest.mark.parametrize("module", ROOMS)
def test_every_shown_key_of_a_room_is_in_its_row(module: str) -> None:
    room = getattr(import_module(f"smoltui.screens.{module}"), ROOMS[module])
    title = next(line for line in README.splitlines() if re.match(rf"\| \d {module}", line, re.IGNORECASE))
    shown = [binding for part in (room, *PANES.get(module, ())) for binding in part.BINDINGS
             if isinstance(binding, Binding) and binding.show]  # fmt: skip
    keys = [key for binding in shown for key in binding.key.split(",")[:1]]
    assert keys
    missing = [key for key in keys if f"`{WRITTEN.get(key, key)}`" not in title]
    assert not missing


def test_every_key_of_the_app_is_named() -> None:
    from smoltui.app import SmoltuiApp

    for binding in SmoltuiApp.BINDINGS:
        assert isinstance(binding, Binding)
        key = WRITTEN.get(binding.key, binding.key)
        assert f"`{key}`" in README or key in "12345", key


def test_every_command_is_named() -> None:
    from smoltui.cli import smoltui

    for name, command in smoltui.commands.items():
        if not command.hidden:
            assert f"smoltui {name}" in README, name


def test_every_option_of_train_is_named() -> None:
    from smoltui.cli import smoltui

    row = next(line for line in README.splitlines() if line.startswith("| `smoltui train"))
    options = [option.opts[-1] for option in smoltui.commands["train"].params if option.opts[-1].startswith("--")]
    assert not [option for option in options if option != "--json" and f"[{option}" not in row]


def test_every_setting_is_named() -> None:
    names = ["run.on", "pairs.source", "pairs.columns"]
    names += [f"jobs.{item.name}" for item in fields(JobSettings)]
    names += [f"local.{item.name}" for item in fields(LocalSettings)]
    names += [f"watch.{item.name}" for item in fields(WatchSettings)]
    names += [f"evaluation.{item.name}" for item in fields(EvaluationSettings)]
    assert not [name for name in names if f"`{name}`" not in README]
    assert not [item.name for item in fields(Manner) if f"`{item.name}`" not in README]


def test_every_exit_code_and_event_is_named() -> None:
    from smoltui.core.events import EVENTS

    said = re.search(r"`event` \(([^)]*)\)", README)
    assert said is not None
    listed = set(said[1].replace("\n", " ").split(", "))
    assert listed == set(EVENTS) - {"answer", "answer_part", "pair"}


def test_its_pictures_are_there() -> None:
    pictures = re.findall(r"\]\((screenshots/[\w.]+)\)", README)
    assert len(pictures) >= 6
    assert not [name for name in pictures if not (ROOT / name).is_file()]


def test_every_column_of_a_condition_is_named() -> None:
    from smoltui.core.pair_columns import COLUMNS

    assert not [name for name in COLUMNS if f"`{name}`" not in README]


def test_every_option_of_pairs_is_named() -> None:
    from smoltui.cli import smoltui

    row = next(line for line in README.splitlines() if line.startswith("| `smoltui pairs"))
    options = [option.opts[-1] for option in smoltui.commands["pairs"].params if option.opts[-1].startswith("--")]
    assert not [option for option in options if option != "--json" and f"[{option}" not in row]
