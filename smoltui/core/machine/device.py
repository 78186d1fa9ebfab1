"""This machine, what PyTorch reports about it, and the verdict: what can be trained here and what needs Jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from smoltui.core.machine.account import Account
from smoltui.core.machine.install import INSTALL_HINT

if TYPE_CHECKING:
    from smoltui.core.machine.fit import Fit

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Accelerator:
    """A device that trains faster than the processor."""

    kind: str
    """cuda or mps."""
    name: str
    total: int | None = None
    """Bytes of dedicated memory, or of shared memory for MPS; None if not reported."""
    free: int | None = None
    """Bytes currently unused; None if not reported."""
    driver: str | None = None
    """Driver version; None if there is no separate driver."""


@dataclass(frozen=True, slots=True)
class Package:
    """A Python package that smoltui requires."""

    name: str
    wanted: str
    """Version range as written in pyproject.toml: `>=2.13,<2.14`."""
    installed: str | None
    """Installed version; None if it is not installed."""
    fits: bool
    """Installed, and within the range."""
    extra: str = ""
    """The extra that installs it; empty for requirements of the app itself."""


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """What the system reports about this machine, without PyTorch. Sizes in bytes; None means unknown."""

    accelerators: tuple[Accelerator, ...]
    """Empty if training can only run on the processor."""
    cores: int
    """Cores available to this process."""
    ram_total: int | None
    ram_available: int | None
    """Bytes that can be allocated without swapping."""
    disk_folder: str
    """Output folder, or its nearest existing parent."""
    disk_total: int | None
    disk_free: int | None
    """Bytes the current user can still write there."""
    system: str
    """Operating system and architecture."""
    python: str
    python_wanted: str
    python_fits: bool
    packages: tuple[Package, ...] = ()
    notes: tuple[str, ...] = ()
    """Explanations of the other facts, such as an unresponsive driver or hidden devices."""

    def package(self, name: str) -> Package | None:
        return next((package for package in self.packages if package.name == name), None)

    @property
    def lacking(self) -> list[Package]:
        """Training packages that are missing or outside their version range."""
        return [package for package in self.packages if package.extra == "train" and not package.fits]


@dataclass(frozen=True, slots=True)
class TorchDevice:
    """A device as PyTorch sees it."""

    name: str
    total: int | None = None
    """Bytes; None if not reported."""
    capability: str | None = None
    """CUDA compute capability, `9.0`; None for others."""


@dataclass(frozen=True, slots=True)
class TorchReport:
    """What PyTorch and TRL report, collected in a child process (`scripts/probe.py`)."""

    at: float
    """Time of the test, in seconds since the epoch."""
    problem: str | None = None
    """Why the test failed; all fields below are then empty."""
    kind: str = ""
    """Where training would run: cuda, mps, xpu or cpu."""
    devices: tuple[TorchDevice, ...] = ()
    bf16: bool | None = None
    """Whether that device supports bfloat16; None if not reported."""
    threads: int | None = None
    """Threads PyTorch would use on the processor."""
    build: str = ""
    """The build of PyTorch: `CUDA 13.0`, `ROCm 7.0` or `CPU only`."""
    versions: Mapping[str, str] | None = None
    trl_seconds: float | None = None
    """Import time of TRL's DPOTrainer in seconds; None if the import failed."""
    trl_problem: str | None = None
    """Why the import of DPOTrainer failed; None if it succeeded."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Mark(StrEnum):
    """The kind of a sentence of the verdict, shown as a word and a sign so that nothing depends on color."""

    HERE = "here"
    TIGHT = "tight"
    JOBS = "jobs"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the verdict."""

    mark: Mark
    text: str
    optional: bool = False
    """Not needed to train here, so nothing is wrong if it is missing."""


@dataclass(frozen=True, slots=True)
class Need:
    """A training setup and the memory it needs."""

    what: str
    fit: Fit
    flavor: str = ""
    """The cheapest flavor with enough memory; empty if none was looked up."""
    on_processor: bool = False
    """It runs on the processor: `use_cpu` is set, or there is no accelerator."""
    at_most: bool = False
    """For pairs as long as max_length allows, because they were not measured yet."""

    @property
    def in_words(self) -> str:
        """`9.4 GiB (5.7 weights + …)`, without parts below 0.05 GiB; `at most 9.4 GiB (…)` for pairs not measured."""
        parts = [(WORDS.get(term.name, term.name), term.bytes) for term in self.fit.terms]
        parts.append(("reserve", self.fit.context))
        told = [f"{size / GIB:.1f} {word}" for word, size in parts if size >= GIB / 20]
        most = "at most " if self.at_most else ""
        return f"{most}{self.fit.needed / GIB:.1f} GiB ({' + '.join(told)})"  # one unit for the sum and its parts


WORDS = {
    "W": "weights",
    "R": "reference",
    "G": "gradients",
    "O": "Adam",
    "K": "bf16 copies",
    "A": "activations",
    "H": "head",
}
"""Short names for the terms of `core.machine.fit`."""

MODEL = "HuggingFaceTB/SmolLM3-3B"
PAIRS_OF = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 8, "max_length": 1024}
"""Batch sizes and length of the course, assumed by the general sentences."""
LORA = {**PAIRS_OF, "dtype": "bfloat16", "use_peft": True, "lora_r": 16, "lora_target_modules": ["all-linear"]}


