"""The table of actions: what can be done where, with which keys, in which words."""
