"""Runs a child process that ends with its parent, and imports nothing from its working directory.

    python -P leash.py PARENT_PID -m MODULE [ARGUMENT…]
    python -P leash.py PARENT_PID SCRIPT [ARGUMENT…]

Standard library only. A killed parent cannot end its children, so each child does so itself: on Linux, the kernel kills
it with the thread that started it; on other systems, a thread in the child checks whether the parent is still alive.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

LOOK_SECONDS = 0.5
"""Seconds between two checks of the parent on systems without a notification."""
PR_SET_PDEATHSIG = 1
"""<linux/prctl.h>"""


def end_with(parent: int) -> None:
    """Ends this process with the process `parent`, which must have started it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)
    else:
        threading.Thread(target=watch, args=(parent,), name="leash", daemon=True).start()


def watch(parent: int) -> None:
    """Kills this process, and the group it leads if any, as soon as its parent is no longer `parent`."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def main(arguments: list[str]) -> None:
    parent, target, *rest = arguments
    end_with(int(parent))
    if target == "-m":
        module, *rest = rest
        root = str(Path(__file__).resolve().parents[3])
        if root not in sys.path:  # for a checkout that is not installed; last, so that its other files shadow nothing
            sys.path.append(root)
        sys.argv = [module, *rest]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [target, *rest]
        runpy.run_path(target, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
