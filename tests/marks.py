"""Marks that several test files share."""

from __future__ import annotations

import importlib.util
from typing import TypeVar

import pytest

TRAINS = ("torch", "trl", "datasets", "peft", "accelerate")
Test = TypeVar("Test")


def needs_training(test: Test) -> Test:
    """For tests that really train or ask models: skipped without the `train` extra, and slow, as torch is imported."""
    missing = [name for name in TRAINS if importlib.util.find_spec(name) is None]
    mark = pytest.mark.skipif(bool(missing), reason="the train extra is not installed (pip install smoltui[train])")
    return pytest.mark.slow(mark(test))
