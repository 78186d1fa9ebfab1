"""Where the README's figures come from. Not run by pytest: `python -m tests.benchmarks.start` and so on."""
