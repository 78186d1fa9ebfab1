"""The app's style sheet: what it parses, and when it parses again."""

from __future__ import annotations

import pytest
from textual.css import stylesheet as textual_stylesheet
from textual.css.errors import StyleValueError
from textual.css.stylesheet import StylesheetParseError

from smoltui.looks.stylesheet import ParsedOnce


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources that were parsed so far."""
    sources: list[str] = []
    parse = textual_stylesheet.parse

    def counted(scope: str, css: str, *rest: object, **options: object) -> object:
        sources.append(css)
        return parse(scope, css, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(textual_stylesheet, "parse", counted)
    return sources


def test_a_new_room_adds_only_its_own_rules(parsed: list[str]) -> None:
    """A second source leaves the first as it is, and rules of both apply."""
    sheet = ParsedOnce(variables={"ink": "red"})
    sheet.add_source("Static { color: $ink; }", read_from=("app", ""))
    sheet.reparse()
    sheet.add_source("Label { color: blue; }", read_from=("room", ""))
    sheet.reparse()
    assert parsed == ["Static { color: $ink; }", "Label { color: blue; }"]
    assert [rule.selector_names for rule in sheet.rules] == [{"Static"}, {"Label"}]


def test_another_theme_parses_again(parsed: list[str]) -> None:
    """The same variables parse nothing, other ones change the color."""
    sheet = ParsedOnce(variables={"ink": "#ff0000"})
    sheet.add_source("Static { color: $ink; }", read_from=("app", ""))
    colors = []
    for ink in ("#ff0000", "#ff0000", "#0000ff"):
        sheet.set_variables({"ink": ink})
        sheet.reparse()
        colors.append(sheet.rules[0].styles.color.hex)
    assert colors == ["#FF0000", "#FF0000", "#0000FF"]
    assert len(parsed) == 2


def test_an_invalid_source_is_refused() -> None:
    """As in Textual: with an error, not silently."""
    sheet = ParsedOnce()
    sheet.add_source("Static { color: red; }", read_from=("app", ""))
    sheet.reparse()
    sheet.add_source("Static { color: no-such-color; }", read_from=("room", ""))
    with pytest.raises((StylesheetParseError, StyleValueError)):
        sheet.reparse()
