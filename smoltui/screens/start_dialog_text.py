"""The texts of the start dialog: what runs, where, at what cost, and what enter does. Pure: values in, text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from smoltui.backends.system.paths import shown_path
from smoltui.core.actions.own_keys import follow, own_key
from smoltui.core.machine.device import gib
from smoltui.core.machine.duration import Duration
from smoltui.core.preflight.check import Check
from smoltui.core.preflight.preflight import Facts
from smoltui.core.recipe import Act, Fix, Level
from smoltui.core.runs.cost import Flavor, limit_words, rate, usd, usd_span, worst_cost
from smoltui.core.runs.pace import as_span
from smoltui.core.runs.place import Place, Target
from smoltui.core.runs.run import RunSpec
from smoltui.safe_text import redact, safe_line
from smoltui.widgets.check_list import Item

HERE = ("start",)
"""The place of the dialog in the table of actions."""
LOW = 20
"""Lines of the terminal below which only what is essential is shown."""
LABEL_WIDTH = 9
KEY_WIDTH = 4
"""Cells for the key at the end of a row."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the dialog shows above the checks."""

    places: Sequence[Place]
    place: Place | None
    """Where it would run; None until smoltui.toml was read."""
    after: str
    """What is done afterwards, in words."""
    beside: bool
    """It starts at once, whatever else runs."""
    spec: RunSpec | None = None
    """None while the checks run, or if there is no plan."""
    facts: Facts | None = None
    flavor: Flavor | None = None
    """The chosen one, known before its checks are done."""
    neighbours: tuple[Flavor | None, Flavor | None] = (None, None)
    """The next cheaper and the next more expensive flavor."""
    failed: bool = False
    """There is no plan: the list below says why."""
    compact: bool = False
    """The terminal is low: only where, cost and output are shown."""


def head(shown: Shown, width: int) -> Text:
    """The rows above the checks, each with its key at the end."""
    rows = [row("where", _where(shown, width), "tab" if len(shown.places) > 1 else "", width)]
    place = shown.place
    if place is not None and place.pays:
        rows.append(row("flavor", _flavor(shown, width), "←→ $", width))
        if not shown.compact:
            rows.append(row("limit", Text(_limit(shown)), "e", width))
            account = shown.facts.account if shown.facts is not None else None
            if account is not None and account.orgs and shown.spec is not None:
                rows.append(row("payer", Text(safe_line(shown.spec.namespace or account.name, 60)), "@", width))
    elif place is not None and place.here and not shown.compact:
        queue = "run in parallel" if shown.beside else "wait for other runs"
        rows.append(row("queue", Text(queue), "b", width))
    if not shown.compact:
        rows.append(row("after", Text(shown.after), "n", width))
        if shown.facts is not None:
            model = str(shown.facts.values.get("model_name_or_path") or "–")
            model, then = safe_line(redact(model), 60), f" · {shown.facts.summary.sentence}"
            if len(model) + len(then) >= width - LABEL_WIDTH:
                model = model.rpartition("/")[2] or model
            if len(model) + len(then) >= width - LABEL_WIDTH:
                then = then.partition(" of ")[0].replace(" · steps unknown", "")
            rows.append(row("plan", Text(f"{model}{then}"), "", width))
        rows.append(Text())
    rows += _sums(shown, width)
    for line in rows:
        line.no_wrap = True
        line.truncate(width, overflow="ellipsis")
    text = Text("\n").join(rows)
    if not shown.compact:
        text.append("\n")
    return text


