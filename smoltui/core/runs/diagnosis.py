"""Why a run failed, in one sentence, and what to do about it: from the words of its service and from its log.

One table of what is known to end trainings. `Run.message` and `Run.hint` take it from here, and everything that shows
an end takes it from there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from smoltui.core.runs.next_words import run_again, run_longer, see_log
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.symptoms import Symptoms, last_words, names_exception


class Kind(StrEnum):
    """What ended a run."""

    TIMEOUT = "timeout"
    GPU_MEMORY = "gpu_memory"
    MAIN_MEMORY = "main_memory"
    IMAGE = "image"
    PACKAGES = "packages"
    DRIVER = "driver"
    PUSH = "push"
    DISK = "disk"
    NAN = "nan"
    ACCESS = "access"
    NETWORK = "network"
    PREEMPTED = "preempted"
    REPORTED = "reported"
    """The script said why."""
    EXCEPTION = "exception"
    EXIT = "exit"
    """Nobody said why."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a run failed."""

    kind: Kind
    cause: str
    """One sentence without a full stop."""
    hint: str
    """What to do, one or two sentences."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of a failed run besides its log."""

    run_id: str
    said: str = ""
    """The words of the service, such as `Job timeout`; empty without any."""
    seconds: float | None = None
    """How long it ran; None if unknown."""
    timeout_seconds: int | None = None
    remote: bool = True
    """It ran on a machine that was chosen by a flavor."""


_OOM_KILLED = re.compile(r"OOM[- ]?Killed|out of memory|oom_kill", re.IGNORECASE)
_TIMED_OUT = re.compile(r"\btimed? ?out\b|\btimeout\b|deadline exceeded", re.IGNORECASE)
_IMAGE = re.compile(
    r"ImagePull|ErrImage|InvalidImage|manifest (?:for .* )?(?:unknown|not found)|pull access denied"
    r"|(?:pull|pulling|find) (?:the )?image|image .*(?:not found|does not exist)|failed to build|build error",
    re.IGNORECASE,
)
_PREEMPTED = re.compile(r"preempt|evict|node (?:was )?(?:lost|shut ?down|drained|failure)|spot inst", re.IGNORECASE)
_QUOTA = re.compile(r"disk quota", re.IGNORECASE)
_DISK = re.compile(r"No space left on device|ephemeral[- ]storage|disk quota|\[Errno 28\]", re.IGNORECASE)
_SIGNALS = {132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 139: "SIGSEGV"}
"""Exit code of a shell whose program was ended by a signal: 128 and the signal's number."""
_EXIT_CODE = re.compile(r"exit(?:ed with)? (?:code|status):?\s*(\d+)", re.IGNORECASE)

GPU_MEMORY = re.compile(r"CUDA out of memory|(?:torch|cuda)\.OutOfMemoryError|HIP out of memory|CUBLAS_STATUS_ALLOC")
MAIN_MEMORY = re.compile(r"\bMemoryError\b|DefaultCPUAllocator|Cannot allocate memory|^Killed$|Out Of Memory")
PACKAGES = re.compile(
    r"No solution found when resolving|Could not find a version that satisfies|ResolutionImpossible"
    r"|No matching distribution|ModuleNotFoundError|No module named|Failed to build "
)
DRIVER = re.compile(
    r"NVIDIA driver|CUDA driver version|no kernel image is available|no CUDA-capable device|CUDA unknown error"
    r"|forward compatibility was attempted",
    re.IGNORECASE,
)
PUSH = re.compile(
    r"rights to create a (?:model|repo)|(?:/commit/|/preupload/|xet-write-token|/api/repos/create)|push_to_hub"
    r"|Cannot access content at|namespace .*(?:denied|not allowed)",
    re.IGNORECASE,
)
NAN = re.compile(r"\b(?:loss|grad\w*|logits?|probability tensor)\b.*\b(?:nan|inf)\b|\bnan\b.*\bloss\b", re.IGNORECASE)
ACCESS = re.compile(
    r"GatedRepo|RepositoryNotFound|RevisionNotFound|not a valid model identifier|gated repo|401 Client Error"
    r"|DatasetNotFound|403 (?:Client Error|Forbidden)",
    re.IGNORECASE,
)
NETWORK = re.compile(
    r"Max retries exceeded|name resolution|Connect(?:ion)?(?:Error|Timeout)|ReadTimeout|LocalEntryNotFound"
    r"|429 Client Error|50[0234] Server Error|Failed to (?:download|fetch)\b"
)
_REFUSED = re.compile(r"4\d\d (?:Client Error|Forbidden|Unauthorized|Not Found)\b", re.IGNORECASE)
_LARGER = "choose a flavor with more"
_MORE_MEMORY = "Choose a flavor with more main memory"


