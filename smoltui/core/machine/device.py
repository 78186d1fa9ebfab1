"""This machine, PyTorch's report on it, and the verdict: what can be trained here and what needs Jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from smoltui.core.machine.account import Account

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
    """Bytes of its own memory, or of the shared memory for MPS; None if unknown."""
    free: int | None = None
    """Free bytes; None if unknown."""
    driver: str | None = None
    """Version of the driver; None without a separate one."""


@dataclass(frozen=True, slots=True)
class Package:
    """A Python package that smoltui requires."""

    name: str
    wanted: str
    """Version range as in pyproject.toml: `>=2.13,<2.14`."""
    installed: str | None
    """Installed version; None if not installed."""
    fits: bool
    """Installed and within the range."""
    extra: str = ""
    """The extra that requires it; empty for the app itself."""


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """What the system reports about this machine, without torch. Sizes in bytes; None if unknown."""

    accelerators: tuple[Accelerator, ...]
    """Empty if only the processor can train."""
    cores: int
    """Cores this process may use."""
    ram_total: int | None
    ram_available: int | None
    """Available without swapping."""
    disk_folder: str
    """Folder for checkpoints, or its nearest existing parent."""
    disk_total: int | None
    disk_free: int | None
    """Bytes that this user can still write there."""
    system: str
    """Operating system and architecture."""
    python: str
    python_wanted: str
    python_fits: bool
    packages: tuple[Package, ...] = ()
    notes: tuple[str, ...] = ()
    """Facts that explain others: a driver that does not respond, hidden devices."""

    def package(self, name: str) -> Package | None:
        return next((package for package in self.packages if package.name == name), None)

    @property
    def lacking(self) -> list[Package]:
        """Training packages that are missing or outside their range."""
        return [package for package in self.packages if package.extra == "train" and not package.fits]


@dataclass(frozen=True, slots=True)
class TorchDevice:
    """One device as torch sees it."""

    name: str
    total: int | None = None
    """Bytes; None if torch does not report it."""
    capability: str | None = None
    """CUDA compute capability, `9.0`; None for others."""


@dataclass(frozen=True, slots=True)
class TorchReport:
    """What torch and TRL report, tested in a child process (`scripts/probe.py`)."""

    at: float
    """Time of the test, seconds since the epoch."""
    problem: str | None = None
    """Why the test failed; everything below is empty then."""
    kind: str = ""
    """Where training would run: cuda, mps, xpu or cpu."""
    devices: tuple[TorchDevice, ...] = ()
    bf16: bool | None = None
    """Whether that device supports bfloat16; None if torch does not report it."""
    threads: int | None = None
    """Threads that torch would use on the processor."""
    build: str = ""
    """What torch was built for: `CUDA 13.0`, `ROCm 7.0` or `CPU only`."""
    versions: Mapping[str, str] | None = None
    trl_seconds: float | None = None
    """Import time of TRL's DPOTrainer; None if it could not be imported."""
    trl_problem: str | None = None
    """Why DPOTrainer could not be imported; None if it could."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Mark(StrEnum):
    """Category of a sentence of the verdict; the word is also shown, for screens without colour."""

    HERE = "here"
    TIGHT = "tight"
    JOBS = "jobs"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the verdict."""

    mark: Mark
    text: str


@dataclass(frozen=True, slots=True)
class Need:
    """One way of training and the memory it takes."""

    what: str
    fit: Fit
    flavor: str = ""
    """The cheapest flavor that fits it; empty if not determined."""
    on_processor: bool = False
    """It runs on the processor in any case: use_cpu, or no accelerator."""

    @property
    def in_words(self) -> str:
        """`9.4 GiB (5.7 weights + …)`, without parts below 0.05 GiB."""
        parts = [(WORDS.get(term.name, term.name), term.bytes) for term in self.fit.terms]
        parts.append(("reserve", self.fit.context))
        told = [f"{size / GIB:.1f} {word}" for word, size in parts if size >= GIB / 20]
        return f"{self.fit.needed / GIB:.1f} GiB ({' + '.join(told)})"  # one unit for the sum and its parts


