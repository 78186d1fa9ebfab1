"""Pure logic: no Textual, no network, no torch, no clock."""