def diagnose(symptoms: Symptoms, about: Circumstances) -> Diagnosis:
    """Why a run failed, from its log and its circumstances."""
    at = progress_words(symptoms)
    for find in (_by_service, _by_report, _by_error, _by_last_line):
        if (found := find(symptoms, about, at)) is not None:
            return found
    return _unexplained(symptoms, about, at)


def progress_words(symptoms: Symptoms) -> str:
    """How far the training came: ` at step 640 of 1000`, ` at epoch 0.5`; empty if unknown."""
    if symptoms.step:
        return f" at step {symptoms.step}" + (f" of {symptoms.max_steps}" if symptoms.max_steps else "")
    if symptoms.epoch:
        return f" at epoch {symptoms.epoch:.3g}"
    return ""


def _by_service(symptoms: Symptoms, about: Circumstances, at: str) -> Diagnosis | None:
    said = about.said
    if _TIMED_OUT.search(said):
        limit = about.timeout_seconds or about.seconds
        after = f" after {as_time(limit)}" if limit else ""
        hint = run_longer(about.run_id, _hours(symptoms, about))
        return Diagnosis(Kind.TIMEOUT, f"Timed out{after}{at}", hint)
    if _DISK.search(said):
        return _disk(said, at, about)
    if _PREEMPTED.search(said):
        return Diagnosis(
            Kind.PREEMPTED,
            f"The platform took the machine away{at} ({_first_sentence(said)})",
            run_again(about.run_id),
        )
    if _IMAGE.search(said):
        return Diagnosis(
            Kind.IMAGE,
            f"The image of the container could not be pulled ({_first_sentence(said)})",
            "Check jobs.image in smoltui.toml, or omit it; then run it again (R).",
        )
    if _OOM_KILLED.search(said) and not GPU_MEMORY.search(_said_of(symptoms)):
        return Diagnosis(
            Kind.MAIN_MEMORY,
            f"Killed because main memory ran out{at} (OOMKilled; not the memory of the GPU)",
            f"{_MORE_MEMORY}, or lower dataloader_num_workers; then run it again (R).",
        )
    return None


def _by_report(symptoms: Symptoms, about: Circumstances, at: str) -> Diagnosis | None:
    if (failed := symptoms.failed) is None:
        return None
    known = _named(failed.cause, about, at)
    hint = failed.hint or (known.hint if known else see_log(about.run_id))
    return Diagnosis(known.kind if known else Kind.REPORTED, failed.cause or "The script failed", hint)


def _by_error(symptoms: Symptoms, about: Circumstances, at: str) -> Diagnosis | None:
    if not (error := symptoms.error):
        return None
    if (known := _named(error, about, at)) is not None:
        return known
    return Diagnosis(Kind.EXCEPTION, f"{error.rstrip('.')}{at}", see_log(about.run_id))


def _by_last_line(symptoms: Symptoms, about: Circumstances, at: str) -> Diagnosis | None:
    """An error that was printed last, without the traceback that would tell it from a handled one."""
    last = symptoms.last
    if not names_exception(last) and not _REFUSED.match(last):
        return None
    return _named(last, about, at) or Diagnosis(Kind.EXCEPTION, f"{last.rstrip('.')}{at}", see_log(about.run_id))


def _named(error: str, about: Circumstances, at: str) -> Diagnosis | None:
    """What is known about an error; None for one that is not in the table."""
    return next((make(error, about, at) for pattern, make in _TABLE if pattern.search(error)), None)


def _gpu(error: str, about: Circumstances, at: str) -> Diagnosis:
    tried = re.search(r"Tried to allocate ([\d.]+ \w+)", error)
    more = f": {tried[1]} more did not fit" if tried else ""
    return Diagnosis(
        Kind.GPU_MEMORY,
        f"The GPU ran out of memory (CUDA out of memory){at}{more}",
        f"Lower per_device_train_batch_size or max_length{', or ' + _LARGER + ' GPU memory' if about.remote else ''}; "
        "then run it again (R).",
    )


def _main(error: str, about: Circumstances, at: str) -> Diagnosis:
    return Diagnosis(
        Kind.MAIN_MEMORY,
        f"Main memory ran out{at} ({error})",
        f"{_MORE_MEMORY}; then run it again (R)."
        if about.remote
        else "Close other programs, or use a smaller model or dtype; then run it again (R).",
    )


def _packages(error: str, about: Circumstances, at: str) -> Diagnosis:
    if found := re.search(r"No module named '?([\w.]+)'?", error):
        return Diagnosis(
            Kind.PACKAGES,
            f"A Python package is missing: {found[1]}{at}",
            "Add it to jobs.packages in smoltui.toml; then run it again (R)."
            if about.remote
            else f"Install it: python -m pip install {found[1].split('.')[0]}",
        )
    why = re.split(r"No solution found when resolving[^:]*:", error)[-1].strip(" ×╰─▶")
    return Diagnosis(
        Kind.PACKAGES,
        f"The packages could not be resolved: {why.rstrip('.')}",
        "Change the version in the script, or in jobs.packages of smoltui.toml; then run it again (R).",
    )


