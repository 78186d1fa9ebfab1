"""Programs that run alone, in another Python: as a child, as a Job."""

from pathlib import Path

SCRIPTS = Path(__file__).parent
