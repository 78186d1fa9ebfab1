"""The tests, in the tree of the package, and the stories."""

import os
import sys

# Container images often set it. Hundreds of tests start the app or a command, which would compile all of it each time.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
