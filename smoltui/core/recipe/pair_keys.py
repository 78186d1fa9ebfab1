"""The keys of a recipe that name its pairs."""

from __future__ import annotations

from collections.abc import Mapping

PAIR_KEYS = (
    "datasets",
    "dataset_name",
    "dataset_config",
    "dataset_train_split",
    "dataset_test_split",
    "test_split_size",
)
"""They say what is trained on and measured on."""


def naming_key(values: Mapping[str, object]) -> str:
    """The key in which a recipe names its set: TRL ignores `dataset_name` beside `datasets`."""
    return "datasets" if values.get("datasets") else "dataset_name"
