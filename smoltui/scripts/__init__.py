"""Programs that run on their own in another Python process: as a child, or as a Job."""

from pathlib import Path

SCRIPTS = Path(__file__).parent
BESIDE_DPO = (
    "answer_rules.py",
    "curve_remarks.py",
    "curve_view.py",
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
)
"""Modules that `dpo.py` imports from its own folder; they are shipped with it."""
LOCKED = SCRIPTS / "locked.txt"
"""`name==version` of everything that `dpo.py` requires, made by `locked_packages.py`."""
