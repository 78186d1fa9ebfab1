"""Stages of a run. Apart from the run itself, so that Home can name them before anything of a run is imported."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """Stage of a run: the Hub's values (huggingface_hub `JobStage`), used for local runs too."""

    SCHEDULING = "SCHEDULING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"
    ERROR = "ERROR"
    DELETED = "DELETED"


FINAL = frozenset({Stage.COMPLETED, Stage.CANCELED, Stage.ERROR, Stage.DELETED})


def is_final(stage: str) -> bool:
    """Whether a run in this stage will never change again. A stage known only to the server is not final."""
    return stage in FINAL
