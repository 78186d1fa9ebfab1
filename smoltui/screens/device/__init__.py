"""The Device room and its tables."""
