"""The report about a set: I go through what was found, and read why it matters and how to fix it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.geometry import Region

from smoltui.screens.pairs.audit_list import AuditList, FindingRow
from tests.conftest import seen
from tests.stories.hostile import HOSTILE, assert_clean, lines_of

WaitUntil = Callable[..., Awaitable[None]]


def finding(name: str, severity: str, count: int | None, title: str = "", examples: tuple[int, ...] = ()) -> FindingRow:
    share = None if count is None else count / 2312
    return FindingRow(
        name,
        title or f"pairs that are {name}",
        severity,
        count,
        share,
        f"Why {name} matters.",
        f"{name} paper",
        examples,
        f"x excludes {name}",
    )


FOUND = [
    finding("long", "info", 900, examples=tuple(range(900))),
    finding("duplicate", "warn", 0),
    finding("repeated", "warn", 2, examples=(6, 1999)),
    finding("empty", "stop", 4, examples=(0, 11, 12, 1233)),
    finding("tokens", "warn", None),
]


class Host(App[None]):
    """The report alone on the screen, with the keys a room would bind."""

    CSS = "AuditList { height: 1fr; }"
    BINDINGS = [Binding("j", "move(1)"), Binding("k", "move(-1)")]

    def compose(self) -> ComposeResult:
        yield AuditList()

    @property
    def list(self) -> AuditList:
        return self.query_one(AuditList)

    def action_move(self, by: int) -> None:
        self.list.move(by)


async def test_i_read_the_report(wait_until: WaitUntil) -> None:
    """The worst first, in words and figures; below it are the reason, the source, the pairs and the fix."""
    async with Host().run_test(size=(80, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        app.list.show(["2,312 pairs, 2,299 of them clean"], FOUND)
        await wait_until(lambda: "2,299 of them clean" in seen(app))
        rows = [line.split() for line in seen(app).splitlines() if "pairs that are" in line]
        assert [(row[0], row[-1]) for row in rows] == [
            ("4", "empty"),
            ("2", "repeated"),
            ("900", "long"),
            ("–", "tokens"),
        ]
        assert "✓ 1 other check found nothing   z lists them" in seen(app)
        assert rows[0][:4] == ["4", "0.2%", "✗", "stop"] and rows[2][:4] == ["900", "38.9%", "·", "info"]
        assert "Why empty matters." in seen(app) and "Source: empty paper" in seen(app)
        assert "Pairs 1, 12, 13, 1,234" in seen(app) and "x excludes empty" in seen(app)
        await pilot.press("j", "j")
        await wait_until(lambda: "Why long matters." in seen(app) and "Why empty" not in seen(app))
        assert "8, 9, 10 …" in seen(app)
        assert "enter shows them" in " ".join(seen(app).split())
        await pilot.press("j", "j", "j")
        await wait_until(lambda: "Not counted" in seen(app))
        assert app.list.current is not None and app.list.current.name == "tokens"
        app.list.unfold(True)
        await pilot.press("j")
        await wait_until(lambda: "Why duplicate matters." in seen(app) and "found nothing" not in seen(app))
        assert "enter shows them" not in " ".join(seen(app).split())
        app.list.unfold(False)
        assert app.list.current is not None and app.list.current.name == "tokens", "the last that is still listed"


async def test_the_cursor_stays_on_its_finding_while_the_report_grows(wait_until: WaitUntil) -> None:
    """What is found later may stand above; the progress shows while it runs and goes."""
    async with Host().run_test(size=(80, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        app.list.show([], FOUND[:3], progress="looked at 1,000 of 2,312 pairs")
        await wait_until(lambda: "looked at 1,000 of 2,312 pairs" in seen(app))
        await pilot.press("j")
        assert app.list.current is not None and app.list.current.name == "long" and "Why long" in seen(app)
        app.list.show(["done"], FOUND)
        await wait_until(lambda: "looked at" not in seen(app) and "done" in seen(app))
        assert app.list.current is not None and app.list.current.name == "long"
        app.list.show([], [], progress="looking")
        await wait_until(lambda: "looking" in seen(app))
        await pilot.press("j")
        assert app.list.current is None


async def test_a_move_draws_what_changed() -> None:
    async with Host().run_test(size=(100, 40)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        app.list.show([], FOUND)
        await pilot.pause()
        asked: list[Region] = []
        refresh = app.list.refresh

        def counting(*regions: Region, **rest: bool) -> AuditList:
            assert regions, "the whole report is drawn again"
            asked.extend(regions)
            return refresh(*regions, **rest)

        app.list.refresh = counting  # type: ignore[method-assign, assignment]
        app.list.move(1)
        assert 2 < len(asked) <= 8


async def test_more_findings_than_lines() -> None:
    """On a small screen the cursor's finding is always seen, and something of its reason."""
    async with Host().run_test(size=(40, 12)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        app.list.show(["a header"], [finding(f"kind{number:02}", "warn", 100 - number) for number in range(30)])
        for number in (*range(1, 30), *reversed(range(29))):
            app.list.move(1 if app.list.current is None or int(app.list.current.name[4:]) < number else -1)
            await pilot.pause()
            assert app.list.current is not None and app.list.current.name == f"kind{number:02}"
            assert f"that are kind{number:02}" in seen(app) and f"Why kind{number:02} matters." in seen(app)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12), (8, 4), (2, 2), (1, 1)])
async def test_hostile_texts_are_only_text(size: tuple[int, int]) -> None:
    async with Host().run_test(size=size) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await pilot.pause()
        for text in HOSTILE:
            row = FindingRow("name", text, text[:20], 3, 0.5, text, text, (1, 2), text)
            app.list.show([text], [row, finding("other", "warn", None)], progress=text)
            for _ in range(2):
                assert_clean(lines_of(app.list), size[0])
                app.list.move(1)
