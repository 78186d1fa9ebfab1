"""Writes a project's recipe as a script or as a command."""
