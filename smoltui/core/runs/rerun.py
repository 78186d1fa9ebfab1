"""Repeating a run: its stored specification with a new label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any

from smoltui.core.foreign.field_types import FITS, FieldType, field_types
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import InputError


def spec_of(data: object) -> RunSpec | None:
    """The specification in a decoded record (`dataclasses.asdict` of one, written as JSON); None if it has none.

    Keys that `RunSpec` does not have are ignored, so records of other versions can be read.
    """
    if not isinstance(data, Mapping):
        return None
    known: dict[str, Any] = {}
    types = field_types(RunSpec)
    for item in fields(RunSpec):
        if item.name in data:
            value = data[item.name]
            if not _fits(value, types[item.name]):
                return None
            known[item.name] = tuple(value) if isinstance(value, list) else value
        elif item.default is MISSING and item.default_factory is MISSING:
            return None
    return RunSpec(**known)


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs when a run is run again, or resumed; None keeps what it had."""

    flavor: str | None = None
    timeout_seconds: int | None = None
    namespace: str | None = None
    attempts: int | None = None

    @property
    def any(self) -> bool:
        """Whether something differs."""
        return self != NO_CHANGES

    def over(self, before: Changes) -> Changes:
        """What is in force: these, and `before` where they keep what it had."""
        return replace(before, **{name: value for name, value in asdict(self).items() if value is not None})


NO_CHANGES = Changes()


def as_before(run: Run, spec: RunSpec | None) -> Changes:
    """What a run has if nothing is changed; `spec`: what it was started with, None if unknown.

    Of a run that was continued by another Job, `run` has what that one was given; it is repeated from its first.
    """
    return Changes(
        flavor=(spec.flavor if spec is not None else None) or run.flavor,
        timeout_seconds=(spec.timeout_seconds if spec is not None else None) or run.timeout_seconds,
        namespace=(spec.namespace if spec is not None else None) or run.namespace,
        attempts=(spec.attempts if spec is not None else run.attempts) or 1,
    )


def changed(spec: RunSpec, changes: Changes) -> RunSpec:
    """`spec` with what differs; a flavor with another number of GPUs starts as many processes."""
    found = {name: value for name, value in asdict(changes).items() if value is not None}
    if found.get("flavor", spec.flavor) != spec.flavor:
        found["processes"] = None
    return replace(spec, **found)


def _fits(value: object, kind: FieldType) -> bool:
    return kind.optional if value is None else FITS[kind.type](value)


def again(spec: RunSpec, label: str, *, output_dir: str | None = None) -> RunSpec:
    """`spec` as another run: identical except for the unique label, and the output folder if given. No steps follow.

    The label is also one of the Job's labels, and is replaced there.
    """
    labels = {key: label if value == spec.label else value for key, value in spec.labels.items()}
    return replace(spec, label=label, labels=labels, output_dir=output_dir or spec.output_dir, then=())


def refuse_resume(run: Run) -> None:
    """Raises InputError for a run that has not ended, or that is complete."""
    if not run.is_final:
        raise InputError(
            f"This run has not ended and cannot be resumed: {run.id}", f"Cancel it: smoltui cancel {run.id}"
        )
    if run.stage == Stage.COMPLETED:
        raise InputError(
            f"This run has reached its last step; there is nothing to resume: {run.id}",
            f"Repeat it: smoltui rerun {run.id}; or continue training with another recipe.",
        )


def kept_elsewhere(run: Run, changes: Changes) -> str:
    """What it means that a run is resumed for another account than that whose bucket has its checkpoints; else empty.

    Not sanitized.
    """
    spec = run.raw.get("spec")
    keep = spec.get("keep") if isinstance(spec, Mapping) else None
    if not isinstance(keep, str) or not keep.startswith("bucket:"):
        return ""
    owner = keep.removeprefix("bucket:").partition("/")[0] if keep.count("/") > 1 else run.namespace
    payer = changes.namespace or run.namespace
    return (
        "" if payer == owner else f"Checkpoints stay in the bucket of {owner}; the Job of {payer} reads and writes it"
    )
