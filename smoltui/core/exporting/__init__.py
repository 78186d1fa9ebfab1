"""A recipe as something that runs without smoltui: a script, or a command."""
