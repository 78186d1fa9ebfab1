"""`python -m smoltui`, and the entry point `smoltui`."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line and leaves with its exit code."""
    from smoltui.cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()
