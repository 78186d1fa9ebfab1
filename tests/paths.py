"""Where tests find the files beside them."""

from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
PACKAGE = ROOT / "smoltui"
DEMO = PACKAGE / "demo" / "project"
FAKE_TRAINING = TESTS / "fake_training.py"
"""Speaks as scripts/dpo.py does and trains nothing."""
PAUSING_TRAINING = TESTS / "backends" / "local" / "pausing_training.py"
SCRIPTED_MODELS = TESTS / "stories" / "scripted_models.py"
