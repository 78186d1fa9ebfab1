"""Names of terminals that the app cannot be drawn on."""

CANNOT_DRAW = ("", "dumb", "unknown")
"""Terminals that cannot move the cursor, such as the output panes of editors and build servers."""
