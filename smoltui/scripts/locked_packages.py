"""Prints `name==version` of everything that the training script requires, directly or not, as installed here.

`python locked_packages.py > locked.txt`. An exported script and the environment that smoltui makes for training get
these versions.
"""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

HERE = Path(__file__).parent


def locked(names: list[str]) -> dict[str, str]:
    """Package → version, of these packages and what they require on any platform, as far as it is installed."""
    found: dict[str, str] = {}
    waiting = [(name, frozenset[str]()) for name in names]
    while waiting:
        name, extras = waiting.pop()
        plain = re.sub(r"[-_.]+", "-", name).lower()
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another platform
        if plain in found and not extras:
            continue
        found[plain] = package.version.partition("+")[0]
        for line in package.requires or ():
            wanted = Requirement(line)
            asked = [{"extra": extra} for extra in ("", *extras)]
            if wanted.marker is None or any(wanted.marker.evaluate(values) for values in asked):
                waiting.append((wanted.name, frozenset(wanted.extras)))
    return found


if __name__ == "__main__":
    text = (HERE / "dpo.py").read_text(encoding="utf-8")
    for name, version in sorted(locked(re.findall(r'^#   "([\w-]+)==', text, re.MULTILINE)).items()):
        print(f"{name}=={version}")
