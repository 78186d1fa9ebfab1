"""Programs that run alone, in another Python: as a child, as a Job."""

from pathlib import Path

SCRIPTS = Path(__file__).parent
BESIDE_DPO = (
    "pair_choices.py",
    "pair_columns.py",
    "pair_format.py",
    "pair_turns.py",
    "saved_model.py",
    "script_events.py",
)
"""What `dpo.py` imports: it travels with it, and lies beside it."""