def _driver(error: str, about: Circumstances, at: str) -> Diagnosis:
    return Diagnosis(
        Kind.DRIVER,
        f"PyTorch and the NVIDIA driver of the machine don't fit together ({error.rstrip('.')})",
        "Choose another flavor, or a PyTorch built for that driver (jobs.packages); then run it again (R)."
        if about.remote
        else "Install a PyTorch built for this driver: smoltui check",
    )


def _push(error: str, about: Circumstances, at: str) -> Diagnosis:
    return Diagnosis(
        Kind.PUSH,
        f"The Hub refused the push{at}: {error.rstrip('.')}",
        "Check hub_model_id and that the token may write there; then run it again (R).",
    )


def _disk(error: str, at: str, about: Circumstances) -> Diagnosis:
    return Diagnosis(
        Kind.DISK,
        f"The disk {'quota is used up' if _QUOTA.search(error) else 'is full (no space left on device)'}{at}",
        f"Lower save_total_limit{', or ' + _LARGER + ' disk' if about.remote else ', or free space'}; "
        "then run it again (R).",
    )


def _nan(error: str, about: Circumstances, at: str) -> Diagnosis:
    return Diagnosis(
        Kind.NAN,
        f"The numbers became NaN or infinite{at}: {error.rstrip('.')}",
        "Lower learning_rate or max_grad_norm, or train in bf16; then run it again (R).",
    )


def _access(error: str, about: Circumstances, at: str) -> Diagnosis:
    return Diagnosis(
        Kind.ACCESS,
        f"A model or data set is missing, private or gated for this account: {error.rstrip('.')}",
        "Check its name, accept its terms on the Hub, or use a token that may read it; then run it again (R).",
    )


def _network(error: str, about: Circumstances, at: str) -> Diagnosis:
    return Diagnosis(
        Kind.NETWORK,
        f"A server could not be reached{at}: {error.rstrip('.')}",
        run_again(about.run_id),
    )


_TABLE: tuple[tuple[re.Pattern[str], Callable[[str, Circumstances, str], Diagnosis]], ...] = (
    (GPU_MEMORY, _gpu),
    (_DISK, lambda error, about, at: _disk(error, at, about)),
    (PACKAGES, _packages),
    (DRIVER, _driver),
    (PUSH, _push),
    (ACCESS, _access),
    (MAIN_MEMORY, _main),
    (NAN, _nan),
    (NETWORK, _network),
)
"""The first whose pattern is in an error. The wording is that of PyTorch, uv, pip and huggingface_hub."""


def _unexplained(symptoms: Symptoms, about: Circumstances, at: str) -> Diagnosis:
    code = _EXIT_CODE.search(about.said)
    last = f"; last line: {symptoms.last[:200]}" if symptoms.last else ""
    match int(code[1]) if code else None:
        case 137:
            what = f"Killed (exit code 137), probably because main memory ran out{at}{last}"
            return Diagnosis(Kind.MAIN_MEMORY, what, f"{_MORE_MEMORY}; then run it again (R).")
        case 143:
            what = f"Stopped by the platform (exit code 143){at}{last}"
            return Diagnosis(Kind.PREEMPTED, what, run_again(about.run_id))
        case int(number) if number in _SIGNALS:
            what = f"Crashed ({_SIGNALS[number]}, exit code {number}){at}{last}"
            return Diagnosis(Kind.EXIT, what, see_log(about.run_id))
        case int(number):
            return Diagnosis(Kind.EXIT, f"Exited with code {number}{at}{last}", see_log(about.run_id))
        case _:
            said = _first_sentence(about.said) or "Failed, and its service does not say why"
            return Diagnosis(Kind.EXIT, f"{said}{at}{last}", see_log(about.run_id))


def _said_of(symptoms: Symptoms) -> str:
    return symptoms.failed.cause if symptoms.failed else last_words(symptoms)


def _hours(symptoms: Symptoms, about: Circumstances) -> int:
    """Hours that would be enough: what its steps need at this pace and a fifth more, and more than it had."""
    seconds = about.timeout_seconds or about.seconds or 0
    needed = 2.0 * seconds
    if symptoms.step and symptoms.max_steps and about.seconds:
        needed = max(needed if symptoms.step < 2 else 0.0, about.seconds * symptoms.max_steps / symptoms.step * 1.2)
    return max(int(seconds) // 3600 + 1, -(-int(needed) // 3600))


def _first_sentence(text: str) -> str:
    return " ".join(text.split())[:200].rstrip(".")
