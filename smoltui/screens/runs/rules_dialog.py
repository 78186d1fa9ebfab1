"""Turns the rules that watch runs on and off, in smoltui.toml."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from smoltui.backends.project.project import Project
from smoltui.backends.project.settings_file import set_watch
from smoltui.core.meanings.shown import CARDS_OF
from smoltui.core.runs.rules import RULES
from smoltui.core.runs.watch_settings import WatchSettings
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe, safe_line
from smoltui.screens.explaining import Explains
from smoltui.screens.modal import Modal
from smoltui.widgets.actions import bindings, shown_key

UNITS = {"margin_steps": "steps", "silent_minutes": "minutes", "waiting_minutes": "minutes", "cost_usd": "USD"}
SUGGESTED = {"margin_steps": 100, "silent_minutes": 10.0, "waiting_minutes": 15.0, "cost_usd": 10.0}
"""Threshold of a rule when it is turned on; others can be set in smoltui.toml."""
KEYS = dict(zip("12345670", RULES, strict=True)) | {"8": "cancel_over_cost", "9": "stop_ruined"}


MORE = {
    "cancel_over_cost": "   and cancel the run when the cost is over the limit",
    "stop_ruined": "   and stop new runs when their weights are lost or nothing can be learned",
}
"""Settings of `[watch]` that act on a rule."""


class RulesDialog(Modal[None], Explains[None]):
    """Shows the rules, each with a number key that turns it on or off."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("rules")

    def __init__(self, project: Project) -> None:
        super().__init__()
        self._project = project
        self._problem = ""

    def explained(self) -> tuple[str, ...]:
        return CARDS_OF["rules"]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(id="rules", markup=False)

    def on_mount(self) -> None:
        self._draw()

    def _settings(self) -> WatchSettings:
        try:
            return self._project.settings().watch
        except SmoltuiError as error:
            self._problem = str(error)
            return WatchSettings()

    def _draw(self) -> None:
        settings = self._settings()
        text = Text().append("Warn me when\n\n", "bold")
        for key, rule in KEYS.items():
            value = getattr(settings, rule)
            words = RULES.get(rule) or MORE[rule]
            text.append(f" {key} ", "reverse").append(" on   " if value else " off  ", "green" if value else "dim")
            text.append(words)
            if unit := UNITS.get(rule):
                text.append(f", {value:g} {unit}" if value else "", "dim")
            text.append("\n")
        text.append(f"\nThresholds: [watch] in smoltui.toml of {safe_line(self._project.name, 40)}\n", "dim")
        if self._problem:
            text.append(safe(self._problem, 600), "red").append("\n")
        text.append(f"\n {shown_key(self, 'esc')} ", "reverse").append(" close")
        self.query_one("#rules", Static).update(text)

    def on_key(self, event: events.Key) -> None:
        rule = KEYS.get(event.character or "")
        if rule is None:
            return
        event.stop()
        self._problem = ""
        value = getattr(self._settings(), rule)
        try:
            if isinstance(value, bool):
                set_watch(self._project, rule, not value)
            else:
                set_watch(self._project, rule, 0 if value else SUGGESTED[rule])
        except SmoltuiError as error:
            self._problem = str(error)
        self._draw()

    def action_leave(self) -> None:
        self.dismiss(None)
