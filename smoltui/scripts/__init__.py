"""Programs that run on their own in another Python process: as a child, or as a Job."""

from pathlib import Path

SCRIPTS = Path(__file__).parent
TRAINING_SCRIPT = SCRIPTS / "dpo.py"
BESIDE_DPO = (
    "accelerator_guard.py",
    "answer_rules.py",
    "curve_remarks.py",
    "curve_view.py",
    "freed_memory.py",
    "kept_checkpoints.py",
    "pair_answers.py",
    "pair_checks.py",
    "pair_choices.py",
    "pair_columns.py",
    "pair_format.py",
    "pair_how.py",
    "pair_shapes.py",
    "pair_sides.py",
    "pair_turns.py",
    "ruin_rules.py",
    "run_health.py",
    "saved_model.py",
    "script_events.py",
    "training_callbacks.py",
    "training_pairs.py",
)
"""Modules that `dpo.py` imports from its own folder; they are shipped with it."""
LOCKED = SCRIPTS / "locked.txt"
"""`name==version` of everything that `dpo.py` requires, made by `locked_packages.py`."""
LOCKED_LINUX = SCRIPTS / "locked_linux.txt"
"""The same of what torch requires on Linux only: CUDA. Made by `uv pip compile --universal` from the header."""
