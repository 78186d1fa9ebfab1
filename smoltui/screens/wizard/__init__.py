"""The wizard for a new project."""
