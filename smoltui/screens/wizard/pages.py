"""The steps of the wizard as text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from smoltui.backends.guide.draft import Draft
from smoltui.backends.guide.pairs_seen import PairsSeen
from smoltui.backends.system.paths import shown_path
from smoltui.core.guide.models import LARGE, LENGTH, METHOD_WORDS, UNKNOWN, Method, Model, Way, memory_of, needed, ways
from smoltui.core.machine.device import GIB
from smoltui.core.preflight.check import Check
from smoltui.core.recipe import Level, field_for, show
from smoltui.core.runs.cost import price
from smoltui.safe_text import redact, safe_line
from smoltui.screens.pairs.first_rows import first_rows
from smoltui.scripts.curve_remarks import percent
from smoltui.widgets.check_list import MARKS, hanging

TITLES = ("Pairs", "How they are read", "Model", "Method and place", "First recipe", "Checks")
CURSOR = "›"
WIDE = 100
DEMO_PAIRS = "demo pairs"
OTHER = "another file, a folder, or owner/name on the Hub…"
OTHER_MODEL = "another model: owner/name on the Hub, or a folder…"


def _clean(text: str, most: int = 300) -> str:
    return safe_line(redact(text), most)


def head(at: int, folder: str, width: int) -> Text:
    """Which step this is, and where the project will be."""
    line = Text("New project", "bold", no_wrap=True)
    line.append(f"   step {at + 1} of {len(TITLES)}: ", "not bold dim").append(TITLES[at], "bold cyan")
    line.append(f"   {_clean(folder)}", "not bold dim")
    line.truncate(max(width, 0), overflow="ellipsis")
    return line


def option(words: str, more: str, *, here: bool, width: int, label: int) -> Text:
    """One line to choose."""
    line = Text(f"{CURSOR if here else ' '} ", no_wrap=True)
    line.append(f"{_clean(words):<{label}}", "bold" if here else "").append("  ")
    line.append(_clean(more), "" if here else "dim")
    line.truncate(max(width, 0), overflow="ellipsis", pad=here)
    if here:
        line.stylize("reverse")
    return line


def pairs_page(found: Sequence[str], at: int, width: int) -> list[Text]:
    """Where the pairs come from."""
    rows = [(name, "in this folder") for name in found]
    rows += [(DEMO_PAIRS, "768 pairs that teach a courteous manner, to try the steps"), (OTHER, "")]
    lines = [Text("Which pairs should the model learn from?"), Text()]
    label = max(len(name) for name, _ in rows[:-1])
    return lines + [
        option(words, more, here=place == at, width=width, label=min(label, width // 2))
        for place, (words, more) in enumerate(rows)
    ]


def reading_page(seen: PairsSeen, width: int) -> list[Text]:
    """How a set is read."""
    lines = [Text(_clean(seen.name, 100), "bold").append(f"  {_clean(seen.split, 40)}", "not bold dim"), Text()]
    if seen.problem:
        lines += [Text(_clean(seen.problem, 500), "yellow"), Text()]
        return [*lines, Text("Press enter to say which column is which.")]
    counted = f"{seen.usable:,} usable pairs" if seen.usable is not None else "not counted"
    for label, value in (*seen.lines, ("whole set", counted), ("held out", _held_out(seen))):
        line = Text(f"{label:<10} ", "dim").append(_clean(value), "not dim")
        lines.append(line)
    return [*lines, Text(), *first_rows(seen.pairs[:4], width)]


def _held_out(seen: PairsSeen) -> str:
    if seen.test_split:
        return f"the split {seen.test_split}"
    if seen.share:
        pairs = f" ({seen.held:,} pairs)" if seen.held is not None else ""
        return f"{percent(seen.share)} of the prompts{pairs}, chosen by a fixed seed"
    return "nothing: too few pairs"


def model_page(draft: Draft, at: int, width: int) -> list[Text]:
    """Which model, with size, license, memory here and price elsewhere."""
    lines = [Text("Which model should learn?"), Text()]
    for place, model in enumerate(draft.models):
        more = f"{model.size:>7}  {_memory(draft, model)}  {'license ?' if model.license == UNKNOWN else model.license}"
        lines.append(option(model.title, more, here=place == at, width=width, label=22))
    lines.append(option(OTHER_MODEL, "", here=at == len(draft.models), width=width, label=22))
    if at < len(draft.models):
        model = draft.models[at]
        license = " License: see its card on the Hub." if model.license == UNKNOWN else ""
        lines += [Text(), Text(f"{model.words.capitalize()}.{_prices(draft, model)}{license}", "dim")]
    lines.append(_memory_note(draft))
    told = f"Memory for {LENGTH} tokens and 2 pairs at once; from {LARGE / 1e6:.0f} M on, 1 pair and checkpointing."
    return [*lines, Text(told, "dim")]


def _memory(draft: Draft, model: Model) -> str:
    """`LoRA  1.2 ✓  all  3.4 ✓ GiB`, with what fits here."""
    memory, processor = memory_of(draft.report)
    parts = []
    for method, word in ((Method.LORA, "LoRA"), (Method.FULL, "all")):
        fit = needed(model.shape, method, processor=processor)
        if fit is None:
            return f"{'memory unknown':<27}"
        sign = {"fits": "✓", "tight": "!", "no": "✗"}.get(fit.verdict(memory), "?")
        parts.append(f"{word} {fit.needed / GIB:4.1f} {sign}")
    return f"{'  '.join(parts)} GiB"


def _prices(draft: Draft, model: Model) -> str:
    """The cheapest hardware that is paid for, for an adapter and for all weights; empty if no list is known."""
    found: dict[str, list[str]] = {}
    for way in ways(model.shape, draft.report, draft.places, draft.flavors):
        if way.flavor is not None and way.method is not Method.QLORA:
            on = f"{way.flavor.name} of {way.place.title}, {price(way.flavor)}."
            found.setdefault(on, []).append(METHOD_WORDS[way.method][0])
    told = [f"{' or '.join(words)}: {on}" for on, words in found.items()]
    return "".join(f" {each[:1].upper()}{each[1:]}" for each in told)


def _memory_note(draft: Draft) -> Text:
    """What the signs of the table mean, on this machine."""
    memory, processor = memory_of(draft.report)
    if memory is None:
        return Text("Checking this machine…", "dim")
    where = "no accelerator" if processor else "accelerator"
    return Text(f"✓ fits here, ! may fit, ✗ does not: {memory / GIB:.0f} GiB free, {where}.", "dim")


def method_page(found: Sequence[Way], at: int, width: int) -> list[Text]:
    """What is trained, and where."""
    lines = [Text("What should be trained, and where?"), Text()]
    for place, way in enumerate(found):
        name = f"{METHOD_WORDS[way.method][0]}, {way.place.title}"
        lines.append(option(name, way.words, here=place == at, width=width, label=34 if width >= WIDE else 28))
    return [*lines, Text(), Text(f"{METHOD_WORDS[found[at].method][1].capitalize()}.", "dim")]


def recipe_page(draft: Draft, width: int) -> list[Text]:
    """Each value with its reason."""
    console = Console(width=width)
    lines = [Text("This is a proposed recipe. You can change every value later, in Recipe."), Text()]
    for each in draft.lines():
        value = show(field_for(each.key), each.value)
        line = Text(f"{each.key:<28} ", "cyan", no_wrap=True).append(f"{_clean(value, 60):<14}", "bold")
        reason = Text(each.reason, "dim")
        if width >= WIDE:
            lines += hanging(line.append("  "), reason, width, console)
        else:
            lines += [line, *hanging(Text("    "), reason, width, console)]
    return lines


def checks_page(checks: Sequence[Check] | None, folder: str, width: int) -> list[Text]:
    """What would stop or spoil the run, before anything is written."""
    console = Console(width=width)
    lines = [Text("The project will be written to ").append(_clean(shown_path(folder)), "bold").append("."), Text()]
    if checks is None:
        return [*lines, Text("Checking…", "dim")]
    order = list(MARKS)
    for check in sorted(checks, key=lambda one: order.index(one.level), reverse=True):
        mark, style = MARKS[check.level]
        lines += hanging(Text(f"{mark} ", style), Text(_clean(check.sentence, 400)), width, console)
        if check.next_step and check.level is not Level.PASS:
            lines += hanging(Text("  "), Text(_clean(check.next_step), "dim"), width, console)
    last = Text("enter", "bold cyan").append(" creates the project and opens the start dialog, ", "not bold dim")
    return [*lines, Text(), last.append("s", "bold cyan").append(" only creates it.", "not bold dim")]
