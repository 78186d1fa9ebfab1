"""Makes an environment with uv once, and becomes its Python. Run alone, with the standard library only:

    python uv_environment.py PLACE REQUIREMENTS CONSTRAINTS ARGUMENT...

PLACE is the folder of the environment. If it is not there yet, uv makes it with the packages of the file REQUIREMENTS,
in the versions of the file CONSTRAINTS. Then this process is replaced by the environment's Python with the arguments,
so that signals and the process id are those of the training. What uv prints is log text.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

DONE = "complete"
"""Name of the file that is made last."""


def make(place: Path, requirements: str, constraints: str) -> None:
    """Makes the environment, unless it is complete. Processes that want the same one wait for each other.

    Raises:
        subprocess.CalledProcessError: uv could not make it, and has said why.
        OSError: the folder cannot be written, or there is no uv.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{place}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (place / DONE).exists():
            return
        shutil.rmtree(place, ignore_errors=True)
        print(f"Making an environment for training, once: {place}", flush=True)
        python = str(place / "bin" / "python")
        subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(place)], check=True)
        packages = ["uv", "pip", "install", "--python", python, "-r", requirements, "-c", constraints]
        subprocess.run(packages, check=True, stdin=subprocess.DEVNULL)
        (place / DONE).touch()


def main() -> int:
    place, requirements, constraints, *arguments = sys.argv[1:]
    try:
        make(Path(place), requirements, constraints)
    except subprocess.CalledProcessError as error:
        print(f"uv could not make the environment: exit code {error.returncode}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"The environment cannot be made: {error}", file=sys.stderr)
        return 1
    python = str(Path(place) / "bin" / "python")
    os.environ.pop("VIRTUAL_ENV", None)
    os.execv(python, [python, *arguments])


if __name__ == "__main__":
    sys.exit(main())