def needs() -> list[Need]:
    """SmolLM3-3B with LoRA on bfloat16 weights, and in full in float32. Flavors: the next sizes, 24 GB and 80 GB."""
    from smoltui.core.machine.fit import estimate
    from smoltui.core.machine.model_shape import KNOWN

    wanted = (("SmolLM3-3B with LoRA", LORA, "l4x1"), ("SmolLM3-3B in full", PAIRS_OF, "a100-large"))
    fits = ((what, estimate(values, KNOWN[MODEL]), flavor) for what, values, flavor in wanted)
    return [Need(what, fit, flavor) for what, fit, flavor in fits if fit is not None]


SMALL_RAM = 1 * GIB
"""Training a few million parameters takes 0.5 GiB, 434 MiB of it for imports; this is twice that, as a margin."""


def gib(size: int | None) -> str:
    """Bytes as `1.5 GiB`, or as MiB below 1 GiB; `unknown` for None."""
    if size is None:
        return "unknown"
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / (1 << 20):.0f} MiB"


def verdict(
    report: DeviceReport,
    account: Account | None,
    why_no_account: str = "",
    recipe: Need | None = None,
    here: bool = True,
) -> list[Sentence]:
    """What can be trained here and what needs Jobs, with the sums behind it.

    `why_no_account` is the reason why `account` is None (see `device_words.before_jobs`); `recipe` is the
    memory the project's own recipe needs, None if unknown; `here`: `t` starts a run on this machine. Imports
    `core.machine.fit` on the first call (0.1 s).
    """
    return [_small(report, recipe), *(_large(need, report) for need in needs()), _jobs(account, why_no_account, here)]


def _small(report: DeviceReport, recipe: Need | None) -> Sentence:
    what = "Small models, such as the demo's,"
    if not report.python_fits:
        return Sentence(Mark.NO, f"Training needs Python {report.python_wanted}; this is {report.python}.")
    if missing := [package.name for package in report.lacking if package.installed is None]:
        return Sentence(Mark.NO, f"Training packages aren't installed: {', '.join(missing)}. {INSTALL_HINT}")
    if report.lacking:
        names = ", ".join(f"{package.name} {package.installed}" for package in report.lacking)
        return Sentence(Mark.TIGHT, f"{what} may train here; untested package versions: {names}.")
    if recipe is None:
        if report.ram_available is not None and report.ram_available < SMALL_RAM:
            return Sentence(Mark.TIGHT, f"{what} need 1 GiB of memory, {gib(report.ram_available)} free.")
        where = _best(report.accelerators).name if report.accelerators else _processor(report)
        return Sentence(Mark.HERE, f"{what} train here, on {where}.")
    if recipe.on_processor:
        free = report.ram_available
        told = f"needs {recipe.in_words}, {gib(free)} free"
        match recipe.fit.verdict(free):
            case "fits":
                return Sentence(Mark.HERE, f"{recipe.what} fits: {told}.")
            case "no":
                return Sentence(Mark.JOBS, f"{recipe.what} does not fit: {told}. Train it on Jobs.")
        return Sentence(Mark.TIGHT, f"{recipe.what} may not fit: {told}.")
    return _large(recipe, report)


def _processor(report: DeviceReport) -> str:
    return f"the processor ({report.cores} core{'s' if report.cores != 1 else ''})"


def _best(accelerators: Sequence[Accelerator]) -> Accelerator:
    """The accelerator with the most free memory, since one DPO process uses one device."""
    return max(accelerators, key=lambda accelerator: accelerator.free or accelerator.total or 0)


def memory_for(need: Need, report: DeviceReport) -> int | None:
    """Bytes available: all memory of the best accelerator, as other programs can be stopped, or free RAM."""
    if need.on_processor or not report.accelerators:
        return report.ram_available
    return _best(report.accelerators).total


def _large(need: Need, report: DeviceReport) -> Sentence:
    told = f"{need.what} needs {need.in_words}"
    there = f"use Jobs ({need.flavor})" if need.flavor else "use Jobs"
    if not report.accelerators:
        return Sentence(Mark.JOBS, f"{told}; no accelerator here: {there}.")
    best = _best(report.accelerators)
    if best.total is None:
        return Sentence(Mark.TIGHT, f"{told}; the memory of {best.name} is unknown.")
    if need.fit.verdict(best.free) == "fits":
        return Sentence(Mark.HERE, f"{told}; fits here: {best.name} has {gib(best.free)} free.")
    if need.fit.verdict(best.total) == "fits":
        room = f"only {gib(best.free)} of {gib(best.total)} is free on {best.name}"
        return Sentence(Mark.TIGHT, f"{told}; {room}: stop other programs that use it, or {there}.")
    return Sentence(Mark.JOBS, f"{told}; {best.name} has only {gib(best.total)}: {there}.")


def _jobs(account: Account | None, why_no_account: str, optional: bool) -> Sentence:
    jobs = "Hugging Face Jobs"
    if account is None:
        return Sentence(Mark.NO, f"{jobs}: {why_no_account or 'account not checked yet'}", optional)
    if account.can_write is False:
        variable = account.token_variable
        return Sentence(
            Mark.NO,
            f"{jobs}: the token of {account.name} is read-only. Create one with write access, then "
            f"{f'set {variable} to it' if variable else 'log in with `hf auth login`'}",
            optional,
        )
    if account.can_pay is False:
        return Sentence(
            Mark.NO,
            f"{jobs}: {account.name} cannot pay yet. Add credit: https://huggingface.co/settings/billing",
            optional,
        )
    if account.can_pay is None:
        return Sentence(Mark.TIGHT, f"{jobs}: logged in as {account.name}; billing status unknown")
    return Sentence(Mark.HERE, f"{jobs}: ready, logged in as {account.name}")
