"""What `smoltui doctor` finds: facts about packages, terminal, folders and account, each judged, with its next step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from smoltui.core.machine.device import DeviceReport, Package, TorchReport, gib
from smoltui.core.machine.terminal_names import CANNOT_DRAW

NARROW, LOW = 80, 24
"""Columns and lines that every room is made for; smaller ones show less."""
FULL_BYTES = 100 << 20
"""With less free space, records and logs of a run may fail: they take megabytes."""
TIGHT_BYTES = 5 << 30
"""With less free space, a model does not fit: SmolLM3-3B takes 6 GB."""
REINSTALL = "Install smoltui again: pip install --upgrade smoltui"
TRAIN = "Install the training packages: pip install 'smoltui[train]'"


class State(StrEnum):
    """How a fact is judged; shown as a sign and written out in JSON."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing, or missing but optional."""
    BROKEN = "broken"


SIGNS: Mapping[State, str] = {State.OK: "✓", State.NOTE: "–", State.BROKEN: "✗"}
ASCII_SIGNS: Mapping[State, str] = {State.OK: "+", State.NOTE: "-", State.BROKEN: "X"}
"""For an output that cannot be written in Unicode, which is one of the things that may be broken."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    section: str
    name: str
    state: State
    text: str
    step: str = ""
    """What to do about it; never empty for what is broken."""


@dataclass(frozen=True, slots=True)
class TerminalFacts:
    """What is known about the terminal. None: not asked, because there is no terminal, or no answer."""

    term: str | None
    """TERM; None if it is not set."""
    interactive: bool
    """Whether a person sees the output or types: stdin, stdout or stderr is a terminal."""
    encoding: str
    """Of the output, in Python's words."""
    locale: str
    """The first of LC_ALL, LC_CTYPE and LANG that is set; empty without one."""
    size: tuple[int, int] | None
    """Columns and lines."""
    colours: str
    """Truecolor, 256 colors and the like, with the reason."""
    inside: tuple[str, ...]
    """tmux, SSH and the like, in words."""
    asked: bool = False
    """Whether the terminal was asked for the answers below."""
    answers: bool = False
    """Whether it answered anything."""
    name: str | None = None
    """Name and version that it reports (XTVERSION)."""
    background: str | None = None
    """Background color as it reports it (OSC 11), such as rgb:0000/0000/0000."""
    wide: int | None = None
    """Columns that two wide characters took: 4 on a terminal that agrees with smoltui."""
    steady: bool | None = None
    """Whether it supports synchronized updates (mode 2026)."""


def terminal(facts: TerminalFacts) -> Iterator[Finding]:
    """The findings about the terminal."""

    def found(name: str, state: State, text: str, step: str = "") -> Finding:
        return Finding("Terminal", name, state, text, step)

    if (facts.term or "") in CANNOT_DRAW:
        set_here = facts.term is not None and facts.term != ""
        yield found(
            "TERM",
            State.BROKEN if set_here or facts.interactive else State.NOTE,
            f"{facts.term}: the app cannot draw on it" if set_here else "not set: the app cannot draw",
            "If the terminal supports more, set it: export TERM=xterm-256color",
        )
    else:
        yield found("TERM", State.OK, facts.term or "")
    utf8 = facts.encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    text = f"{facts.encoding} ({facts.locale or 'no locale is set'})"
    if utf8:
        yield found("encoding", State.OK, text)
    else:
        said = f"{text}: lines, curves and many letters cannot be shown"
        yield found("encoding", State.BROKEN, said, "Choose a locale with UTF-8: export LC_ALL=C.UTF-8")
    yield found("colors", State.OK, facts.colours)
    if facts.size is not None:
        columns, lines = facts.size
        small = columns < NARROW or lines < LOW
        yield found(
            "size",
            State.NOTE if small else State.OK,
            f"{columns}x{lines}{f': below {NARROW}x{LOW}, rooms show less' if small else ''}",
            "Make the window larger." if small else "",
        )
    yield found("inside", State.OK, ", ".join(facts.inside) or "neither tmux, screen nor SSH")
    yield from _answers(facts)


def _answers(facts: TerminalFacts) -> Iterator[Finding]:
    """What the terminal answered."""
    if not facts.asked:
        yield Finding("Terminal", "answers", State.NOTE, "not asked: input or output is not a terminal")
        return
    if not facts.answers:
        step = "On a slow connection, run it again. Otherwise try another terminal."
        yield Finding("Terminal", "answers", State.NOTE, "the terminal doesn't answer queries", step)
        return
    steady = {True: "synchronized updates", False: "no synchronized updates", None: "updates unknown"}[facts.steady]
    background = f"background {facts.background}" if facts.background else "background not reported"
    yield Finding("Terminal", "answers", State.OK, f"{facts.name or 'no name'}, {background}, {steady}")
    if facts.wide is not None and facts.wide != 4:
        said = f"two wide characters take {facts.wide} columns instead of 4: text with them is shifted"
        step = "Set the width of ambiguous or East Asian characters in the terminal, or use another one."
        yield Finding("Terminal", "wide characters", State.BROKEN, said, step)
    elif facts.wide is not None:
        yield Finding("Terminal", "wide characters", State.OK, "2 columns each")


