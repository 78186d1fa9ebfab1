"""Runs one of our children so that it ends with its parent and imports nothing from the folder it works in.

    python -P leash.py PARENT_PID -m MODULE [ARGUMENT…]
    python -P leash.py PARENT_PID SCRIPT [ARGUMENT…]

Standard library only. A parent that is killed cannot end its children, so each child sees to it: on Linux the kernel
kills it with the thread that started it, elsewhere a thread of its own looks whether the parent is still there.
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
"""Between two looks at the parent where the kernel does not tell."""
PR_SET_PDEATHSIG = 1
"""<linux/prctl.h>"""


def end_with(parent: int) -> None:
    """Ties this process to the process `parent`, which must have started it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone before the kernel was asked
            os._exit(1)
    else:
        threading.Thread(target=watch, args=(parent,), name="leash", daemon=True).start()


def watch(parent: int) -> None:
    """Kills this process, and the group where it leads one, as soon as its parent is another one than `parent`."""
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
        if root not in sys.path:  # a checkout that is not installed; last, so that its other files shadow nothing
            sys.path.append(root)
        sys.argv = [module, *rest]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [target, *rest]
        runpy.run_path(target, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
