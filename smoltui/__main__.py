"""`python -m smoltui`, and the entry point `smoltui`."""

from __future__ import annotations

import sys


def forget_folder() -> None:
    """Puts the folder that `python -m smoltui` was started in behind all others: modules in a project shadow none.

    Behind and not away: a checkout that is not installed is imported from it.
    """
    if not sys.flags.safe_path:
        sys.path.append(sys.path.pop(0))


def main() -> None:
    """Runs the command line and leaves with its exit code."""
    from smoltui.backends.system.pandas_block import block_pandas
    from smoltui.cli.main import run

    block_pandas()
    sys.exit(run())


if __name__ == "__main__":
    forget_folder()
    main()
