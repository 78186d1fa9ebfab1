"""The Evaluate room and what it draws."""