def _where(shown: Shown, width: int) -> Text:
    """The places, of which the chosen one is never shortened; only that one, and how many there are, if the others
    don't fit beside it."""
    room = width - LABEL_WIDTH - KEY_WIDTH
    titles = {place.name: safe_line(place.title, 40) for place in shown.places}
    while _cells(titles) > room:
        others = {name: title for name, title in titles.items() if shown.place is None or name != shown.place.name}
        longest = max(others, key=lambda name: len(others[name]), default="")
        if len(titles.get(longest, "")) < 5:
            break
        titles[longest] = f"{titles[longest].rstrip('…')[:-1]}…"
    if shown.place is not None and _cells(titles) > room:
        text = Text().append(f"(•) {titles[shown.place.name]}", "bold")
        count = f" {shown.places.index(shown.place) + 1}/{len(shown.places)}"
        return text.append(count if text.cell_len + len(count) <= room else "", "dim")
    text = Text()
    for place in shown.places:
        mark = "(•)" if place == shown.place else "( )"
        text.append(f"{mark} {titles[place.name]}", "bold" if place == shown.place else "dim").append("   ")
    text.rstrip()
    return text


def _cells(titles: Mapping[str, str]) -> int:
    """Width of the places in one row, each with its mark and three cells up to the next."""
    return sum(len(title) + 7 for title in titles.values()) - 3


def _flavor(shown: Shown, width: int) -> Text:
    flavor, spec = shown.flavor, shown.spec
    if flavor is None:
        return Text(safe_line(spec.flavor or "–", 40) if spec is not None else "–")
    parts = [safe_line(flavor.name, 30)]
    if flavor.count:
        memory = f" {gib(flavor.vram_bytes)}" if flavor.vram_bytes is not None and width >= 80 else ""
        parts.append(f"{flavor.count} × {safe_line(flavor.accelerator or '?', 20)}{memory}")
    parts.append(rate(flavor))
    text = Text(" · ".join(parts))
    cheaper, dearer = (
        f"{safe_line(one.name, 20)} {_short_rate(one)}".strip() if one else "" for one in shown.neighbours
    )
    near = f"‹ {' · '.join(filter(None, (cheaper, dearer)))} ›"
    room = width - LABEL_WIDTH - KEY_WIDTH - text.cell_len - 2
    if room >= len(near) and (cheaper or dearer):
        text.append(" " * (room - len(near)) + " ").append(near, "dim")
    return text


def _short_rate(flavor: Flavor) -> str:
    return "" if flavor.usd_per_hour is None else f"{flavor.usd_per_hour:.2f}"


def _limit(shown: Shown) -> str:
    return limit_words(shown.spec.timeout_seconds, shown.spec.attempts) if shown.spec is not None else "–"


def cost(shown: Shown) -> str:
    """The most that it can cost: `7.50 USD`; empty if a run is free, or while that is not known."""
    if shown.place is None or not shown.place.pays or shown.spec is None:
        return ""
    spec = shown.spec
    return usd(worst_cost(shown.flavor, spec.timeout_seconds or 0, spec.attempts) if shown.flavor else None)


def _sums(shown: Shown, width: int) -> list[Text]:
    """What it costs, how long it takes, and where the model goes."""
    if shown.place is None or shown.spec is None or shown.facts is None:
        return [] if shown.failed else [Text(" checking…", "dim")]
    took = shown.facts.duration
    if shown.place.pays:
        text = Text().append(f" COSTS AT MOST  {cost(shown)}", "bold")
        text.append(_expected(shown.flavor, took), "dim")
    else:
        hours = next((check.sentence for check in shown.facts.of_engine if check.name == "hours"), "")
        text = Text().append(f" COSTS  {hours[:1].lower()}{hours[1:]}" if hours else " COSTS NOTHING", "bold")
        text.append(f"  {_span(took)}" if took is not None else "", "dim")
    goes = goes_to(shown.facts, shown.place, shown.spec)
    if not goes:
        return [text, Text(" MODEL WILL BE LOST  push_to_hub is off", "bold red")]
    line, goes = Text(" MODEL GOES TO  ", "bold"), safe_line(redact(goes), 300)
    room = width - line.cell_len
    # The end of a long path is what tells it from others.
    return [text, line.append(goes if len(goes) <= room else f"…{goes[1 - room :]}")]


def _expected(flavor: Flavor | None, took: Duration | None) -> str:
    if flavor is None or took is None or flavor.usd_per_minute is None:
        return ""
    low, high = (worst_cost(flavor, seconds) or 0.0 for seconds in (took.low, took.high))
    return f"  expected {usd_span(low, high)}, {_span(took)}"