@dataclass(frozen=True, slots=True)
class PythonFacts:
    """The Python that runs smoltui, and trains here."""

    version: str
    wanted: str
    """Range that smoltui requires."""
    fits: bool
    path: str
    """Its executable."""


def versions(packages: Sequence[Package], python: PythonFacts, smoltui: str) -> Iterator[Finding]:
    """The findings about Python and the packages. `smoltui`: its version and the system."""
    yield Finding("Versions", "smoltui", State.OK, smoltui)
    needs = f"{python.version}, required {python.wanted}"
    if python.fits:
        yield Finding("Versions", "Python", State.OK, needs)
    else:
        yield Finding("Versions", "Python", State.BROKEN, needs, "Create an environment with such a Python.")
    yield Finding("Versions", "training Python", State.OK, python.path)
    own = [package for package in packages if package.extra != "train"]
    train = [package for package in packages if package.extra == "train"]
    if not packages:
        said = "required versions are unknown: smoltui is not installed as a package"
        yield Finding("Versions", "packages", State.NOTE, said, REINSTALL)
        return
    yield from _packages("packages", own, REINSTALL)
    if any(package.installed for package in train):
        yield from _packages("training packages", train, TRAIN)
    else:
        yield Finding("Versions", "training packages", State.NOTE, "not installed: training here needs them", TRAIN)


def _packages(name: str, packages: Sequence[Package], step: str) -> Iterator[Finding]:
    wrong = [package for package in packages if not package.fits]
    for package in wrong:
        have = f"{package.installed} is installed" if package.installed else "missing"
        yield Finding("Versions", package.name, State.BROKEN, f"{have}, required {package.wanted}", step)
    fitting = [f"{package.name} {package.installed}" for package in packages if package.fits]
    if fitting:
        count = f"{len(fitting)} of {len(packages)} fit"
        yield Finding("Versions", name, State.OK, f"{count}: {', '.join(fitting)}")


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """One folder that smoltui writes to, and what writing there did."""

    name: str
    """What it is for: data, cache."""
    path: str
    problem: str = ""
    """Why nothing could be written; empty if a test file was written, read and deleted."""
    there: bool = True
    """Whether the folder exists; otherwise its nearest parent was tested."""
    shared: bool = False
    """Anyone can write to it."""
    free: int | None = None
    """Bytes that can still be written; None if unknown."""
    setting: str = ""
    """The variable that chooses another folder; empty without one."""


def folders(facts: Sequence[FolderFacts]) -> Iterator[Finding]:
    """The findings about folders."""
    for each in facts:
        elsewhere = f", or choose another one: export {each.setting}=FOLDER" if each.setting else ""
        space = f"{gib(each.free)} free" if each.free is not None else "free space unknown"
        where = f"{each.path}{'' if each.there else ' (not created yet)'}"
        if each.problem:
            step = f"Make it writable{elsewhere}."
            yield Finding("Folders", each.name, State.BROKEN, f"{where}: cannot be written ({each.problem})", step)
        elif each.shared:
            step = f"Restrict it: chmod 700 {each.path}{elsewhere}"
            yield Finding("Folders", each.name, State.BROKEN, f"{where}: anyone can write to it", step)
        elif each.free is not None and each.free < FULL_BYTES:
            step = f"Free some space there{elsewhere}."
            yield Finding("Folders", each.name, State.BROKEN, f"{where}: the disk is full, {space}", step)
        elif each.free is not None and each.free < TIGHT_BYTES:
            yield Finding("Folders", each.name, State.NOTE, f"{where}: writable, only {space}", "Models need more.")
        else:
            yield Finding("Folders", each.name, State.OK, f"{where}: writable, {space}")


def pytorch(report: DeviceReport, torch: TorchReport | None, words: str) -> Iterator[Finding]:
    """The findings about devices. `torch` is None if it was not tested; `words` is its result as a sentence."""
    names = ", ".join(f"{each.name} {gib(each.total)}" for each in report.accelerators)
    memory = f"{gib(report.ram_available)} of {gib(report.ram_total)} memory free"
    cores = f"{report.cores} core{'' if report.cores == 1 else 's'}"
    yield Finding("Devices", "machine", State.OK, f"{names or 'no GPU'}; {cores}, {memory}")
    for note in report.notes:
        yield Finding("Devices", "driver", State.NOTE, note, "Check the driver: nvidia-smi")
    if torch is None:
        return
    installed = any(each.installed for each in report.packages if each.name == "torch")
    if torch.problem or torch.trl_problem:
        state = State.BROKEN if installed else State.NOTE
        yield Finding("Devices", "PyTorch", state, words, TRAIN)
    elif torch.kind == "cpu" and any(each.kind == "cuda" for each in report.accelerators):
        step = "Install a build of PyTorch for this GPU, and check CUDA_VISIBLE_DEVICES: https://pytorch.org"
        yield Finding("Devices", "PyTorch", State.BROKEN, f"does not see the GPU: {words}", step)
    else:
        yield Finding("Devices", "PyTorch", State.OK, words)
