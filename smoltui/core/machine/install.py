"""How to install the training packages."""

INSTALL_HINT = "Run: pip install 'smoltui[train]'"