WORDS = {
    "W": "weights", "R": "reference", "G": "gradients", "O": "Adam", "K": "bf16 copies", "A": "activations",
    "H": "head",
}  # fmt: skip
"""Terms of `core.machine.fit`, short."""

MODEL = "HuggingFaceTB/SmolLM3-3B"
PAIRS_OF = {"per_device_train_batch_size": 2, "max_length": 1024}
"""Basis of the general sentences: the course's batch and length."""
LORA = {**PAIRS_OF, "dtype": "bfloat16", "use_peft": True, "lora_r": 16, "lora_target_modules": ["all-linear"]}


def needs() -> tuple[Need, Need]:
    """SmolLM3-3B with LoRA on bfloat16 weights, and in full in float32. Flavors: 24 GB and 80 GB are the next sizes."""
    from smoltui.core.machine.fit import KNOWN, estimate

    lora, full = estimate(LORA, KNOWN[MODEL]), estimate(PAIRS_OF, KNOWN[MODEL])
    assert lora is not None and full is not None  # a known model and settings that are all given
    return Need("SmolLM3-3B with LoRA", lora, "l4x1"), Need("SmolLM3-3B in full", full, "a100-large")


SMALL_RAM = 1 * GIB
"""Training a few million parameters takes 0.5 GiB (434 MiB of it for imports); twice that leaves headroom."""


def gib(size: int | None) -> str:
    """Bytes as GiB for display, as MiB below 1 GiB; `unknown` for None."""
    if size is None:
        return "unknown"
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / (1 << 20):.0f} MiB"


def verdict(
    report: DeviceReport, account: Account | None, why_no_account: str = "", recipe: Need | None = None
) -> list[Sentence]:
    """What can be trained here and what needs Jobs, each with the parts of the estimate.

    `why_no_account` says why `account` is None (not logged in, not reachable, not checked yet); `recipe` is what the
    project's recipe needs, None if unknown. Imports `core.machine.fit` on the first call (0.1 s).
    """
    return [_small(report, recipe), *(_large(need, report) for need in needs()), _jobs(account, why_no_account)]


def _small(report: DeviceReport, recipe: Need | None) -> Sentence:
    what = "A small model, such as the demo's,"
    if not report.python_fits:
        return Sentence(
            Mark.NO, f"No training here: Python {report.python} is installed, {report.python_wanted} is required."
        )
    if missing := [package.name for package in report.lacking if package.installed is None]:
        return Sentence(Mark.NO, f"No training here yet: {', '.join(missing)} not installed. {INSTALL_HINT}")
    if report.lacking:
        names = ", ".join(f"{package.name} {package.installed}" for package in report.lacking)
        return Sentence(Mark.TIGHT, f"{what} may train here; outside the tested versions: {names}.")
    if recipe is None:
        if report.ram_available is not None and report.ram_available < SMALL_RAM:
            return Sentence(Mark.TIGHT, f"{what} needs 1 GiB of memory to train; free: {gib(report.ram_available)}.")
        where = _best(report.accelerators).name if report.accelerators else _processor(report)
        return Sentence(Mark.HERE, f"{what} can train here, on {where}.")
    if recipe.on_processor:
        free = report.ram_available
        told = f"{recipe.what} needs {recipe.in_words} of memory on {_processor(report)}; free: {gib(free)}"
        if recipe.fit.verdict(free) == "no":
            return Sentence(Mark.JOBS, f"{told}. It does not fit here; use Jobs.")
        return Sentence(Mark.HERE if recipe.fit.verdict(free) == "fits" else Mark.TIGHT, f"{told}.")
    return _large(recipe, report)


INSTALL_HINT = "Install the training packages: pip install 'smoltui[train]'"


