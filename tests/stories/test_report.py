"""A run as a page: I save it from the Runs room or with a command, and read it in a browser without a network."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.evaluation.kept_answers import save_answers
from smoltui.backends.project.project import Project
from smoltui.backends.publish.report import make_report, write_report
from smoltui.backends.runs.store import run_dir
from smoltui.backends.services import Services
from smoltui.cli import runs as runs_module
from smoltui.cli.main import run as smoltui
from smoltui.core.evaluation.sheet import Cell, Sheet
from smoltui.core.publish.report_page import POLICY
from smoltui.core.runs.events import Answered
from tests.backends.publish.published import make_published
from tests.browser import Page, browser
from tests.conftest import seen, told

Wait = Callable[..., Awaitable[None]]
HOSTILE = (
    '<script>document.title="PWN"</script><img src=http://127.0.0.1:9/i onerror=\'document.title="PWN"\'>'
    "![x](http://127.0.0.1:9/j) [a](javascript:alert(1)) </code></pre></title><b onclick=alert(1)>bold</b>"
    "<link rel=stylesheet href=http://127.0.0.1:9/k><style>@import 'http://127.0.0.1:9/l'</style>"
)
"""A text that runs, loads and styles where it is taken for HTML or Markdown."""


async def hostile_report(tmp_path: Path) -> Path:
    """The page of a run whose name, message, checks, recipe, prompts and answers are hostile."""
    project, engine, run = make_published(tmp_path / "project")
    spec = await engine.started_with(run)
    assert spec is not None
    engine.spec = replace(spec, checks=(f"! {HOSTILE}",), recipe=f"{spec.recipe}# {HOSTILE}\n")  # type: ignore[attr-defined]
    sheet = Sheet([HOSTILE], prompt_set=f"{HOSTILE}.txt")
    for name in sheet.names:
        text = f"{HOSTILE}\n```\n{HOSTILE}"
        sheet.cells[name, 0] = Cell(text, Answered(model=name, index=0, text=text, ended=True, tokens=3))
    save_answers(run_dir(run.id), sheet, {}, {})
    made = await make_report(engine, replace(run, name=HOSTILE, message=HOSTILE, labels={"a": HOSTILE}), project)
    return write_report(made, tmp_path / "out")[0]


@pytest.mark.slow
@pytest.mark.skipif(browser() is None, reason="no browser is installed (Debian: apt-get install chromium)")
async def test_a_browser_shows_it_and_nothing_else_happens(tmp_path: Path) -> None:
    """Curves and figures are visible in light and dark; nothing is requested or run, not even without the policy."""
    path = await hostile_report(tmp_path)
    assert POLICY in path.read_text()
    bare = tmp_path / "out" / "bare.html"
    bare.write_text(path.read_text().replace("Content-Security-Policy", "x"))
    with Page(tmp_path / "browser") as page:
        for opened in (path, bare):
            page.open(opened)
            title = page.ask("document.title")
            assert title.startswith("Run <script>document.title") and not page.dialogs
            shown = page.ask("document.body.innerText")
            assert "reward accuracy" in shown and "78 % (71–85)" in shown and "0.300" in shown
            assert shown.count('<script>document.title="PWN"</script>') >= 6
            foreign = "document.querySelectorAll('script, img, b, body link, body style').length"
            assert page.ask(foreign) == 1, "the style of the curves"
            elsewhere = [url for url in page.requested if url not in (path.as_uri(), bare.as_uri(), "data:,")]
            assert not elsewhere
        box = "document.querySelector('svg polyline').getBoundingClientRect()"
        assert page.ask(f"{box}.width") > 200 and page.ask(f"{box}.height") > 50
        assert page.ask("document.documentElement.scrollWidth <= window.innerWidth")
        colours = {}
        for scheme in ("light", "dark"):
            page.prefers(scheme)
            colours[scheme] = [
                page.ask(f"getComputedStyle(document.querySelector('{which}')).color")
                for which in ("body", "svg polyline", "svg text")
            ]
        assert not set(colours["light"]) & set(colours["dark"]) and colours["dark"][0] == "rgb(230, 230, 230)"


def test_the_command_says_where_the_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, engine, run = make_published(tmp_path / "project")
    monkeypatch.setattr(runs_module, "default_services", lambda *_: Services({engine.place.name: engine}))
    monkeypatch.setattr(type(engine), "get", lambda self, run_id: _get(run, run_id), raising=False)
    monkeypatch.chdir(tmp_path)
    assert smoltui(["report", run.id, "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written["page"] == str(tmp_path / f"report-{run.id}" / "report.html") and Path(written["page"]).is_file()
    assert smoltui(["report", run.id, "--out", "there"]) == 0
    said = capsys.readouterr().out
    assert f"{tmp_path}/there/report.html" in said and "Open the first in a browser" in said
    (tmp_path / "there" / "report.md").write_text("# my own notes")
    assert smoltui(["report", run.id, "--out", "there"]) == 2
    assert "not a report" in capsys.readouterr().err


async def _get(run: object, run_id: str) -> object:
    from smoltui.errors import InputError

    if run_id != getattr(run, "id", None):
        raise InputError(f"No such run: {run_id}")
    return run


@pytest.mark.slow
async def test_saving_it_from_the_runs_room(tmp_path: Path, loop_guard: list[str], wait_until: Wait) -> None:
    """E asks what to save: r is the report, l the log; escape saves nothing; a file of mine is kept."""
    project, engine, run = make_published(tmp_path / "project")
    app = SmoltuiApp(Project(project.folder), Services({engine.place.name: engine}))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("4")
        await wait_until(lambda: run.id in seen(app))
        await pilot.press("E")
        await wait_until(lambda: "report: recipe, pairs, curves" in seen(app))
        await pilot.press("escape", "E", "r")
        await wait_until(lambda: "save report in folder:" in seen(app))
        await pilot.press("enter")
        await wait_until(lambda: "Saved the report" in told(app))
        assert (project.folder / f"report-{run.id}" / "report.html").is_file()
        app.clear_notifications()
        (project.folder / f"report-{run.id}" / "report.md").write_text("my own notes")
        await pilot.press("E", "r", "enter")
        await wait_until(lambda: "not a report of smoltui" in told(app))
        app.clear_notifications()
        await pilot.press("E", "l", "enter")
        await wait_until(lambda: "lines to" in told(app))
        await pilot.press("a")  # not the beginning of "at", as Textual calls the key @
        await wait_until(lambda: app.current_mode == "evaluate")
