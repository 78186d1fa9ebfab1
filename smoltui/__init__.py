"""smoltui: from preference pairs to an aligned model, with the keyboard."""

__version__ = "0.1.0"