def _processor(report: DeviceReport) -> str:
    return f"the processor ({report.cores} core{'s' if report.cores != 1 else ''})"


def _best(accelerators: Sequence[Accelerator]) -> Accelerator:
    """The one with the most free memory: a single DPO process runs on one device."""
    return max(accelerators, key=lambda accelerator: accelerator.free or accelerator.total or 0)


def _memory_for(need: Need, report: DeviceReport) -> int | None:
    """Bytes of the training device: all of the best accelerator, which other programs can free, or free RAM."""
    if need.on_processor or not report.accelerators:
        return report.ram_available
    return _best(report.accelerators).total


def _large(need: Need, report: DeviceReport) -> Sentence:
    told = f"{need.what} needs {need.in_words}"
    there = f"use Jobs ({need.flavor})" if need.flavor else "use Jobs"
    if not report.accelerators:
        return Sentence(Mark.JOBS, f"{told}. No accelerator here; {there}.")
    best = _best(report.accelerators)
    if best.total is None:
        return Sentence(Mark.TIGHT, f"{told}; the memory of {best.name} is unknown.")
    if need.fit.verdict(best.free) == "fits":
        return Sentence(Mark.HERE, f"{told}; {best.name} has {gib(best.free)} free, so it fits here.")
    if need.fit.verdict(best.total) == "fits":
        room = f"{best.name} has {gib(best.total)}, only {gib(best.free)} of it free"
        return Sentence(Mark.TIGHT, f"{told}; {room}: stop whatever uses it, or {there}.")
    return Sentence(Mark.JOBS, f"{told}; {best.name} has {gib(best.total)}; {there}.")


def _jobs(account: Account | None, why_no_account: str) -> Sentence:
    if account is None:
        return Sentence(Mark.NO, f"Jobs: {why_no_account or 'the account has not been checked yet'}.")
    if account.can_write is False:
        return Sentence(
            Mark.NO,
            f"Jobs: the token of {account.name} is read-only. Create one with write access, then: hf auth login",
        )
    if account.can_pay is False:
        return Sentence(
            Mark.NO, f"Jobs: {account.name} cannot pay yet. Add credit: https://huggingface.co/settings/billing"
        )
    if account.can_pay is None:
        return Sentence(Mark.TIGHT, f"Jobs: {account.name} is logged in; whether it can pay is unknown.")
    return Sentence(Mark.HERE, f"Jobs: {account.name} can start them.")


def next_step(
    report: DeviceReport, *, has_recipe: bool, recipe_problem: str = "", on: str = "local", has_model: bool = False,
    account: Account | None = None, recipe: Need | None = None,
) -> str:  # fmt: skip
    """What to do now, in one sentence with the key or command.

    `on` is the engine that `t` starts on, `has_model` says that a run of this project has produced a model, `recipe` is
    what the project's recipe needs, None if unknown.
    """
    if not has_recipe:
        return "Next: this folder has no recipe. Quit with q, then run: smoltui demo, or smoltui new FOLDER"
    if recipe_problem:
        return f"Next: press 3 and fix the recipe: {recipe_problem}"
    if has_model:
        return "Next: compare answers (5, then a), or train again (t)."
    if on == "local":
        if any(package.installed is None for package in report.lacking):
            return f"Next: {INSTALL_HINT[0].lower()}{INSTALL_HINT[1:]}"
        if recipe is not None and recipe.fit.verdict(_memory_for(recipe, report)) == "no":
            return (
                "Next: this recipe does not fit here. Press 3 and turn on a LoRA adapter to make it smaller, "
                "or press t, then tab, to start it as a Job."
            )
        return "Next: press t to train here. When it's done, press a to compare the model before and after."
    if account is None:
        return "Next: log in for Jobs with hf auth login, then press r to refresh."
    return "Next: press t to start a Job; the maximum cost is shown first."