def _span(took: Duration) -> str:
    return as_span(took.low, took.high)


def goes_to(facts: Facts, place: Place, spec: RunSpec) -> str:
    """Where the model is at the end; empty if it is lost."""
    if place.target is Target.LOCAL:
        return shown_path(spec.output_dir)
    pushed = facts.values.get("push_to_hub") and facts.values.get("hub_model_id")
    return str(pushed or "")


def row(
    label: str,
    value: Text,
    key: str,
    width: int,
    *,
    places: Sequence[str] = HERE,
    label_width: int = LABEL_WIDTH,
    key_width: int = KEY_WIDTH,
) -> Text:
    """One row in `width` cells, with its key at the end: that of the person for an action of these places."""
    room = width - label_width - (key_width if key else 1)
    text = Text(no_wrap=True).append(f" {label:<{label_width - 1}}", "dim")
    shown = Text("").append_text(value)
    shown.truncate(max(1, room), overflow="ellipsis", pad=True)
    text.append_text(shown)
    return text.append(f"{own_key(key, places):>{key_width}}", "cyan") if key else text


def items_of(checks: Sequence[Check], warning: str, account: str = "") -> list[Item]:
    """The checks that ask for something, the most severe first; `warning` is that of the room.

    `account` is the name for fixes that need it; empty if it is not known.
    Logging in comes before all others: the names that they write need an account.
    """

    def fix_of(check: Check) -> Fix | None:
        return check.fix.for_account(account) if check.fix is not None and account else check.fix

    def rank(check: Check) -> tuple[bool, bool]:
        return check.level is not Level.STOP, check.fix is None or check.fix.act is not Act.LOGIN

    found = [
        Item(check.level, check.sentence, _next_step(check), fix_of(check), check.name)
        for check in sorted(checks, key=rank)
        if check.level is not Level.PASS
    ]
    if warning:
        stops = sum(item.level is Level.STOP for item in found)
        found.insert(stops, Item(Level.WARN, warning))
    return found


def _next_step(check: Check) -> str:
    if check.level is Level.STOP and check.estimated:
        return f"{check.next_step} {follow('An estimate: I ignores it.', HERE)}"
    return check.next_step


def passed(checks: Sequence[Check], width: int, *, unfolded: bool) -> list[Text]:
    """The checks that passed: in one line, or one line each."""
    good = [check for check in checks if check.level is Level.PASS]
    if not good:
        return []
    word = "check" if len(good) == 1 else "checks"
    key = follow("space: hide" if unfolded else "space: show", HERE)
    names = ", ".join(dict.fromkeys(check.name for check in good))
    line = Text("   ✓ ", "green", no_wrap=True).append(f"{len(good)} {word} passed", "default")
    room = width - line.cell_len - len(key) - 3
    if not unfolded and room > 12:
        line.append(f": {names}" if len(names) + 2 <= room else f": {names[: room - 3].rstrip(', ')}…", "dim")
    line.truncate(max(1, width - len(key) - 1), overflow="ellipsis", pad=True)
    line.append(f" {key}", "dim")
    if not unfolded:
        return [line]
    told = [
        Text("     ✓ ", "green", no_wrap=True).append(safe_line(redact(check.sentence), 300), "default")
        for check in good
    ]
    for each in told:
        each.truncate(width, overflow="ellipsis")
    return [line, *told]


def buttons(enter: str) -> tuple[str, str]:
    """What cancels, and what `enter` does; the second is empty if that is nothing."""
    return follow("[ esc Cancel ]", HERE), follow(f"[ enter {enter} ]", HERE) if enter else ""


def foot(enter: str, width: int, *, strong: bool) -> Text:
    """The two buttons; `enter` is what that key does, empty if nothing."""
    left, right = buttons(enter)
    text = Text(no_wrap=True)
    gap = width - len(left) - len(right) - 4
    text.append(" " * max(0, gap)).append(left).append("   " if right else "")
    text.append(right, "bold reverse" if strong else "bold")
    text.truncate(max(1, width))
    return text
