"""The page: the report's text as HTML, in which nothing foreign is HTML. A browser opens it in the stories."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from smoltui.core.publish.report_page import GENERATOR, POLICY, as_html, page
from tests.core.publish.test_report import RUN, report

OURS = {"html", "head", "meta", "link", "title", "style", "body", "svg", "rect", "polyline", "text"}
OF_MARKDOWN = {"h1", "h2", "h3", "p", "a", "ul", "li", "pre", "code", "strong"}
OF_MARKDOWN |= {"table", "thead", "tbody", "tr", "th", "td"}


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "</title></style><img src=http://h/ onerror=alert(1)>",
        "![x](http://h/) [y](javascript:alert(1)) <http://h/>",
        "</code></pre><svg onload=alert(1)>",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "[x]: http://h/ 'y'",
    ],
)
def test_no_tag_and_no_address_but_ours(hostile: str) -> None:
    run = replace(RUN, name=hostile, message=hostile, hint=hostile, labels={"a": hostile}, pushed_to=hostile)
    found = Tags()
    found.feed(page(report(run, checks=(hostile,))))
    assert found.tags <= OURS | OF_MARKDOWN
    assert not [name for name, _ in found.attributes if name.startswith("on") or name == "src"]
    links = {value for name, value in found.attributes if name == "href"}
    assert links <= {"data:,", "https://huggingface.co/HuggingFaceTB/SmolLM3-3B"}


def test_the_page_is_complete() -> None:
    text = page(report())
    assert text.startswith("<!doctype html>") and POLICY in text and GENERATOR in text
    assert "<h1>Run first try</h1>" in text and "<polyline" in text and "made by smoltui report" not in text
    assert "prefers-color-scheme: dark" in text and "@media print" in text
    assert "No curve" in page(replace(report(), record=replace(report().record, curves={})))


def test_markdown_of_ours_becomes_html() -> None:
    assert "<table>" in as_html("| a | b |\n|---|---|\n| 1 | 2 |\n")
    assert as_html("<b>x</b>") == "<p>&lt;b&gt;x&lt;/b&gt;</p>\n"
