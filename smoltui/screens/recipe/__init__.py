"""The Recipe room, its form and the texts beside it."""
