"""How to install what trains."""

INSTALL_HINT = "Run: pip install 'smoltui[train]'"
